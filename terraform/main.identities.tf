module "identities" {
  source = "./modules/identities"

  names               = var.names.identities
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
}

locals {
  identities = module.identities.identities

  # The least that each does its work with. Postgres and Redis have lists of their own: the job is Postgres' administrator and
  # makes the others' roles there, proxy and writer use Redis.
  assignments = merge(
    # Who resolves references: the proxy its upstreams' and the pepper, the admin service what it issues and seals with.
    { for service in ["proxy", "admin"] : "${service}_reads_secrets" => {
      principal_id = local.identities[service].principal_id
      role         = "key_vault_secrets_user"
      scope        = module.key_vault.id
    } },
    # The bootstrap makes them, and keeps the keys there that a seed issues.
    { job_writes_secrets = {
      principal_id = local.identities["job"].principal_id
      role         = "key_vault_secrets_officer"
      scope        = module.key_vault.id
    } },
    { for name, account in var.openai.accounts : "proxy_calls_${name}" => {
      principal_id = local.identities["proxy"].principal_id
      role         = account.access == "everything" ? "openai_contributor" : "openai_user"
      scope        = module.openai[name].id
    } },
    var.images.registry_id == null ? {} : { for service in ["proxy", "writer", "admin", "job"] : "${service}_pulls_images" => {
      principal_id = local.identities[service].principal_id
      role         = "acr_pull"
      scope        = var.images.registry_id
    } },
    var.event_hubs.enabled ? { writer_sends_events = {
      principal_id = local.identities["writer"].principal_id
      role         = "event_hubs_data_sender"
      scope        = module.event_hubs[0].hub_id
    } } : {},
  )
}

module "access" {
  source = "./modules/role-assignments"

  subscription_id = var.subscription_id
  assignments     = local.assignments
}
