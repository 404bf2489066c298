# The way out: HTTPS to named hosts, and nothing else.

resource "azurerm_public_ip" "outbound" {
  name                = var.public_ip_names.outbound
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = var.zones
}

resource "azurerm_public_ip" "management" {
  count = var.sku == "Basic" ? 1 : 0

  name                = var.public_ip_names.management
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = var.zones
}

resource "azurerm_firewall_policy" "this" {
  name                     = var.policy_name
  resource_group_name      = var.resource_group_name
  location                 = var.location
  tags                     = var.tags
  sku                      = var.sku
  threat_intelligence_mode = var.sku == "Basic" ? "Alert" : "Deny"

  # By what a connection shows from outside: nothing is taken apart, calls stay encrypted from the proxy to the provider.
  dynamic "intrusion_detection" {
    for_each = var.sku == "Premium" ? [1] : []

    content {
      mode = "Deny"
    }
  }
}

resource "azurerm_firewall_policy_rule_collection_group" "this" {
  name               = "services"
  firewall_policy_id = azurerm_firewall_policy.this.id
  priority           = 200

  application_rule_collection {
    name     = "hosts"
    priority = 200
    action   = "Allow"

    rule {
      name              = "platform"
      source_addresses  = [var.services_range]
      destination_fqdns = var.platform_hosts

      protocols {
        type = "Https"
        port = 443
      }
    }

    dynamic "rule" {
      for_each = length(var.hosts) == 0 ? [] : [1]

      content {
        name              = "upstreams"
        source_addresses  = [var.services_range]
        destination_fqdns = var.hosts

        protocols {
          type = "Https"
          port = 443
        }
      }
    }
  }
}

resource "azurerm_firewall" "this" {
  #checkov:skip=CKV_AZURE_216: the policy says it

  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  sku_name            = "AZFW_VNet"
  sku_tier            = var.sku
  firewall_policy_id  = azurerm_firewall_policy.this.id
  zones               = var.zones

  ip_configuration {
    name                 = "outbound"
    subnet_id            = var.subnet_id
    public_ip_address_id = azurerm_public_ip.outbound.id
  }

  dynamic "management_ip_configuration" {
    for_each = azurerm_public_ip.management

    content {
      name                 = "management"
      subnet_id            = var.management_subnet_id
      public_ip_address_id = management_ip_configuration.value.id
    }
  }

  # The rules first: a firewall that is there without them holds up what is being made behind it.
  depends_on = [azurerm_firewall_policy_rule_collection_group.this]
}

resource "azurerm_route_table" "this" {
  name                          = var.route_table_name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  tags                          = var.tags
  bgp_route_propagation_enabled = false
}

resource "azurerm_route" "default" {
  name                   = "default"
  resource_group_name    = var.resource_group_name
  route_table_name       = azurerm_route_table.this.name
  address_prefix         = "0.0.0.0/0"
  next_hop_type          = "VirtualAppliance"
  next_hop_in_ip_address = azurerm_firewall.this.ip_configuration[0].private_ip_address
}

resource "azurerm_subnet_route_table_association" "services" {
  subnet_id      = var.services_subnet_id
  route_table_id = azurerm_route_table.this.id

  depends_on = [azurerm_route.default]
}

resource "azurerm_monitor_diagnostic_setting" "firewall" {
  name                           = "workspace"
  target_resource_id             = azurerm_firewall.this.id
  log_analytics_workspace_id     = var.workspace_id
  log_analytics_destination_type = "Dedicated"

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_diagnostic_setting" "management" {
  count = length(azurerm_public_ip.management)

  name                       = "workspace"
  target_resource_id         = azurerm_public_ip.management[count.index].id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_diagnostic_setting" "outbound" {
  name                       = "workspace"
  target_resource_id         = azurerm_public_ip.outbound.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
