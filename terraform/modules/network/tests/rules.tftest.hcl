provider "azurerm" {
  features {}
}

variables {
  name                = "aduana-test-vnet"
  resource_group_name = "aduana-test"
  location            = "uksouth"
  address_space       = "10.80.0.0/22"
  workspace_id        = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shared/providers/Microsoft.OperationalInsights/workspaces/logs"
  subnets = {
    apps      = { name = "apps", range = "10.80.0.0/25", network_security_group = "aduana-test-apps-nsg" }
    endpoints = { name = "endpoints", range = "10.80.0.128/26", network_security_group = "aduana-test-endpoints-nsg" }
    gateway   = { name = "gateway", range = "10.80.0.192/26", network_security_group = "aduana-test-gateway-nsg" }
  }
}

run "what_is_not_named_is_denied_both_ways" {
  command = plan

  assert {
    condition = alltrue([for rule in [
      "apps/inbound/deny-rest", "apps/outbound/deny-rest", "endpoints/inbound/deny-rest", "endpoints/outbound/deny-rest", "gateway/inbound/deny-rest",
    ] : azurerm_network_security_rule.this[rule].access == "Deny" && azurerm_network_security_rule.this[rule].priority == 4096])
    error_message = "Every group ends with a denial."
  }
  assert {
    condition     = azurerm_network_security_rule.this["endpoints/inbound/services"].source_address_prefix == "10.80.0.0/25"
    error_message = "Private endpoints answer the services' subnet."
  }
}

run "callers_by_range_are_one_rule_and_by_tag_another" {
  command = plan

  variables {
    callers = ["VirtualNetwork", "10.1.0.0/16", "10.2.0.0/16"]
  }

  assert {
    condition     = azurerm_network_security_rule.this["apps/inbound/callers"].source_address_prefixes == toset(["10.1.0.0/16", "10.2.0.0/16", "10.80.0.192/26"])
    error_message = "Ranges stand together, with the gateway's."
  }
  assert {
    condition     = azurerm_network_security_rule.this["apps/inbound/callers-virtualnetwork"].source_address_prefix == "VirtualNetwork"
    error_message = "A tag has a rule of its own."
  }
}

run "with_an_open_way_out_no_rule_is_made_for_it" {
  command = plan

  variables {
    outbound = "open"
  }

  assert {
    condition     = length([for key in keys(azurerm_network_security_rule.this) : key if startswith(key, "apps/outbound/")]) == 0
    error_message = "Nothing is denied on the way out."
  }
}

run "the_subnets_of_services_and_endpoints_are_needed" {
  command = plan

  variables {
    subnets = { apps = { name = "apps", range = "10.80.0.0/25", network_security_group = "aduana-test-apps-nsg" } }
  }

  expect_failures = [var.subnets]
}

run "a_firewalls_subnet_has_no_group" {
  command = plan

  variables {
    subnets = {
      apps      = { name = "apps", range = "10.80.0.0/25", network_security_group = "aduana-test-apps-nsg" }
      endpoints = { name = "endpoints", range = "10.80.0.128/26", network_security_group = "aduana-test-endpoints-nsg" }
      firewall  = { name = "AzureFirewallSubnet", range = "10.80.1.0/26", network_security_group = "aduana-test-firewall-nsg" }
    }
  }

  expect_failures = [var.subnets]
}
