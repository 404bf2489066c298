# The Log Analytics workspace. Diagnostics reach it within Azure; nothing else may write to it, and nobody reads it by key.

resource "azurerm_log_analytics_workspace" "this" {
  name                         = var.name
  resource_group_name          = var.resource_group_name
  location                     = var.location
  tags                         = var.tags
  sku                          = "PerGB2018"
  retention_in_days            = var.retention_days
  daily_quota_gb               = var.daily_quota_gb == null ? -1 : var.daily_quota_gb
  local_authentication_enabled = false

  # Diagnostic settings do not come by the public way. Queries do: by Entra ID and role, from the portal.
  # https://learn.microsoft.com/azure/azure-monitor/fundamentals/private-link-design
  internet_ingestion_access_type = "Disabled"
  internet_query_access_type     = "Enabled"

  allow_resource_only_permissions = true
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_log_analytics_workspace.this.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
