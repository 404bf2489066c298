# Aduana in an Azure subscription: its network, the services of Azure that it uses, and its own. docs/terraform.md says how they
# hang together.
#
# Each concern has a file of its own:
#
#   main.network.tf      the network and its private names     main.openai.tf       Azure OpenAI accounts and deployments
#   main.egress.tf       the way out                           main.event-hubs.tf   the export of usage events
#   main.ingress.tf      the way in                            main.environment.tf  where the services run
#   main.identities.tf   who the services are, what they may   main.services.tf     proxy, writer, admin and the job
#   main.logs.tf         where everything is logged            main.protection.tf   locks
#   main.data.tf         vault, Postgres, Redis, volume

locals {
  tags = merge(var.tags, { "aduana-installation" = var.name })

  # What becomes of an outage of a zone. https://learn.microsoft.com/azure/reliability/availability-zones-overview
  zones = var.zone_redundant ? ["1", "2", "3"] : []
}

resource "azurerm_resource_group" "this" {
  name     = var.names.resource_group
  location = var.region
  tags     = local.tags
}
