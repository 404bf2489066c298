# The network of an installation: a subnet for each purpose, each guarded by rules that name what may pass.

resource "azurerm_virtual_network" "this" {
  #checkov:skip=CKV_AZURE_183: a variable: without name servers of the customer Azure answers

  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  address_space       = [var.address_space]
  dns_servers         = var.dns_servers
}

resource "azurerm_subnet" "this" {
  for_each = var.subnets

  name                 = each.value.name
  resource_group_name  = var.resource_group_name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = [each.value.range]

  # What a subnet is delegated to, and gateways, manage their own way out; private endpoints need none.
  # https://learn.microsoft.com/azure/virtual-network/ip-services/default-outbound-access
  default_outbound_access_enabled   = each.key != "endpoints"
  private_endpoint_network_policies = each.key == "endpoints" ? "Enabled" : "Disabled"

  dynamic "delegation" {
    for_each = contains(keys(local.delegations), each.key) ? [local.delegations[each.key]] : []

    content {
      name = each.key

      service_delegation {
        name    = delegation.value
        actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
      }
    }
  }
}

resource "azurerm_network_security_group" "this" {
  for_each = local.guarded

  name                = each.value.network_security_group
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_network_security_rule" "this" {
  for_each = { for rule in local.rule_list : rule.key => rule }

  name                        = each.value.name
  resource_group_name         = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.this[each.value.subnet].name
  priority                    = each.value.priority
  direction                   = each.value.direction
  access                      = each.value.access
  protocol                    = each.value.protocol
  source_port_range           = "*"

  source_address_prefix        = length(each.value.from) == 1 ? each.value.from[0] : null
  source_address_prefixes      = length(each.value.from) == 1 ? null : each.value.from
  destination_address_prefix   = length(each.value.to) == 1 ? each.value.to[0] : null
  destination_address_prefixes = length(each.value.to) == 1 ? null : each.value.to
  destination_port_range       = length(each.value.ports) == 1 ? each.value.ports[0] : null
  destination_port_ranges      = length(each.value.ports) == 1 ? null : each.value.ports
}

resource "azurerm_subnet_network_security_group_association" "this" {
  for_each = local.guarded

  subnet_id                 = azurerm_subnet.this[each.key].id
  network_security_group_id = azurerm_network_security_group.this[each.key].id

  # A subnet is guarded by the whole list or not yet at all.
  depends_on = [azurerm_network_security_rule.this]
}

resource "azurerm_monitor_diagnostic_setting" "network" {
  name                       = "workspace"
  target_resource_id         = azurerm_virtual_network.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_diagnostic_setting" "group" {
  for_each = local.guarded

  name                       = "workspace"
  target_resource_id         = azurerm_network_security_group.this[each.key].id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }
}
