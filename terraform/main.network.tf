locals {
  network_is_new = var.network.mode == "new"
  injected       = var.postgres.connectivity == "injected"
  gateway        = var.ingress.front == "application_gateway"
  firewall       = var.egress.mode == "firewall"

  # The subnets that must be there for what is asked for.
  needed_subnets = concat(
    ["apps", "endpoints"],
    local.injected ? ["postgres"] : [],
    local.gateway ? ["gateway"] : [],
    local.firewall ? ["firewall"] : [],
    local.firewall && var.egress.firewall_sku == "Basic" ? ["firewall_management"] : [],
  )

  existing_subnets = local.network_is_new ? {} : {
    for key, id in {
      apps      = var.network.existing.apps_subnet_id
      endpoints = var.network.existing.endpoints_subnet_id
      postgres  = var.network.existing.postgres_subnet_id
      gateway   = var.network.existing.gateway_subnet_id
    } : key => id if id != null
  }

  subnet_ids    = local.network_is_new ? module.network[0].subnet_ids : local.existing_subnets
  network_id    = local.network_is_new ? module.network[0].id : var.network.existing.vnet_id
  gateway_range = local.network_is_new ? try(var.network.subnets["gateway"], null) : var.network.existing.gateway_range

  # In private, by what they are for.
  zones_in_use = concat(
    ["vaultcore.azure.net", "postgres.database.azure.com"],
    var.redis.mode == "managed" ? ["redis.azure.net"] : ["file.core.windows.net"],
    length(var.openai.accounts) == 0 ? [] : ["openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"],
    var.event_hubs.enabled ? ["servicebus.windows.net"] : [],
  )
  networks = merge(
    { installation = local.network_id },
    { for id in var.private_dns.link_networks : "${basename(id)}-${substr(sha1(lower(id)), 0, 6)}" => id },
  )
  zone_ids = merge(var.private_dns.zones, one(module.private_dns[*].zone_ids))

  # What every private endpoint has in common.
  endpoint = {
    subnet_id       = local.subnet_ids["endpoints"]
    location        = var.region
    zones_by_policy = var.private_dns.mode == "policy"
  }
}

module "network" {
  source = "./modules/network"
  count  = local.network_is_new ? 1 : 0

  name                = var.names.virtual_network
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  address_space       = var.network.address_space
  dns_servers         = var.network.dns_servers
  subnets = {
    for key, range in var.network.subnets : key => {
      name                   = var.names.subnets[key]
      range                  = range
      network_security_group = startswith(key, "firewall") ? null : var.names.network_security_groups[key]
    }
  }

  # Behind a gateway, callers come by the gateway alone; its range is added by the module.
  callers         = var.ingress.front != "none" ? [] : length(var.ingress.allowed_ranges) > 0 ? var.ingress.allowed_ranges : ["VirtualNetwork"]
  gateway_callers = length(var.ingress.allowed_ranges) > 0 ? var.ingress.allowed_ranges : [var.ingress.visibility == "external" ? "Internet" : "VirtualNetwork"]
  outbound        = local.outbound
  outbound_tags   = length(var.egress.registry_hosts) > 0 ? ["Storage"] : []
  workspace_id    = local.workspace_id
}

module "private_dns" {
  source = "./modules/private-dns"
  count  = var.private_dns.mode == "create" ? 1 : 0

  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
  zones               = local.zones_in_use
  networks            = local.networks
}

# What one variable cannot say of another.
resource "terraform_data" "holds_together" {
  input = var.name

  lifecycle {
    precondition {
      condition     = length(setsubtract(local.needed_subnets, local.network_is_new ? keys(var.network.subnets) : keys(local.existing_subnets))) == 0
      error_message = "The network lacks a subnet; this installation needs ${join(", ", local.needed_subnets)}."
    }
    precondition {
      condition     = local.network_is_new || !local.firewall
      error_message = "A firewall is made in a new network; in an existing one the routes are its owner's."
    }
    precondition {
      condition     = !local.gateway || local.gateway_range != null
      error_message = "The Application Gateway's private address is taken from its subnet: network.existing.gateway_range is missing."
    }
    precondition {
      condition     = var.private_dns.mode != "existing" || length(setsubtract(local.zones_in_use, keys(var.private_dns.zones))) == 0
      error_message = "private_dns.zones lacks a zone; in use are ${join(", ", local.zones_in_use)}."
    }
    precondition {
      condition     = var.private_dns.mode != "policy" || !local.injected
      error_message = "An injected Postgres needs its private zone when it is made, and policies attach zones to private endpoints alone: choose postgres.connectivity private_endpoint, or another private_dns.mode."
    }
    precondition {
      condition     = length(setsubtract(keys(var.openai.accounts), keys(var.names.account_private_endpoints))) == 0
      error_message = "names.account_private_endpoints lacks an account of openai.accounts."
    }
  }
}
