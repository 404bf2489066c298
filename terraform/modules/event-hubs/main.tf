# Event Hubs, where usage events are exported to: by token, from inside the network.

resource "azurerm_eventhub_namespace" "this" {
  name                          = var.name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  tags                          = var.tags
  sku                           = var.sku
  capacity                      = var.capacity
  local_authentication_enabled  = false
  minimum_tls_version           = "1.2"
  public_network_access_enabled = false
}

resource "azurerm_eventhub" "usage" {
  name            = "usage-events"
  namespace_id    = azurerm_eventhub_namespace.this.id
  partition_count = 4

  retention_description {
    cleanup_policy          = "Delete"
    retention_time_in_hours = var.retention_days * 24
  }
}

module "private_endpoint" {
  source = "../private-endpoint"

  name                = var.private_endpoint.name
  resource_group_name = var.resource_group_name
  location            = var.private_endpoint.location
  tags                = var.tags
  subnet_id           = var.private_endpoint.subnet_id
  resource_id         = azurerm_eventhub_namespace.this.id
  subresource         = "namespace"
  zone_ids            = var.private_endpoint.zone_ids
  zones_by_policy     = var.private_endpoint.zones_by_policy
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_eventhub_namespace.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
