module "event_hubs" {
  source = "./modules/event-hubs"
  count  = var.event_hubs.enabled ? 1 : 0

  name                = var.names.event_hubs
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  sku                 = var.event_hubs.sku
  capacity            = var.event_hubs.capacity
  retention_days      = var.event_hubs.retention_days
  workspace_id        = local.workspace_id
  private_endpoint = merge(local.endpoint, {
    name     = var.names.private_endpoints["event_hubs"]
    zone_ids = [for zone in ["servicebus.windows.net"] : local.zone_ids[zone] if !local.endpoint.zones_by_policy]
  })
}
