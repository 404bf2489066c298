output "id" {
  description = "The account's id."
  value       = local.account_id
}

output "endpoint" {
  description = "Where a new account answers, as a seed's upstream names it; null for an existing one."
  value       = one(azurerm_cognitive_account.this[*].endpoint)
}

output "deployments" {
  description = "The deployments' names."
  value       = sort(keys(azurerm_cognitive_deployment.this))
}
