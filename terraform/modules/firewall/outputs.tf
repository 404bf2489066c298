output "id" {
  description = "The firewall's id."
  value       = azurerm_firewall.this.id
}

output "outbound_address" {
  description = "The address that upstreams see; the way out is in use when it is known."
  value       = azurerm_public_ip.outbound.ip_address
  depends_on  = [azurerm_subnet_route_table_association.services]
}
