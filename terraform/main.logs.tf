module "logs" {
  source = "./modules/logs"
  count  = var.logs.workspace_id == null ? 1 : 0

  name                = var.names.log_workspace
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  retention_days      = var.logs.retention_days
  daily_quota_gb      = var.logs.daily_quota_gb
}

locals {
  workspace_id = var.logs.workspace_id == null ? module.logs[0].id : var.logs.workspace_id
}
