output "installation" {
  description = "Where it is: subscription, resource group, region."
  value = {
    name            = var.name
    subscription_id = var.subscription_id
    resource_group  = azurerm_resource_group.this.name
    region          = var.region
  }
}

output "network" {
  description = "The virtual network, the subnets' ids by what they are for, the private zones' ids by name without `privatelink.`, and the address that upstreams see behind a firewall (null without one)."
  value = {
    id               = local.network_id
    subnet_ids       = local.subnet_ids
    zone_ids         = local.zone_ids
    zones_in_use     = local.zones_in_use
    outbound_address = one(module.firewall[*].outbound_address)
  }
}

output "identities" {
  description = "Each service's identity: `name` (of its role in Postgres, too), `id`, `client_id`, `principal_id`. `job` is Postgres' administrator."
  value       = local.identities
}

output "key_vault" {
  description = "The vault, and the secrets that the bootstrap makes where they are missing: the pepper and the master key, by version."
  value = {
    id          = module.key_vault.id
    name        = module.key_vault.name
    uri         = module.key_vault.uri
    peppers     = { for version in var.key_versions.pepper : version => "pepper-${version}" }
    master_keys = { for version in var.key_versions.master_key : version => "master-key-${version}" }
  }
}

output "postgres" {
  description = "The server and its database, and the URL that each service uses; none holds a password."
  value = {
    id            = module.postgres.id
    fqdn          = module.postgres.fqdn
    database      = module.postgres.database
    administrator = local.identities["job"].name
    urls          = local.database_urls
  }
}

output "redis" {
  description = "Azure Managed Redis; null without it."
  value       = var.redis.mode == "none" ? null : { id = module.redis[0].id, hostname = module.redis[0].hostname, port = module.redis[0].port }
}

output "openai" {
  description = "The accounts by name: id, endpoint (null for an existing one), deployments."
  value       = { for key, account in module.openai : key => { id = account.id, endpoint = account.endpoint, deployments = account.deployments } }
}

output "event_hubs" {
  description = "Where usage events are exported to; null: nowhere."
  value       = var.event_hubs.enabled ? { id = module.event_hubs[0].id, host = module.event_hubs[0].host, hub = module.event_hubs[0].hub } : null
}

output "logs" {
  description = "The workspace that everything is logged to."
  value       = { workspace_id = local.workspace_id }
}

output "environment" {
  description = "Where the services run. `domain_verification` is what the TXT record `asuid.<domain>` has to hold; `static_address` is where an internal environment's names lead."
  value = {
    id                  = module.environment.id
    name                = module.environment.name
    default_domain      = module.environment.default_domain
    static_address      = module.environment.static_address
    domain_verification = module.environment.domain_verification
    internal            = var.ingress.visibility == "internal" || local.gateway
  }
}

output "services" {
  description = "The container apps: id, name, the environment's name for each (`fqdn`, null for the writer), and the newest revision."
  value = {
    for service, app in { proxy = module.proxy, writer = module.writer, admin = module.admin } :
    service => { id = app.id, name = app.name, fqdn = app.fqdn, revision = app.revision }
  }
}

output "job" {
  description = "The job that bootstraps, migrates and verifies inside the network."
  value       = { id = module.job.id, name = module.job.name }
}

output "ingress" {
  description = "What the domains have to resolve to. `url` is where callers come in, `admin_url` where people do (null: published nowhere outside the environment); `cname` is Front Door's host, `address` an Application Gateway's or the environment's; `domain_validations` are Front Door's TXT records `_dnsauth.<domain>`."
  value = {
    url                = "https://${coalesce(var.ingress.domain, module.proxy.fqdn)}"
    admin_url          = var.ingress.admin_domain != null ? "https://${var.ingress.admin_domain}" : var.ingress.visibility == "internal" && var.ingress.front == "none" ? "https://${module.admin.fqdn}" : null
    cname              = one(module.front_door[*].host)
    address            = local.gateway ? module.application_gateway[0].address : module.environment.static_address
    domain_validations = length(module.front_door) == 0 ? {} : module.front_door[0].domain_validations
  }
}
