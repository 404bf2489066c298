# An Azure OpenAI account: no keys, no public address. An existing one is left as its owner made it.

locals {
  account_id = var.resource_id == null ? azurerm_cognitive_account.this[0].id : var.resource_id
}

resource "azurerm_cognitive_account" "this" {
  #checkov:skip=CKV2_AZURE_22: Microsoft's keys; a key of the customer's own is not offered yet

  count = var.resource_id == null ? 1 : 0

  name                          = var.name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  tags                          = var.tags
  kind                          = "OpenAI"
  sku_name                      = "S0"
  custom_subdomain_name         = var.name
  local_auth_enabled            = false
  public_network_access_enabled = false

  network_acls {
    default_action = "Deny"
  }
}

# An account takes one deployment at a time; the provider holds a lock on the account while it works on one.
resource "azurerm_cognitive_deployment" "this" {
  for_each = var.deployments

  name                   = each.key
  cognitive_account_id   = local.account_id
  version_upgrade_option = "NoAutoUpgrade"

  model {
    format  = "OpenAI"
    name    = each.value.model
    version = each.value.version
  }

  sku {
    name     = each.value.sku
    capacity = each.value.capacity
  }
}

module "private_endpoint" {
  source = "../private-endpoint"

  name                = var.private_endpoint.name
  resource_group_name = var.resource_group_name
  location            = var.private_endpoint.location
  tags                = var.tags
  subnet_id           = var.private_endpoint.subnet_id
  resource_id         = local.account_id
  subresource         = "account"
  zone_ids            = var.private_endpoint.zone_ids
  zones_by_policy     = var.private_endpoint.zones_by_policy

  # While a deployment is made the account is `Accepted`, and takes no endpoint.
  depends_on = [azurerm_cognitive_deployment.this]
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  count = var.resource_id == null ? 1 : 0

  name                       = "workspace"
  target_resource_id         = azurerm_cognitive_account.this[0].id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
