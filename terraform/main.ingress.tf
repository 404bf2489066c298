locals {
  sites = merge(
    { proxy = { domain = var.ingress.domain, fqdn = module.proxy.fqdn } },
    var.ingress.admin_domain == null ? {} : { admin = { domain = var.ingress.admin_domain, fqdn = module.admin.fqdn } },
  )
}

module "application_gateway" {
  source = "./modules/application-gateway"
  count  = local.gateway ? 1 : 0

  name                = var.names.application_gateway
  public_ip_name      = var.names.application_gateway_public_ip
  identity_name       = var.names.application_gateway_identity
  waf_policy_name     = var.names.application_gateway_waf_policy
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  subscription_id     = var.subscription_id
  subnet_id           = local.subnet_ids["gateway"]
  zones               = local.zones
  certificate         = var.ingress.certificate
  sites               = local.sites
  waf_mode            = var.ingress.waf.mode
  allowed_ranges      = var.ingress.allowed_ranges
  workspace_id        = local.workspace_id

  # Azure keeps a subnet's first four addresses, and gives the gateway's instances the next.
  private_address = var.ingress.visibility == "internal" ? cidrhost(local.gateway_range, -10) : null
}

module "front_door" {
  source = "./modules/front-door"
  count  = var.ingress.front == "front_door" ? 1 : 0

  name                = var.names.front_door
  endpoint_name       = var.names.front_door_endpoint
  identity_name       = var.names.front_door_identity
  waf_policy_name     = var.names.front_door_waf_policy
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  subscription_id     = var.subscription_id
  environment_id      = module.environment.id
  certificate         = var.ingress.certificate
  sites               = local.sites
  waf_mode            = var.ingress.waf.mode
  allowed_ranges      = var.ingress.allowed_ranges
  workspace_id        = local.workspace_id
}
