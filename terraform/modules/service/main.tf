# A service: an image by digest under an identity of its own, with settings and no secret.

resource "azurerm_container_app" "this" {
  name                         = var.name
  resource_group_name          = var.resource_group_name
  container_app_environment_id = var.environment_id
  tags                         = var.tags
  workload_profile_name        = "Consumption"
  revision_mode                = var.revisions == "single" ? "Single" : "Multiple"
  max_inactive_revisions       = 10

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
    min_replicas                     = var.scale.min
    max_replicas                     = var.scale.max
    termination_grace_period_seconds = var.drain_seconds

    container {
      name   = "service"
      image  = var.image
      args   = var.args
      cpu    = var.scale.cpu
      memory = "${var.scale.cpu * 2}Gi"

      dynamic "env" {
        for_each = var.settings

        content {
          name  = env.key
          value = env.value
        }
      }

      volume_mounts {
        name = "state"
        path = "/var/lib/aduana"
      }

      # Started, when it answers; ready, when it may be called (the bootstrap done, the database there); alive, all the while.
      startup_probe {
        transport               = "HTTP"
        port                    = var.health_port
        path                    = "/livez"
        interval_seconds        = 2
        timeout                 = 2
        failure_count_threshold = 30
      }

      readiness_probe {
        transport               = "HTTP"
        port                    = var.health_port
        path                    = "/readyz"
        interval_seconds        = 5
        timeout                 = 5
        failure_count_threshold = 3
        success_count_threshold = 1
      }

      liveness_probe {
        transport               = "HTTP"
        port                    = var.health_port
        path                    = "/livez"
        interval_seconds        = 10
        timeout                 = 5
        failure_count_threshold = 6
      }
    }

    dynamic "init_container" {
      for_each = var.volume == null ? [] : [var.volume]

      content {
        name    = "own-volume"
        image   = init_container.value.image
        command = ["chown", "65532:65532", "/var/lib/aduana"]
        cpu     = 0.25
        memory  = "0.5Gi"

        volume_mounts {
          name = "state"
          path = "/var/lib/aduana"
        }
      }
    }

    volume {
      name         = "state"
      storage_type = var.volume == null ? "EmptyDir" : "NfsAzureFile"
      storage_name = try(var.volume.name, null)
    }

    dynamic "http_scale_rule" {
      for_each = var.ingress == null ? [] : [1]

      content {
        name                = "concurrent-requests"
        concurrent_requests = tostring(var.scale.concurrent_requests)
      }
    }

    dynamic "custom_scale_rule" {
      for_each = var.ingress == null ? [1] : []

      content {
        name             = "cpu"
        custom_rule_type = "cpu"
        metadata         = { type = "Utilization", value = "70" }
      }
    }
  }

  dynamic "ingress" {
    for_each = var.ingress == null ? [] : [var.ingress]

    content {
      target_port                = ingress.value.port
      external_enabled           = ingress.value.external
      transport                  = "auto"
      allow_insecure_connections = false
      client_certificate_mode    = "ignore"

      dynamic "ip_security_restriction" {
        for_each = ingress.value.allowed_ranges

        content {
          name             = "allowed-${ip_security_restriction.key + 1}"
          action           = "Allow"
          ip_address_range = ip_security_restriction.value
        }
      }

      dynamic "traffic_weight" {
        for_each = var.traffic

        content {
          latest_revision = traffic_weight.value.revision == null
          revision_suffix = traffic_weight.value.revision
          percentage      = traffic_weight.value.percentage
          label           = traffic_weight.value.label
        }
      }
    }
  }
}

resource "azurerm_container_app_custom_domain" "this" {
  count = try(var.ingress.domain, null) == null ? 0 : 1

  name                                     = var.ingress.domain
  container_app_id                         = azurerm_container_app.this.id
  container_app_environment_certificate_id = var.ingress.certificate_id
  certificate_binding_type                 = "SniEnabled"
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_container_app.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_metric {
    category = "AllMetrics"
  }
}
