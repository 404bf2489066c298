output "id" {
  description = "The server's id."
  value       = azurerm_postgresql_flexible_server.this.id
}

output "name" {
  description = "The server's name."
  value       = azurerm_postgresql_flexible_server.this.name
}

output "fqdn" {
  description = "The name that it is called by, inside the network."
  value       = azurerm_postgresql_flexible_server.this.fqdn
}

output "database" {
  description = "The database's name."
  value       = azurerm_postgresql_flexible_server_database.this.name
}
