output "identities" {
  description = "Each service's identity: `name`, `id`, `client_id` (what tokens are asked for with) and `principal_id` (what roles are given to)."
  value = {
    for service, identity in azurerm_user_assigned_identity.this : service => {
      name         = identity.name
      id           = identity.id
      client_id    = identity.client_id
      principal_id = identity.principal_id
    }
  }
}
