# An identity for each service, so that each can have the rights that it needs and no other.

resource "azurerm_user_assigned_identity" "this" {
  for_each = var.names

  name                = each.value
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}
