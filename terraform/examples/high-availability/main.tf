# For the internet, over zones and two regions of models: Front Door with its firewall is the only way in, and new images come in
# beside the old ones.

module "aduana" {
  source = "../.."

  subscription_id = var.subscription_id
  name            = "public"
  region          = "swedencentral"
  names           = local.names

  entra = {
    tenant_id = var.tenant_id
  }

  images = {
    proxy       = "${var.registry.server}/aduana/proxy@${var.registry.proxy}"
    admin       = "${var.registry.server}/aduana/admin@${var.registry.admin}"
    job         = "${var.registry.server}/aduana/job@${var.registry.job}"
    registry_id = "/subscriptions/${var.subscription_id}/resourceGroups/contoso-shared/providers/Microsoft.ContainerRegistry/registries/contoso"
  }

  network = {
    address_space = "10.90.0.0/22"
    subnets = {
      apps      = "10.90.0.0/24"
      endpoints = "10.90.1.0/26"
    }
  }

  ingress = {
    visibility     = "external"
    domain         = "llm.contoso.com"
    admin_domain   = "llm-admin.contoso.com"
    front          = "front_door"
    allowed_ranges = ["203.0.113.0/24", "198.51.100.0/24"]
  }

  egress = {
    registry_hosts = [var.registry.server]
  }

  redis = {
    sku = "Balanced_B5"
  }

  postgres = {
    version               = "18"
    sku                   = "GP_Standard_D4ds_v5"
    storage_gb            = 512
    backup_retention_days = 35
    geo_redundant_backup  = true
  }

  openai = {
    accounts = {
      swedencentral = {
        deployments = {
          gpt-4o-ptu = { model = "gpt-4o", version = "2024-11-20", sku = "ProvisionedManaged", capacity = 50 }
          gpt-4o     = { model = "gpt-4o", version = "2024-11-20", capacity = 300 }
        }
      }
      westeurope = {
        region = "westeurope"
        deployments = {
          gpt-4o = { model = "gpt-4o", version = "2024-11-20", capacity = 300 }
        }
      }
    }
  }

  event_hubs = {
    enabled        = true
    sku            = "Premium"
    retention_days = 30
  }

  replicas = {
    proxy  = { min = 3, max = 30, cpu = 2, concurrent_requests = 200 }
    writer = { min = 2, max = 4 }
    admin  = { min = 2, max = 3 }
  }

  revisions = {
    mode = "blue_green"
  }
}
