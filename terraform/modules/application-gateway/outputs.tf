output "id" {
  description = "The gateway's id."
  value       = azurerm_application_gateway.this.id
}

output "address" {
  description = "The address that the domains have to resolve to."
  value       = var.private_address == null ? azurerm_public_ip.this.ip_address : var.private_address
}

output "identity_id" {
  description = "The identity that reads the certificate."
  value       = azurerm_user_assigned_identity.this.id
}
