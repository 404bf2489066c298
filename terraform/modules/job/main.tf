# The job that bootstraps, migrates and verifies inside the network. The installer starts it, before traffic moves; it is
# not tried again by itself, since each of its steps can be repeated and somebody wants to know why it failed.

resource "azurerm_container_app_job" "this" {
  name                         = var.name
  resource_group_name          = var.resource_group_name
  location                     = var.location
  container_app_environment_id = var.environment_id
  tags                         = var.tags
  workload_profile_name        = "Consumption"
  replica_timeout_in_seconds   = var.timeout_seconds
  replica_retry_limit          = 0

  manual_trigger_config {
    parallelism              = 1
    replica_completion_count = 1
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity_id]
  }

  dynamic "registry" {
    for_each = var.registry == null ? [] : [var.registry]

    content {
      server   = registry.value
      identity = var.identity_id
    }
  }

  template {
    container {
      name   = "job"
      image  = var.image
      args   = var.args
      cpu    = 0.5
      memory = "1Gi"

      dynamic "env" {
        for_each = var.settings

        content {
          name  = env.key
          value = env.value
        }
      }
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_container_app_job.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_metric {
    category = "AllMetrics"
  }
}
