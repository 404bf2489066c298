provider "azurerm" {
  features {}
}

variables {
  name                = "aduana-test-psql"
  resource_group_name = "aduana-test"
  location            = "uksouth"
  tenant_id           = "11111111-1111-1111-1111-111111111111"
  administrator       = { name = "aduana-test-job-id", principal_id = "22222222-2222-2222-2222-222222222222" }
  sku                 = "GP_Standard_D2ds_v5"
  workspace_id        = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shared/providers/Microsoft.OperationalInsights/workspaces/logs"
  injected = {
    subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.Network/virtualNetworks/vnet/subnets/postgres"
    zone_id   = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.Network/privateDnsZones/privatelink.postgres.database.azure.com"
  }
}

run "an_injected_server_has_no_private_endpoint_and_no_password" {
  command = plan

  assert {
    condition     = length(module.private_endpoint) == 0 && azurerm_postgresql_flexible_server.this.delegated_subnet_id == var.injected.subnet_id
    error_message = "It is in the network itself."
  }
  assert {
    condition     = !azurerm_postgresql_flexible_server.this.authentication[0].password_auth_enabled && azurerm_postgresql_flexible_server.this.high_availability[0].mode == "ZoneRedundant"
    error_message = "Tokens alone, and a standby in another zone."
  }
}

run "without_a_standby_there_is_none" {
  command = plan

  variables {
    high_availability = "none"
  }

  assert {
    condition     = length(azurerm_postgresql_flexible_server.this.high_availability) == 0
    error_message = "No standby was asked for."
  }
}

run "it_is_reached_one_way" {
  command = plan

  variables {
    injected = null
  }

  expect_failures = [var.private_endpoint]
}
