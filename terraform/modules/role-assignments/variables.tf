variable "subscription_id" {
  description = "The subscription, as a GUID: the ids of built-in roles begin with it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.subscription_id))
    error_message = "A subscription's id is a GUID."
  }
}

variable "assignments" {
  description = "Who has which role where, by a short name that plans show. `role` is a key of the table in `main.tf`."
  type = map(object({
    principal_id = string
    role         = string
    scope        = string
  }))
  nullable = false

  validation {
    condition = alltrue([for each in values(var.assignments) : contains([
      "acr_pull", "key_vault_secrets_user", "key_vault_secrets_officer", "openai_user", "openai_contributor", "event_hubs_data_sender",
    ], each.role)])
    error_message = "A role is acr_pull, key_vault_secrets_user, key_vault_secrets_officer, openai_user, openai_contributor or event_hubs_data_sender."
  }
}
