# Role assignments whose names are derived from who, what and where: a second run, or another machine, finds its own again
# instead of a RoleAssignmentExists.

locals {
  # Built-in roles by id: their names change. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
  roles = {
    acr_pull                  = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    key_vault_secrets_user    = "4633458b-17de-408a-b874-0445c86b69e6"
    key_vault_secrets_officer = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
    openai_user               = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
    openai_contributor        = "a001fd3d-188f-4b5d-821b-7da978bf7442"
    event_hubs_data_sender    = "2b629674-e913-4c01-ae53-ef4638d8f975"
  }
}

resource "azurerm_role_assignment" "this" {
  for_each = var.assignments

  name               = uuidv5("url", "${lower(each.value.scope)}|${local.roles[each.value.role]}|${each.value.principal_id}")
  scope              = each.value.scope
  role_definition_id = "/subscriptions/${var.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/${local.roles[each.value.role]}"
  principal_id       = each.value.principal_id
  principal_type     = "ServicePrincipal"

  # An identity made a moment ago may not have reached Entra ID's every replica.
  skip_service_principal_aad_check = true
}
