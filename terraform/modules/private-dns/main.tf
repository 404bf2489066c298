# The private zones that services are found in behind their private endpoints, and who asks them.

locals {
  links = {
    for pair in setproduct(var.zones, keys(var.networks)) : "${pair[0]}/${pair[1]}" => { zone = pair[0], network = pair[1] }
  }
}

resource "azurerm_private_dns_zone" "this" {
  for_each = var.zones

  name                = "privatelink.${each.key}"
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.links

  name                 = each.value.network
  private_dns_zone_id  = azurerm_private_dns_zone.this[each.value.zone].id
  virtual_network_id   = var.networks[each.value.network]
  registration_enabled = false
  tags                 = var.tags
}
