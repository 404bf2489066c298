module "openai" {
  source   = "./modules/openai-account"
  for_each = var.openai.accounts

  name                = each.value.mode == "new" ? var.names.accounts[each.key] : null
  resource_id         = each.value.resource_id
  resource_group_name = azurerm_resource_group.this.name
  location            = coalesce(each.value.region, var.region)
  tags                = local.tags
  deployments         = each.value.deployments
  workspace_id        = local.workspace_id
  private_endpoint = merge(local.endpoint, {
    name = var.names.account_private_endpoints[each.key]
    zone_ids = [
      for zone in ["cognitiveservices.azure.com", "openai.azure.com", "services.ai.azure.com"] : local.zone_ids[zone] if !local.endpoint.zones_by_policy
    ]
  })
}
