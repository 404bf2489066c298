provider "azurerm" {
  features {}
}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000000"
  assignments = {
    proxy_reads = {
      principal_id = "22222222-2222-2222-2222-222222222222"
      role         = "key_vault_secrets_user"
      scope        = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.KeyVault/vaults/aduana-test"
    }
  }
}

run "a_name_is_derived_from_who_what_and_where" {
  command = plan

  assert {
    condition     = azurerm_role_assignment.this["proxy_reads"].name == uuidv5("url", "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/aduana-test/providers/microsoft.keyvault/vaults/aduana-test|4633458b-17de-408a-b874-0445c86b69e6|22222222-2222-2222-2222-222222222222")
    error_message = "A second run must find its own."
  }
  assert {
    condition     = endswith(azurerm_role_assignment.this["proxy_reads"].role_definition_id, "/4633458b-17de-408a-b874-0445c86b69e6")
    error_message = "Roles are named by their ids."
  }
}

run "a_role_is_one_of_the_table" {
  command = plan

  variables {
    assignments = {
      owner = { principal_id = "22222222-2222-2222-2222-222222222222", role = "owner", scope = "/subscriptions/00000000-0000-0000-0000-000000000000" }
    }
  }

  expect_failures = [var.assignments]
}
