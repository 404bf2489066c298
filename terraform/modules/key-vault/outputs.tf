output "id" {
  description = "The vault's id."
  value       = azurerm_key_vault.this.id
}

output "name" {
  description = "The vault's name, as `kv://` references begin with it."
  value       = azurerm_key_vault.this.name
}

output "uri" {
  description = "Where the vault answers."
  value       = azurerm_key_vault.this.vault_uri
}
