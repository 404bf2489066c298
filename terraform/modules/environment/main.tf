# Where the services run. Its logs go by diagnostic settings, which need no key of the workspace.

resource "azurerm_container_app_environment" "this" {
  name                               = var.name
  resource_group_name                = var.resource_group_name
  location                           = var.location
  tags                               = var.tags
  infrastructure_resource_group_name = var.infrastructure_resource_group_name
  infrastructure_subnet_id           = var.subnet_id
  internal_load_balancer_enabled     = var.internal
  public_network_access              = var.public ? "Enabled" : "Disabled"
  zone_redundancy_enabled            = var.zone_redundant
  logs_destination                   = "azure-monitor"

  # From the first day: a profile that is added later replaces the environment.
  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }

  dynamic "identity" {
    for_each = var.certificate == null ? [] : [1]

    content {
      type = "SystemAssigned"
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_container_app_environment.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

module "certificate_role" {
  source = "../role-assignments"
  count  = try(var.certificate.key_vault_id, null) == null ? 0 : 1

  subscription_id = var.subscription_id
  assignments = {
    environment_certificate = {
      principal_id = azurerm_container_app_environment.this.identity[0].principal_id
      role         = "key_vault_secrets_user"
      scope        = var.certificate.key_vault_id
    }
  }
}

resource "azurerm_container_app_environment_certificate" "this" {
  count = var.certificate == null ? 0 : 1

  name                         = "domain"
  container_app_environment_id = azurerm_container_app_environment.this.id
  tags                         = var.tags

  certificate_key_vault {
    identity            = "System"
    key_vault_secret_id = replace(var.certificate.key_vault_secret_id, "/certificates/", "/secrets/")
  }

  depends_on = [module.certificate_role]
}

resource "azurerm_container_app_environment_storage" "state" {
  count = var.volume == null ? 0 : 1

  name                         = "state"
  container_app_environment_id = azurerm_container_app_environment.this.id
  access_mode                  = "ReadWrite"
  nfs_server_url               = var.volume.server
  share_name                   = var.volume.path
}

# An internal environment's names are answered by a zone of the network's own.
resource "azurerm_private_dns_zone" "this" {
  count = var.internal ? 1 : 0

  name                = azurerm_container_app_environment.this.default_domain
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_a_record" "this" {
  for_each = toset(var.internal ? ["*", "@"] : [])

  name                = each.key
  private_dns_zone_id = azurerm_private_dns_zone.this[0].id
  ttl                 = 300
  records             = [azurerm_container_app_environment.this.static_ip_address]
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = var.internal ? var.networks : {}

  name                 = each.key
  private_dns_zone_id  = azurerm_private_dns_zone.this[0].id
  virtual_network_id   = each.value
  registration_enabled = false
  tags                 = var.tags
}
