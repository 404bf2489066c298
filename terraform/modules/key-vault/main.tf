# The installation's vault: roles alone open it, and only from inside the network. No secret is written here by Terraform;
# the bootstrap job makes them.

resource "azurerm_key_vault" "this" {
  #checkov:skip=CKV_AZURE_110: a variable, and on unless a trial says otherwise
  #checkov:skip=CKV_AZURE_42: soft delete is always on, purge protection a variable

  name                          = var.name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  tags                          = var.tags
  tenant_id                     = var.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  public_network_access_enabled = false
  purge_protection_enabled      = var.purge_protection
  soft_delete_retention_days    = var.soft_delete_days

  network_acls {
    bypass         = "None"
    default_action = "Deny"
  }
}

module "private_endpoint" {
  source = "../private-endpoint"

  name                = var.private_endpoint.name
  resource_group_name = var.resource_group_name
  location            = var.private_endpoint.location
  tags                = var.tags
  subnet_id           = var.private_endpoint.subnet_id
  resource_id         = azurerm_key_vault.this.id
  subresource         = "vault"
  zone_ids            = var.private_endpoint.zone_ids
  zones_by_policy     = var.private_endpoint.zones_by_policy
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_key_vault.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
