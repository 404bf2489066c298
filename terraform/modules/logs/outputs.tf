output "id" {
  description = "The workspace's id."
  value       = azurerm_log_analytics_workspace.this.id
}
