# The flexible server: tokens of Entra ID instead of passwords, and no address outside the network.

resource "azurerm_postgresql_flexible_server" "this" {
  #checkov:skip=CKV_AZURE_136: a variable: backups leave the region where the tenant says so alone

  name                          = var.name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  tags                          = var.tags
  version                       = var.server_version
  sku_name                      = var.sku
  storage_mb                    = var.storage_gb * 1024
  auto_grow_enabled             = true
  backup_retention_days         = var.backup_retention_days
  geo_redundant_backup_enabled  = var.geo_redundant_backup
  public_network_access_enabled = false
  delegated_subnet_id           = try(var.injected.subnet_id, null)
  private_dns_zone_id           = try(var.injected.zone_id, null)

  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = false
    tenant_id                     = var.tenant_id
  }

  dynamic "high_availability" {
    for_each = var.high_availability == "none" ? [] : [{ zone_redundant = "ZoneRedundant", same_zone = "SameZone" }[var.high_availability]]

    content {
      mode = high_availability.value
    }
  }

  # Sunday, 02:00 UTC.
  maintenance_window {
    day_of_week  = 0
    start_hour   = 2
    start_minute = 0
  }

  lifecycle {
    # Azure chooses the zones, and changes them places when it fails over.
    ignore_changes = [zone, high_availability[0].standby_availability_zone]
  }
}

resource "azurerm_postgresql_flexible_server_active_directory_administrator" "this" {
  server_name         = azurerm_postgresql_flexible_server.this.name
  resource_group_name = var.resource_group_name
  tenant_id           = var.tenant_id
  object_id           = var.administrator.principal_id
  principal_name      = var.administrator.name
  principal_type      = "ServicePrincipal"
}

# The server takes one change at a time: one after the other, the administrator first.
resource "azurerm_postgresql_flexible_server_configuration" "minimum_tls" {
  name      = "ssl_min_protocol_version"
  server_id = azurerm_postgresql_flexible_server.this.id
  value     = "TLSv1.2"

  depends_on = [azurerm_postgresql_flexible_server_active_directory_administrator.this]
}

resource "azurerm_postgresql_flexible_server_configuration" "log_connections" {
  name      = "log_connections"
  server_id = azurerm_postgresql_flexible_server.this.id
  value     = "on"

  depends_on = [azurerm_postgresql_flexible_server_configuration.minimum_tls]
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  name      = var.database
  server_id = azurerm_postgresql_flexible_server.this.id
  charset   = "UTF8"
  collation = "en_US.utf8"

  depends_on = [azurerm_postgresql_flexible_server_configuration.log_connections]
}

module "private_endpoint" {
  source = "../private-endpoint"
  count  = var.private_endpoint == null ? 0 : 1

  name                = var.private_endpoint.name
  resource_group_name = var.resource_group_name
  location            = var.private_endpoint.location
  tags                = var.tags
  subnet_id           = var.private_endpoint.subnet_id
  resource_id         = azurerm_postgresql_flexible_server.this.id
  subresource         = "postgresqlServer"
  zone_ids            = var.private_endpoint.zone_ids
  zones_by_policy     = var.private_endpoint.zones_by_policy

  depends_on = [azurerm_postgresql_flexible_server_database.this]
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_postgresql_flexible_server.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
