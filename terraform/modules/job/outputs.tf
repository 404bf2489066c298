output "id" {
  description = "The job's id."
  value       = azurerm_container_app_job.this.id
}

output "name" {
  description = "The job's name."
  value       = azurerm_container_app_job.this.name
}
