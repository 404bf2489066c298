locals {
  protected = !var.deletion_protection ? {} : merge(
    { key_vault = module.key_vault.id, postgres = module.postgres.id },
    var.event_hubs.enabled ? { event_hubs = module.event_hubs[0].id } : {},
    var.redis.mode == "none" ? { state_volume = module.state_volume[0].id } : {},
    var.logs.workspace_id == null ? { logs = module.logs[0].id } : {},
  )
}

# Made last and lifted first: a lock holds whatever is below a resource, its roles and diagnostics included.
resource "azurerm_management_lock" "this" {
  for_each = local.protected

  name       = "holds-data"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Holds data of the installation ${var.name}. Set deletion_protection to false to lift it."

  depends_on = [
    module.access,
    module.key_vault,
    module.postgres,
    module.event_hubs,
    module.state_volume,
    module.logs,
  ]
}
