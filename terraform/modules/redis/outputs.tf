output "id" {
  description = "The id of the Redis."
  value       = azurerm_managed_redis.this.id
}

output "hostname" {
  description = "The name that it is called by, inside the network."
  value       = azurerm_managed_redis.this.hostname
}

output "port" {
  description = "The database's port; TLS alone is spoken there."
  value       = azurerm_managed_redis.this.default_database[0].port
}
