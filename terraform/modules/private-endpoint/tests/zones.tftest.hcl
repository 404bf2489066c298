provider "azurerm" {
  features {}
}

variables {
  name                = "aduana-test-kv-pe"
  resource_group_name = "aduana-test"
  location            = "uksouth"
  subnet_id           = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.Network/virtualNetworks/vnet/subnets/endpoints"
  resource_id         = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.KeyVault/vaults/aduana-test"
  subresource         = "vault"
  zone_ids            = ["/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"]
}

run "zones_are_attached_here" {
  command = plan

  assert {
    condition     = length(azurerm_private_endpoint.by_policy) == 0 && length(azurerm_private_endpoint.this[0].private_dns_zone_group[0].private_dns_zone_ids) == 1
    error_message = "The zones that are given are attached."
  }
}

run "zones_are_attached_by_the_customers_policy" {
  command = plan

  variables {
    zones_by_policy = true
    zone_ids        = []
  }

  assert {
    condition     = length(azurerm_private_endpoint.this) == 0 && length(azurerm_private_endpoint.by_policy[0].private_dns_zone_group) == 0
    error_message = "What a policy attaches is not ours."
  }
}
