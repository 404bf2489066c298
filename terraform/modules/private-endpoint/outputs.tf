output "id" {
  description = "The endpoint's id."
  value       = one(concat(azurerm_private_endpoint.this[*].id, azurerm_private_endpoint.by_policy[*].id))
}

output "address" {
  description = "The endpoint's address in the subnet."
  value = one(concat(
    azurerm_private_endpoint.this[*].private_service_connection[0].private_ip_address,
    azurerm_private_endpoint.by_policy[*].private_service_connection[0].private_ip_address,
  ))
}
