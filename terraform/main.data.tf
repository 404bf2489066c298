module "key_vault" {
  source = "./modules/key-vault"

  name                = var.names.key_vault
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  tenant_id           = var.entra.tenant_id
  soft_delete_days    = var.key_vault.soft_delete_days
  purge_protection    = var.key_vault.purge_protection
  workspace_id        = local.workspace_id
  private_endpoint = merge(local.endpoint, {
    name     = var.names.private_endpoints["key_vault"]
    zone_ids = [for zone in ["vaultcore.azure.net"] : local.zone_ids[zone] if !local.endpoint.zones_by_policy]
  })
}

module "postgres" {
  source = "./modules/postgres"

  name                  = var.names.postgres
  resource_group_name   = azurerm_resource_group.this.name
  location              = var.region
  tags                  = local.tags
  tenant_id             = var.entra.tenant_id
  administrator         = local.identities["job"]
  server_version        = var.postgres.version
  sku                   = var.postgres.sku
  storage_gb            = var.postgres.storage_gb
  high_availability     = var.postgres.high_availability
  backup_retention_days = var.postgres.backup_retention_days
  geo_redundant_backup  = var.postgres.geo_redundant_backup
  workspace_id          = local.workspace_id

  injected = !local.injected ? null : {
    subnet_id = local.subnet_ids["postgres"]
    zone_id   = local.zone_ids["postgres.database.azure.com"]
  }
  private_endpoint = local.injected ? null : merge(local.endpoint, {
    name     = var.names.private_endpoints["postgres"]
    zone_ids = [for zone in ["postgres.database.azure.com"] : local.zone_ids[zone] if !local.endpoint.zones_by_policy]
  })
}

module "redis" {
  source = "./modules/redis"
  count  = var.redis.mode == "managed" ? 1 : 0

  name                = var.names.redis
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  sku                 = var.redis.sku
  high_availability   = var.redis.high_availability
  principals          = { for service in ["proxy", "writer"] : service => local.identities[service].principal_id }
  workspace_id        = local.workspace_id
  private_endpoint = merge(local.endpoint, {
    name     = var.names.private_endpoints["redis"]
    zone_ids = [for zone in ["redis.azure.net"] : local.zone_ids[zone] if !local.endpoint.zones_by_policy]
  })
}

# Without Redis the ledger's queue is in files, which have to outlive a replica.
module "state_volume" {
  source = "./modules/state-volume"
  count  = var.redis.mode == "none" ? 1 : 0

  name                = var.names.storage_account
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  zone_redundant      = var.zone_redundant
  workspace_id        = local.workspace_id
  private_endpoint = merge(local.endpoint, {
    name     = var.names.private_endpoints["storage_account"]
    zone_ids = [for zone in ["file.core.windows.net"] : local.zone_ids[zone] if !local.endpoint.zones_by_policy]
  })
}
