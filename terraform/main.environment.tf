module "environment" {
  source = "./modules/environment"

  name                               = var.names.environment
  infrastructure_resource_group_name = var.names.environment_resource_group
  resource_group_name                = azurerm_resource_group.this.name
  location                           = var.region
  tags                               = local.tags
  subscription_id                    = var.subscription_id
  subnet_id                          = local.subnet_ids["apps"]
  zone_redundant                     = var.zone_redundant
  networks                           = local.networks
  workspace_id                       = local.workspace_id

  # Behind an Application Gateway, which is in the network, the environment is internal whoever calls.
  internal = var.ingress.visibility == "internal" || local.gateway
  public   = var.ingress.visibility == "external" && var.ingress.front == "none"

  certificate = var.ingress.front == "none" && var.ingress.domain != null ? var.ingress.certificate : null
  volume      = var.redis.mode == "managed" ? null : { server = module.state_volume[0].nfs_server, path = module.state_volume[0].nfs_path }

  # The way out first: an environment that cannot reach its platform is never made.
  depends_on = [module.firewall, terraform_data.holds_together]
}
