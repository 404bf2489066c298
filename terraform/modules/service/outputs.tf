output "id" {
  description = "The container app's id."
  value       = azurerm_container_app.this.id
}

output "name" {
  description = "The container app's name."
  value       = azurerm_container_app.this.name
}

output "fqdn" {
  description = "The environment's name for it; null for a service that is not called."
  value       = var.ingress == null ? null : azurerm_container_app.this.ingress[0].fqdn
}

output "revision" {
  description = "The newest revision."
  value       = azurerm_container_app.this.latest_revision_name
}
