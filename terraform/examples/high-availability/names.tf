# As `deployer/names.py` gives them for prefix aduana, name public and the subscription of zeros.
locals {
  names = {
    resource_group             = "aduana-public-swedencentral"
    environment_resource_group = "aduana-public-swedencentral-environment"
    virtual_network            = "aduana-public-vnet"
    subnets = {
      apps                = "apps"
      endpoints           = "endpoints"
      postgres            = "postgres"
      gateway             = "gateway"
      firewall            = "AzureFirewallSubnet"
      firewall_management = "AzureFirewallManagementSubnet"
    }
    network_security_groups = {
      apps      = "aduana-public-apps-nsg"
      endpoints = "aduana-public-endpoints-nsg"
      postgres  = "aduana-public-postgres-nsg"
      gateway   = "aduana-public-gateway-nsg"
    }
    route_table                    = "aduana-public-rt"
    firewall                       = "aduana-public-afw"
    firewall_policy                = "aduana-public-afwp"
    firewall_public_ip             = "aduana-public-firewall-pip"
    firewall_management_public_ip  = "aduana-public-firewall-management-pip"
    application_gateway            = "aduana-public-agw"
    application_gateway_public_ip  = "aduana-public-gateway-pip"
    application_gateway_identity   = "aduana-public-gateway-id"
    application_gateway_waf_policy = "aduana-public-waf"
    front_door                     = "aduana-public-afd"
    front_door_endpoint            = "aduana-public-fde-rriadm"
    front_door_identity            = "aduana-public-front-door-id"
    front_door_waf_policy          = "aduanapublicfdfp"
    log_workspace                  = "aduana-public-log"
    key_vault                      = "aduana-public-kv-rriadm"
    postgres                       = "aduana-public-psql-rriadm"
    redis                          = "aduana-public-amr-rriadm"
    event_hubs                     = "aduana-public-evhns-rriadm"
    storage_account                = "aduanapublicstrriadm"
    environment                    = "aduana-public-cae"
    apps = {
      proxy  = "aduana-public-proxy"
      writer = "aduana-public-writer"
      admin  = "aduana-public-admin"
    }
    job = "aduana-public-job"
    identities = {
      proxy  = "aduana-public-proxy-id"
      writer = "aduana-public-writer-id"
      admin  = "aduana-public-admin-id"
      job    = "aduana-public-job-id"
    }
    accounts = {
      swedencentral = "aduana-public-swedencentral-oai-tsnq6h"
      westeurope    = "aduana-public-westeurope-oai-2rtxq5"
    }
    private_endpoints = {
      key_vault       = "aduana-public-key-vault-pe"
      postgres        = "aduana-public-postgres-pe"
      redis           = "aduana-public-redis-pe"
      event_hubs      = "aduana-public-event-hubs-pe"
      storage_account = "aduana-public-storage-account-pe"
      environment     = "aduana-public-environment-pe"
    }
    account_private_endpoints = {
      swedencentral = "aduana-public-swedencentral-oai-pe"
      westeurope    = "aduana-public-westeurope-oai-pe"
    }
  }
}
