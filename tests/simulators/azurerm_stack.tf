# A tenant in small, for the tests of the simulated azurerm: every kind of thing that depends on another.

terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
  }
}

provider "azurerm" {
  resource_providers_to_register = ["Microsoft.App"]
  features {}
}

variable "image" {
  type    = string
  default = "registry.example/proxy@sha256:1"
}

variable "delegated" {
  type    = bool
  default = true
}

data "azurerm_client_config" "this" {}

locals {
  group    = azurerm_resource_group.this.name
  location = azurerm_resource_group.this.location
  zones = {
    vault    = "privatelink.vaultcore.azure.net"
    account  = "privatelink.openai.azure.com"
    redis    = "privatelink.redis.azure.net"
    postgres = "privatelink.postgres.database.azure.com"
  }
  targets = {
    vault    = { id = azurerm_key_vault.this.id, part = "vault" }
    account  = { id = azurerm_cognitive_account.this.id, part = "account" }
    redis    = { id = azurerm_managed_redis.this.id, part = "redisEnterprise" }
    postgres = { id = azurerm_postgresql_flexible_server.this.id, part = "postgresqlServer" }
  }
}

resource "azurerm_resource_group" "this" {
  name     = "rg-aduana"
  location = "UK South"
  tags     = { product = "aduana" }
}

resource "azurerm_virtual_network" "this" {
  name                = "vnet"
  resource_group_name = local.group
  location            = local.location
  address_space       = ["10.20.0.0/16"]
}

resource "azurerm_subnet" "apps" {
  name                 = "snet-apps"
  resource_group_name  = local.group
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = ["10.20.0.0/26"]

  dynamic "delegation" {
    for_each = var.delegated ? ["apps"] : []
    content {
      name = delegation.value
      service_delegation {
        name    = "Microsoft.App/environments"
        actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
      }
    }
  }
}

resource "azurerm_subnet" "endpoints" {
  name                 = "snet-endpoints"
  resource_group_name  = local.group
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = ["10.20.1.0/27"]
}

resource "azurerm_network_security_group" "endpoints" {
  name                = "nsg-endpoints"
  resource_group_name = local.group
  location            = local.location
}

resource "azurerm_network_security_rule" "https" {
  name                        = "https"
  resource_group_name         = local.group
  network_security_group_name = azurerm_network_security_group.endpoints.name
  priority                    = 100
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_port_range           = "*"
  destination_port_range      = "443"
  source_address_prefix       = "10.20.0.0/26"
  destination_address_prefix  = "*"
}

resource "azurerm_subnet_network_security_group_association" "endpoints" {
  subnet_id                 = azurerm_subnet.endpoints.id
  network_security_group_id = azurerm_network_security_group.endpoints.id
}

resource "azurerm_private_dns_zone" "this" {
  for_each            = local.zones
  name                = each.value
  resource_group_name = local.group
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each            = local.zones
  name                = each.key
  private_dns_zone_id = azurerm_private_dns_zone.this[each.key].id
  virtual_network_id  = azurerm_virtual_network.this.id
}

resource "azurerm_private_endpoint" "this" {
  for_each            = local.targets
  name                = "pe-${each.key}"
  resource_group_name = local.group
  location            = local.location
  subnet_id           = azurerm_subnet.endpoints.id

  private_service_connection {
    name                           = each.key
    is_manual_connection           = false
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.part]
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.this[each.key].id]
  }
}

resource "azurerm_user_assigned_identity" "proxy" {
  name                = "id-proxy"
  resource_group_name = local.group
  location            = local.location
}

resource "azurerm_key_vault" "this" {
  name                          = "kv-aduana"
  resource_group_name           = local.group
  location                      = local.location
  tenant_id                     = data.azurerm_client_config.this.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  public_network_access_enabled = false
  purge_protection_enabled      = true
}

resource "azurerm_role_assignment" "secrets" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.proxy.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_cognitive_account" "this" {
  name                          = "aoai-aduana"
  resource_group_name           = local.group
  location                      = local.location
  kind                          = "OpenAI"
  sku_name                      = "S0"
  custom_subdomain_name         = "aoai-aduana"
  local_auth_enabled            = false
  public_network_access_enabled = false
}

resource "azurerm_cognitive_deployment" "chat" {
  name                 = "gpt-4o"
  cognitive_account_id = azurerm_cognitive_account.this.id

  model {
    format  = "OpenAI"
    name    = "gpt-4o"
    version = "2024-11-20"
  }

  sku {
    name     = "Standard"
    capacity = 30
  }
}

resource "azurerm_managed_redis" "this" {
  name                  = "redis-aduana"
  resource_group_name   = local.group
  location              = local.location
  sku_name              = "Balanced_B0"
  public_network_access = "Disabled"

  default_database {
    eviction_policy = "NoEviction"
  }
}

resource "azurerm_managed_redis_access_policy_assignment" "proxy" {
  managed_redis_id = azurerm_managed_redis.this.id
  object_id        = azurerm_user_assigned_identity.proxy.principal_id
}

resource "azurerm_postgresql_flexible_server" "this" {
  name                          = "psql-aduana"
  resource_group_name           = local.group
  location                      = local.location
  version                       = "17"
  sku_name                      = "GP_Standard_D2ds_v5"
  storage_mb                    = 65536
  public_network_access_enabled = false

  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = false
    tenant_id                     = data.azurerm_client_config.this.tenant_id
  }

  lifecycle {
    ignore_changes = [zone]
  }
}

resource "azurerm_postgresql_flexible_server_active_directory_administrator" "proxy" {
  server_name         = azurerm_postgresql_flexible_server.this.name
  resource_group_name = local.group
  tenant_id           = data.azurerm_client_config.this.tenant_id
  object_id           = azurerm_user_assigned_identity.proxy.principal_id
  principal_name      = azurerm_user_assigned_identity.proxy.name
  principal_type      = "ServicePrincipal"
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  name       = "aduana"
  server_id  = azurerm_postgresql_flexible_server.this.id
  depends_on = [azurerm_postgresql_flexible_server_active_directory_administrator.proxy]
}

resource "azurerm_log_analytics_workspace" "this" {
  name                         = "log-aduana"
  resource_group_name          = local.group
  location                     = local.location
  local_authentication_enabled = false
}

resource "azurerm_monitor_diagnostic_setting" "vault" {
  name                       = "to-workspace"
  target_resource_id         = azurerm_key_vault.this.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_container_app_environment" "this" {
  name                               = "cae-aduana"
  resource_group_name                = local.group
  location                           = local.location
  logs_destination                   = "log-analytics"
  log_analytics_workspace_id         = azurerm_log_analytics_workspace.this.id
  infrastructure_subnet_id           = azurerm_subnet.apps.id
  infrastructure_resource_group_name = "rg-aduana-infra"
  internal_load_balancer_enabled     = true
  zone_redundancy_enabled            = true

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }
}

resource "azurerm_container_app" "proxy" {
  name                         = "proxy"
  resource_group_name          = local.group
  container_app_environment_id = azurerm_container_app_environment.this.id
  revision_mode                = "Single"
  workload_profile_name        = "Consumption"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.proxy.id]
  }

  ingress {
    target_port      = 8080
    external_enabled = true

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas = 2

    container {
      name   = "proxy"
      image  = var.image
      cpu    = 0.5
      memory = "1Gi"
    }
  }
}

output "url" {
  value = "https://${azurerm_container_app.proxy.ingress[0].fqdn}"
}

output "redis" {
  value = "${azurerm_managed_redis.this.hostname}:${azurerm_managed_redis.this.default_database[0].port}"
}
