# Where an installation without Redis keeps its ledger's queue: an NFS share, which needs no key; the network lets in the
# services' subnet alone.

resource "azurerm_storage_account" "this" {
  #checkov:skip=CKV2_AZURE_1: Microsoft's keys; a key of the customer's own is not offered yet
  #checkov:skip=CKV2_AZURE_38: about blobs; the share has soft delete
  #checkov:skip=CKV_AZURE_206: ZRS where the installation is spread over zones, and LRS where it says it is not
  #checkov:skip=CKV_AZURE_36: no service of Azure has to come in: the private endpoint is the one way

  name                            = var.name
  resource_group_name             = var.resource_group_name
  location                        = var.location
  tags                            = var.tags
  account_kind                    = "FileStorage"
  account_tier                    = "Premium"
  account_replication_type        = var.zone_redundant ? "ZRS" : "LRS"
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  public_network_access_enabled   = false
  allow_nested_items_to_be_public = false
  local_user_enabled              = false
  min_tls_version                 = "TLS1_2"

  # NFS is not HTTPS: with this on, Container Apps cannot mount the share.
  https_traffic_only_enabled = false

  network_rules {
    default_action = "Deny"
    bypass         = ["None"]
  }

  share_properties {
    retention_policy {
      days = 14
    }
  }
}

resource "azurerm_storage_share" "this" {
  name               = "state"
  storage_account_id = azurerm_storage_account.this.id
  enabled_protocol   = "NFS"
  quota              = var.quota_gb
}

module "private_endpoint" {
  source = "../private-endpoint"

  name                = var.private_endpoint.name
  resource_group_name = var.resource_group_name
  location            = var.private_endpoint.location
  tags                = var.tags
  subnet_id           = var.private_endpoint.subnet_id
  resource_id         = azurerm_storage_account.this.id
  subresource         = "file"
  zone_ids            = var.private_endpoint.zone_ids
  zones_by_policy     = var.private_endpoint.zones_by_policy
}

resource "azurerm_monitor_diagnostic_setting" "account" {
  name                       = "workspace"
  target_resource_id         = azurerm_storage_account.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_diagnostic_setting" "files" {
  name                       = "workspace"
  target_resource_id         = "${azurerm_storage_account.this.id}/fileServices/default"
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
