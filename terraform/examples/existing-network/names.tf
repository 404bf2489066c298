# As `deployer/names.py` gives them for prefix aduana, name spoke and the subscription of zeros.
locals {
  names = {
    resource_group             = "aduana-spoke-westeurope"
    environment_resource_group = "aduana-spoke-westeurope-environment"
    virtual_network            = "aduana-spoke-vnet"
    subnets = {
      apps                = "apps"
      endpoints           = "endpoints"
      postgres            = "postgres"
      gateway             = "gateway"
      firewall            = "AzureFirewallSubnet"
      firewall_management = "AzureFirewallManagementSubnet"
    }
    network_security_groups = {
      apps      = "aduana-spoke-apps-nsg"
      endpoints = "aduana-spoke-endpoints-nsg"
      postgres  = "aduana-spoke-postgres-nsg"
      gateway   = "aduana-spoke-gateway-nsg"
    }
    route_table                    = "aduana-spoke-rt"
    firewall                       = "aduana-spoke-afw"
    firewall_policy                = "aduana-spoke-afwp"
    firewall_public_ip             = "aduana-spoke-firewall-pip"
    firewall_management_public_ip  = "aduana-spoke-firewall-management-pip"
    application_gateway            = "aduana-spoke-agw"
    application_gateway_public_ip  = "aduana-spoke-gateway-pip"
    application_gateway_identity   = "aduana-spoke-gateway-id"
    application_gateway_waf_policy = "aduana-spoke-waf"
    front_door                     = "aduana-spoke-afd"
    front_door_endpoint            = "aduana-spoke-fde-4zm5p6"
    front_door_identity            = "aduana-spoke-front-door-id"
    front_door_waf_policy          = "aduanaspokefdfp"
    log_workspace                  = "aduana-spoke-log"
    key_vault                      = "aduana-spoke-kv-4zm5p6"
    postgres                       = "aduana-spoke-psql-4zm5p6"
    redis                          = "aduana-spoke-amr-4zm5p6"
    event_hubs                     = "aduana-spoke-evhns-4zm5p6"
    storage_account                = "aduanaspokest4zm5p6"
    environment                    = "aduana-spoke-cae"
    apps = {
      proxy  = "aduana-spoke-proxy"
      writer = "aduana-spoke-writer"
      admin  = "aduana-spoke-admin"
    }
    job = "aduana-spoke-job"
    identities = {
      proxy  = "aduana-spoke-proxy-id"
      writer = "aduana-spoke-writer-id"
      admin  = "aduana-spoke-admin-id"
      job    = "aduana-spoke-job-id"
    }
    accounts = {
      shared = "aduana-spoke-shared-oai-utnyiw"
    }
    private_endpoints = {
      key_vault       = "aduana-spoke-key-vault-pe"
      postgres        = "aduana-spoke-postgres-pe"
      redis           = "aduana-spoke-redis-pe"
      event_hubs      = "aduana-spoke-event-hubs-pe"
      storage_account = "aduana-spoke-storage-account-pe"
      environment     = "aduana-spoke-environment-pe"
    }
    account_private_endpoints = {
      shared = "aduana-spoke-shared-oai-pe"
    }
  }
}
