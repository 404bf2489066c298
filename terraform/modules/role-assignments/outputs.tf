output "ids" {
  description = "The assignments' ids, by their short names."
  value       = { for key, assignment in azurerm_role_assignment.this : key => assignment.id }
}
