# In subnets, private zones, a log workspace and an Azure OpenAI account that others made and go on keeping.

module "aduana" {
  source = "../.."

  subscription_id = var.subscription_id
  name            = "spoke"
  region          = "westeurope"
  names           = local.names

  entra = {
    tenant_id = var.tenant_id
  }

  images = {
    proxy = "${var.registry.server}/aduana/proxy@${var.registry.proxy}"
    admin = "${var.registry.server}/aduana/admin@${var.registry.admin}"
    job   = "${var.registry.server}/aduana/job@${var.registry.job}"
  }

  network = {
    mode = "existing"
    existing = {
      vnet_id             = "${local.shared}/Microsoft.Network/virtualNetworks/spoke-llm"
      apps_subnet_id      = "${local.shared}/Microsoft.Network/virtualNetworks/spoke-llm/subnets/apps"
      endpoints_subnet_id = "${local.shared}/Microsoft.Network/virtualNetworks/spoke-llm/subnets/endpoints"
    }
  }

  private_dns = {
    mode = "existing"
    zones = {
      for zone in [
        "vaultcore.azure.net",
        "postgres.database.azure.com",
        "redis.azure.net",
        "openai.azure.com",
        "cognitiveservices.azure.com",
        "services.ai.azure.com",
      ] : zone => "${local.shared}/Microsoft.Network/privateDnsZones/privatelink.${zone}"
    }
  }

  egress = {
    registry_hosts = [var.registry.server]
  }

  openai = {
    accounts = {
      shared = {
        mode        = "existing"
        resource_id = "${local.shared}/Microsoft.CognitiveServices/accounts/contoso-openai"
        deployments = {
          gpt-4o = { model = "gpt-4o", version = "2024-11-20", sku = "DataZoneStandard", capacity = 50 }
        }
      }
    }
  }

  logs = {
    workspace_id = "${local.shared}/Microsoft.OperationalInsights/workspaces/contoso-logs"
  }
}

locals {
  shared = "/subscriptions/${var.subscription_id}/resourceGroups/contoso-shared/providers"
}
