# Production in one region: models of one's own behind private endpoints, an Application Gateway with its firewall in front, and a
# way out to named hosts alone.

module "aduana" {
  source = "../.."

  subscription_id = var.subscription_id
  name            = "prod"
  region          = "uksouth"
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

  tags = { "cost-centre" = "1234" }

  network = {
    address_space = "10.80.0.0/22"
    subnets = {
      apps      = "10.80.0.0/25"
      endpoints = "10.80.0.128/26"
      gateway   = "10.80.0.192/26"
      firewall  = "10.80.1.0/26"
      postgres  = "10.80.1.64/28"
    }
  }

  ingress = {
    domain       = "llm.contoso.com"
    admin_domain = "llm-admin.contoso.com"
    front        = "application_gateway"
    certificate = {
      key_vault_secret_id = "https://contoso-certificates.vault.azure.net/secrets/llm"
      key_vault_id        = "/subscriptions/${var.subscription_id}/resourceGroups/contoso-shared/providers/Microsoft.KeyVault/vaults/contoso-certificates"
    }
  }

  egress = {
    mode           = "firewall"
    hosts          = ["api.openai.com"]
    registry_hosts = [var.registry.server, "*.blob.core.windows.net"]
  }

  postgres = {
    connectivity = "injected"
  }

  openai = {
    accounts = {
      uksouth = {
        deployments = {
          gpt-4o      = { model = "gpt-4o", version = "2024-11-20", capacity = 100 }
          gpt-4o-mini = { model = "gpt-4o-mini", version = "2024-07-18", capacity = 200 }
        }
      }
    }
  }

  event_hubs = {
    enabled = true
  }
}
