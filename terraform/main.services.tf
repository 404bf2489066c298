locals {
  # Roles of the database are called like the identities; a token is sent in place of a password.
  database_urls = {
    for service, identity in local.identities :
    service => "postgresql://${identity.name}@${module.postgres.fqdn}:5432/${module.postgres.database}"
  }
  peppers     = join(",", [for version in sort(var.key_versions.pepper) : "${version}=kv://${module.key_vault.name}/pepper-${version}"])
  master_keys = join(",", [for version in sort(var.key_versions.master_key) : "${version}=kv://${module.key_vault.name}/master-key-${version}"])

  common_settings = {
    for service, identity in local.identities : service => {
      ADUANA_AZURE_CLIENT_ID  = identity.client_id
      ADUANA_AZURE_CREDENTIAL = "managed_identity"
      ADUANA_DATABASE_AUTH    = "entra"
      ADUANA_DATABASE_URL     = local.database_urls[service]
    }
  }
  redis_settings = var.redis.mode == "managed" ? {
    ADUANA_REDIS_AUTH = "entra"
    ADUANA_REDIS_URL  = "rediss://${module.redis[0].hostname}:${module.redis[0].port}"
    } : {
    # While a revision takes over, two proxies run for a moment, each with limits of its own.
    ADUANA_MEMORY_MODE_PER_REPLICA = "true"
  }
  key_settings = {
    ADUANA_MASTER_KEYS = local.master_keys
    ADUANA_PEPPERS     = local.peppers
  }
  entra_settings = length(var.entra.audiences) == 0 ? {} : {
    ADUANA_ENTRA_AUDIENCE  = join(",", var.entra.audiences)
    ADUANA_ENTRA_TENANT_ID = var.entra.tenant_id
  }
  egress_settings = var.egress.mode == "open" ? {} : { ADUANA_EGRESS_HOSTS = join(",", local.upstream_hosts) }

  settings = {
    proxy  = merge(local.common_settings["proxy"], local.redis_settings, local.key_settings, local.entra_settings, local.egress_settings, { ADUANA_DRAIN_TIMEOUT = "300" })
    writer = merge(local.common_settings["writer"], local.redis_settings)
    admin  = merge(local.common_settings["admin"], local.key_settings, local.egress_settings)
    job    = merge(local.common_settings["job"], local.key_settings, local.egress_settings)
  }

  registries = {
    for service, image in { proxy = var.images.proxy, writer = var.images.proxy, admin = var.images.admin, job = var.images.job } :
    service => var.images.registry_id == null ? null : split("/", image)[0]
  }
  volume = var.redis.mode == "managed" ? null : { name = module.environment.volume, image = var.redis.volume_image }

  # A gateway in front has the list itself, and callers come from its address. The job that verifies calls from the apps' subnet.
  apps_range     = local.network_is_new ? var.network.subnets["apps"] : var.network.existing.apps_range
  allowed_ranges = var.ingress.front == "none" && length(var.ingress.allowed_ranges) > 0 ? concat(var.ingress.allowed_ranges, compact([local.apps_range])) : []
  own_domains    = var.ingress.front == "none"
}

module "proxy" {
  source = "./modules/service"

  name                = var.names.apps["proxy"]
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
  environment_id      = module.environment.id
  image               = var.images.proxy
  registry            = local.registries["proxy"]
  args                = ["proxy", "--host", "0.0.0.0", "--port", "8080"]
  identity_id         = local.identities["proxy"].id
  settings            = local.settings["proxy"]
  scale               = var.replicas.proxy
  health_port         = 8080
  revisions           = var.revisions.mode
  traffic             = var.revisions.traffic
  volume              = local.volume
  drain_seconds       = 330
  workspace_id        = local.workspace_id
  ingress = {
    port           = 8080
    allowed_ranges = local.allowed_ranges
    domain         = local.own_domains ? var.ingress.domain : null
    certificate_id = module.environment.certificate_id
  }

  depends_on = [module.access, module.redis]
}

module "writer" {
  source = "./modules/service"

  name                = var.names.apps["writer"]
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
  environment_id      = module.environment.id
  image               = var.images.proxy
  registry            = local.registries["writer"]
  args                = ["proxy.writer", "--metrics-host", "0.0.0.0", "--metrics-port", "9090"]
  identity_id         = local.identities["writer"].id
  settings            = local.settings["writer"]
  scale               = var.replicas.writer
  health_port         = 9090
  volume              = local.volume
  workspace_id        = local.workspace_id

  depends_on = [module.access, module.redis]
}

module "admin" {
  source = "./modules/service"

  name                = var.names.apps["admin"]
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
  environment_id      = module.environment.id
  image               = var.images.admin
  registry            = local.registries["admin"]
  args                = ["admin", "--host", "0.0.0.0", "--port", "8081"]
  identity_id         = local.identities["admin"].id
  settings            = local.settings["admin"]
  scale               = var.replicas.admin
  health_port         = 8081
  revisions           = var.revisions.mode
  workspace_id        = local.workspace_id
  ingress = {
    port = 8081
    # On the internet it is published where a domain of its own says so, and not by accident.
    external       = var.ingress.visibility == "internal" || var.ingress.admin_domain != null
    allowed_ranges = local.allowed_ranges
    domain         = local.own_domains ? var.ingress.admin_domain : null
    certificate_id = module.environment.certificate_id
  }

  depends_on = [module.access]
}

module "job" {
  source = "./modules/job"

  name                = var.names.job
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  environment_id      = module.environment.id
  image               = var.images.job
  registry            = local.registries["job"]
  args                = ["migrate"]
  identity_id         = local.identities["job"].id
  settings            = local.settings["job"]
  workspace_id        = local.workspace_id

  depends_on = [module.access]
}
