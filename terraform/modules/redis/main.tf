# Azure Managed Redis: tokens of Entra ID instead of keys. It holds counters and what the writer has not fetched yet, so it
# may refuse to store more, but must never evict; and it answers at one address, whatever is behind that.

resource "azurerm_managed_redis" "this" {
  name                      = var.name
  resource_group_name       = var.resource_group_name
  location                  = var.location
  tags                      = var.tags
  sku_name                  = var.sku
  high_availability_enabled = var.high_availability
  public_network_access     = "Disabled"

  default_database {
    access_keys_authentication_enabled = false
    client_protocol                    = "Encrypted"
    clustering_policy                  = "EnterpriseCluster"
    eviction_policy                    = "NoEviction"
  }
}

resource "azurerm_managed_redis_access_policy_assignment" "this" {
  for_each = var.principals

  managed_redis_id = azurerm_managed_redis.this.id
  object_id        = each.value
}

module "private_endpoint" {
  source = "../private-endpoint"

  name                = var.private_endpoint.name
  resource_group_name = var.resource_group_name
  location            = var.private_endpoint.location
  tags                = var.tags
  subnet_id           = var.private_endpoint.subnet_id
  resource_id         = azurerm_managed_redis.this.id
  subresource         = "redisEnterprise"
  zone_ids            = var.private_endpoint.zone_ids
  zones_by_policy     = var.private_endpoint.zones_by_policy
}

resource "azurerm_monitor_diagnostic_setting" "cluster" {
  name                       = "workspace"
  target_resource_id         = azurerm_managed_redis.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_diagnostic_setting" "database" {
  name                       = "workspace"
  target_resource_id         = azurerm_managed_redis.this.default_database[0].id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }
}
