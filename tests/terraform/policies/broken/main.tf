# What each rule of ours has to find: every resource here breaks one.

resource "azurerm_container_app" "with_a_secret" {
  name = "app"

  secret {
    name  = "password"
    value = "in the state"
  }

  template {
    container {
      name = "app"
    }
  }

  ingress {
    target_port                = 8080
    allow_insecure_connections = true
  }
}

resource "azurerm_container_app_environment" "in_no_network" {
  name                       = "environment"
  logs_destination           = "log-analytics"
  log_analytics_workspace_id = "workspace"
}

resource "azurerm_managed_redis" "with_keys" {
  name     = "redis"
  sku_name = "Balanced_B1"

  default_database {
    access_keys_authentication_enabled = true
  }
}

resource "azurerm_eventhub_namespace" "with_keys" {
  name = "events"
  sku  = "Standard"
}

resource "azurerm_log_analytics_workspace" "open" {
  name = "logs"
}

resource "azurerm_postgresql_flexible_server" "with_a_password" {
  name = "postgres"

  authentication {
    password_auth_enabled = true
  }
}

resource "azurerm_role_assignment" "without_a_name" {
  scope        = "scope"
  principal_id = "principal"
}
