provider "azurerm" {
  features {}
}

variables {
  name                = "aduana-test-oai"
  resource_group_name = "aduana-test"
  location            = "uksouth"
  workspace_id        = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shared/providers/Microsoft.OperationalInsights/workspaces/logs"
  deployments         = { gpt-4o = { model = "gpt-4o", version = "2024-11-20", capacity = 10 } }
  private_endpoint = {
    name      = "aduana-test-oai-pe"
    location  = "uksouth"
    subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.Network/virtualNetworks/vnet/subnets/endpoints"
    zone_ids  = ["/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.Network/privateDnsZones/privatelink.openai.azure.com"]
  }
}

run "a_new_account_has_no_key_and_no_public_address" {
  command = plan

  assert {
    condition     = !azurerm_cognitive_account.this[0].local_auth_enabled && !azurerm_cognitive_account.this[0].public_network_access_enabled
    error_message = "Tokens alone, from inside alone."
  }
  assert {
    condition     = azurerm_cognitive_deployment.this["gpt-4o"].sku[0].name == "Standard"
    error_message = "A deployment is a standard one where nothing else is said."
  }
}

run "an_existing_account_is_left_as_it_is" {
  command = plan

  variables {
    name        = null
    resource_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shared/providers/Microsoft.CognitiveServices/accounts/contoso"
  }

  assert {
    condition     = length(azurerm_cognitive_account.this) == 0 && length(azurerm_monitor_diagnostic_setting.this) == 0 && azurerm_cognitive_deployment.this["gpt-4o"].cognitive_account_id == var.resource_id
    error_message = "It gets deployments and an endpoint, and nothing else."
  }
}

run "an_account_is_new_or_exists" {
  command = plan

  variables {
    resource_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shared/providers/Microsoft.CognitiveServices/accounts/contoso"
  }

  expect_failures = [var.resource_id]
}

run "a_sku_is_one_that_azure_has" {
  command = plan

  variables {
    deployments = { gpt-4o = { model = "gpt-4o", version = "2024-11-20", sku = "Provisioned", capacity = 10 } }
  }

  expect_failures = [var.deployments]
}
