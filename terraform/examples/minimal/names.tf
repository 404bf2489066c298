# As `deployer/names.py` gives them for prefix aduana, name trial and the subscription of zeros.
locals {
  names = {
    resource_group             = "aduana-trial-uksouth"
    environment_resource_group = "aduana-trial-uksouth-environment"
    virtual_network            = "aduana-trial-vnet"
    subnets = {
      apps                = "apps"
      endpoints           = "endpoints"
      postgres            = "postgres"
      gateway             = "gateway"
      firewall            = "AzureFirewallSubnet"
      firewall_management = "AzureFirewallManagementSubnet"
    }
    network_security_groups = {
      apps      = "aduana-trial-apps-nsg"
      endpoints = "aduana-trial-endpoints-nsg"
      postgres  = "aduana-trial-postgres-nsg"
      gateway   = "aduana-trial-gateway-nsg"
    }
    route_table                    = "aduana-trial-rt"
    firewall                       = "aduana-trial-afw"
    firewall_policy                = "aduana-trial-afwp"
    firewall_public_ip             = "aduana-trial-firewall-pip"
    firewall_management_public_ip  = "aduana-trial-firewall-management-pip"
    application_gateway            = "aduana-trial-agw"
    application_gateway_public_ip  = "aduana-trial-gateway-pip"
    application_gateway_identity   = "aduana-trial-gateway-id"
    application_gateway_waf_policy = "aduana-trial-waf"
    front_door                     = "aduana-trial-afd"
    front_door_endpoint            = "aduana-trial-fde-jb6rxf"
    front_door_identity            = "aduana-trial-front-door-id"
    front_door_waf_policy          = "aduanatrialfdfp"
    log_workspace                  = "aduana-trial-log"
    key_vault                      = "aduana-trial-kv-jb6rxf"
    postgres                       = "aduana-trial-psql-jb6rxf"
    redis                          = "aduana-trial-amr-jb6rxf"
    event_hubs                     = "aduana-trial-evhns-jb6rxf"
    storage_account                = "aduanatrialstjb6rxf"
    environment                    = "aduana-trial-cae"
    apps = {
      proxy  = "aduana-trial-proxy"
      writer = "aduana-trial-writer"
      admin  = "aduana-trial-admin"
    }
    job = "aduana-trial-job"
    identities = {
      proxy  = "aduana-trial-proxy-id"
      writer = "aduana-trial-writer-id"
      admin  = "aduana-trial-admin-id"
      job    = "aduana-trial-job-id"
    }
    accounts = {}
    private_endpoints = {
      key_vault       = "aduana-trial-key-vault-pe"
      postgres        = "aduana-trial-postgres-pe"
      redis           = "aduana-trial-redis-pe"
      event_hubs      = "aduana-trial-event-hubs-pe"
      storage_account = "aduana-trial-storage-account-pe"
      environment     = "aduana-trial-environment-pe"
    }
    account_private_endpoints = {}
  }
}
