output "id" {
  description = "The namespace's id."
  value       = azurerm_eventhub_namespace.this.id
}

output "hub_id" {
  description = "The id of the hub that usage events go to."
  value       = azurerm_eventhub.usage.id
}

output "hub" {
  description = "The hub's name."
  value       = azurerm_eventhub.usage.name
}

output "host" {
  description = "The namespace's host, for AMQP (5671) and Kafka (9093)."
  value       = "${azurerm_eventhub_namespace.this.name}.servicebus.windows.net"
}
