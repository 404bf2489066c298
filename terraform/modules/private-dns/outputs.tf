output "zone_ids" {
  description = "The zones' ids, by name without `privatelink.`; known when they are linked, as a server injected into the network needs it."
  value       = { for zone, each in azurerm_private_dns_zone.this : zone => each.id }
  depends_on  = [azurerm_private_dns_zone_virtual_network_link.this]
}
