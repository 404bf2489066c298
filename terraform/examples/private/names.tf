# As `deployer/names.py` gives them for prefix aduana, name prod and the subscription of zeros.
locals {
  names = {
    resource_group             = "aduana-prod-uksouth"
    environment_resource_group = "aduana-prod-uksouth-environment"
    virtual_network            = "aduana-prod-vnet"
    subnets = {
      apps                = "apps"
      endpoints           = "endpoints"
      postgres            = "postgres"
      gateway             = "gateway"
      firewall            = "AzureFirewallSubnet"
      firewall_management = "AzureFirewallManagementSubnet"
    }
    network_security_groups = {
      apps      = "aduana-prod-apps-nsg"
      endpoints = "aduana-prod-endpoints-nsg"
      postgres  = "aduana-prod-postgres-nsg"
      gateway   = "aduana-prod-gateway-nsg"
    }
    route_table                    = "aduana-prod-rt"
    firewall                       = "aduana-prod-afw"
    firewall_policy                = "aduana-prod-afwp"
    firewall_public_ip             = "aduana-prod-firewall-pip"
    firewall_management_public_ip  = "aduana-prod-firewall-management-pip"
    application_gateway            = "aduana-prod-agw"
    application_gateway_public_ip  = "aduana-prod-gateway-pip"
    application_gateway_identity   = "aduana-prod-gateway-id"
    application_gateway_waf_policy = "aduana-prod-waf"
    front_door                     = "aduana-prod-afd"
    front_door_endpoint            = "aduana-prod-fde-tbhbhj"
    front_door_identity            = "aduana-prod-front-door-id"
    front_door_waf_policy          = "aduanaprodfdfp"
    log_workspace                  = "aduana-prod-log"
    key_vault                      = "aduana-prod-kv-tbhbhj"
    postgres                       = "aduana-prod-psql-tbhbhj"
    redis                          = "aduana-prod-amr-tbhbhj"
    event_hubs                     = "aduana-prod-evhns-tbhbhj"
    storage_account                = "aduanaprodsttbhbhj"
    environment                    = "aduana-prod-cae"
    apps = {
      proxy  = "aduana-prod-proxy"
      writer = "aduana-prod-writer"
      admin  = "aduana-prod-admin"
    }
    job = "aduana-prod-job"
    identities = {
      proxy  = "aduana-prod-proxy-id"
      writer = "aduana-prod-writer-id"
      admin  = "aduana-prod-admin-id"
      job    = "aduana-prod-job-id"
    }
    accounts = {
      uksouth = "aduana-prod-uksouth-oai-lzgt2b"
    }
    private_endpoints = {
      key_vault       = "aduana-prod-key-vault-pe"
      postgres        = "aduana-prod-postgres-pe"
      redis           = "aduana-prod-redis-pe"
      event_hubs      = "aduana-prod-event-hubs-pe"
      storage_account = "aduana-prod-storage-account-pe"
      environment     = "aduana-prod-environment-pe"
    }
    account_private_endpoints = {
      uksouth = "aduana-prod-uksouth-oai-pe"
    }
  }
}
