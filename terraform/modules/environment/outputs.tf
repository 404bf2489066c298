output "id" {
  description = "The environment's id."
  value       = azurerm_container_app_environment.this.id
}

output "name" {
  description = "The environment's name."
  value       = azurerm_container_app_environment.this.name
}

output "default_domain" {
  description = "The domain that the services' own names are below."
  value       = azurerm_container_app_environment.this.default_domain
}

output "static_address" {
  description = "The address that the services are reached at: in the network where the environment is internal."
  value       = azurerm_container_app_environment.this.static_ip_address
}

output "domain_verification" {
  description = "What the TXT record `asuid.<domain>` has to hold before a custom domain is bound."
  value       = azurerm_container_app_environment.this.custom_domain_verification_id
}

output "certificate_id" {
  description = "The certificate that custom domains are served with; null without one."
  value       = one(azurerm_container_app_environment_certificate.this[*].id)
}

output "volume" {
  description = "The name of the volume that services may mount; null without one."
  value       = one(azurerm_container_app_environment_storage.state[*].name)
}
