output "id" {
  description = "The storage account's id."
  value       = azurerm_storage_account.this.id
}

output "nfs_server" {
  description = "The host that serves the share; the share can be mounted when it is known."
  value       = azurerm_storage_account.this.primary_file_host
  depends_on  = [module.private_endpoint]
}

output "nfs_path" {
  description = "The share's path there."
  value       = "/${azurerm_storage_account.this.name}/${azurerm_storage_share.this.name}"
}
