output "ingress" {
  description = "Where callers come in, and what the domains have to resolve to."
  value       = module.aduana.ingress
}

output "job" {
  description = "The job to start before anything can be called: it bootstraps the database and the vault."
  value       = module.aduana.job
}
