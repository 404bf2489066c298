output "id" {
  description = "The virtual network's id."
  value       = azurerm_virtual_network.this.id
}

output "subnet_ids" {
  description = "The subnets' ids, by what they are for; known when they are guarded."
  value       = { for key, subnet in azurerm_subnet.this : key => subnet.id }
  depends_on  = [azurerm_subnet_network_security_group_association.this]
}

output "ranges" {
  description = "The subnets' ranges, by what they are for."
  value       = { for key, subnet in var.subnets : key => subnet.range }
}
