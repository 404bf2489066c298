# A private endpoint. Two resources, of which one is made: whether a change is ignored cannot depend on a variable.

resource "azurerm_private_endpoint" "this" {
  count = var.zones_by_policy ? 0 : 1

  name                          = var.name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  tags                          = var.tags
  subnet_id                     = var.subnet_id
  custom_network_interface_name = "${var.name}-nic"

  private_service_connection {
    name                           = var.name
    private_connection_resource_id = var.resource_id
    subresource_names              = [var.subresource]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = var.zone_ids
  }
}

resource "azurerm_private_endpoint" "by_policy" {
  count = var.zones_by_policy ? 1 : 0

  name                          = var.name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  tags                          = var.tags
  subnet_id                     = var.subnet_id
  custom_network_interface_name = "${var.name}-nic"

  private_service_connection {
    name                           = var.name
    private_connection_resource_id = var.resource_id
    subresource_names              = [var.subresource]
    is_manual_connection           = false
  }

  lifecycle {
    ignore_changes = [private_dns_zone_group]
  }
}
