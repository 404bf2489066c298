output "id" {
  description = "The profile's id."
  value       = azurerm_cdn_frontdoor_profile.this.id
}

output "host" {
  description = "The host that each domain's CNAME has to name."
  value       = azurerm_cdn_frontdoor_endpoint.this.host_name
}

output "domain_validations" {
  description = "What the TXT record `_dnsauth.<domain>` has to hold, by domain."
  value       = { for key, domain in azurerm_cdn_frontdoor_custom_domain.this : domain.host_name => domain.validation_token }
}
