provider "azurerm" {
  features {}
}

variables {
  name                = "aduana-test-proxy"
  resource_group_name = "aduana-test"
  environment_id      = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.App/managedEnvironments/cae"
  image               = "contoso.azurecr.io/aduana/proxy@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  args                = ["proxy"]
  identity_id         = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/aduana-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/proxy"
  settings            = { ADUANA_LOG_LEVEL = "info" }
  scale               = { min = 1, max = 5, cpu = 0.75, concurrent_requests = 50 }
  health_port         = 8080
  workspace_id        = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shared/providers/Microsoft.OperationalInsights/workspaces/logs"
}

run "a_service_that_is_called_scales_by_requests_in_flight" {
  command = plan

  variables {
    ingress = { port = 8080, allowed_ranges = ["203.0.113.0/24"] }
  }

  assert {
    condition     = azurerm_container_app.this.template[0].http_scale_rule[0].concurrent_requests == "50" && length(azurerm_container_app.this.template[0].custom_scale_rule) == 0
    error_message = "Requests in flight start another replica."
  }
  assert {
    condition     = azurerm_container_app.this.template[0].container[0].memory == "1.5Gi"
    error_message = "Memory goes with the cores, 2 GiB each."
  }
  assert {
    condition     = azurerm_container_app.this.ingress[0].ip_security_restriction[0].ip_address_range == "203.0.113.0/24" && !azurerm_container_app.this.ingress[0].allow_insecure_connections
    error_message = "Callers come from where they may, by TLS."
  }
  assert {
    condition     = azurerm_container_app.this.template[0].container[0].readiness_probe[0].path == "/readyz" && azurerm_container_app.this.template[0].container[0].liveness_probe[0].path == "/livez"
    error_message = "Ready and alive are two questions."
  }
}

run "a_service_that_is_not_called_scales_by_cpu" {
  command = plan

  assert {
    condition     = length(azurerm_container_app.this.ingress) == 0 && azurerm_container_app.this.template[0].custom_scale_rule[0].custom_rule_type == "cpu"
    error_message = "Without calls, its own load counts."
  }
}

run "with_blue_and_green_several_revisions_have_their_shares" {
  command = plan

  variables {
    ingress   = { port = 8080 }
    revisions = "blue_green"
    traffic   = [{ revision = "blue", percentage = 90 }, { percentage = 10, label = "green" }]
  }

  assert {
    condition     = azurerm_container_app.this.revision_mode == "Multiple" && azurerm_container_app.this.ingress[0].traffic_weight[*].percentage == tolist([90, 10]) && azurerm_container_app.this.ingress[0].traffic_weight[1].latest_revision
    error_message = "The shares are those that were asked for."
  }
}

run "shares_add_up" {
  command = plan

  variables {
    revisions = "blue_green"
    traffic   = [{ revision = "blue", percentage = 90 }]
  }

  expect_failures = [var.traffic]
}

run "an_image_is_named_by_digest" {
  command = plan

  variables {
    image = "contoso.azurecr.io/aduana/proxy:latest"
  }

  expect_failures = [var.image]
}

run "cores_come_in_quarters" {
  command = plan

  variables {
    scale = { min = 1, max = 1, cpu = 0.3 }
  }

  expect_failures = [var.scale]
}
