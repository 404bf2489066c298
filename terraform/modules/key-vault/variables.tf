variable "name" {
  description = "The vault's name, unique in the world."
  type        = string
  nullable    = false
}

variable "resource_group_name" {
  description = "The resource group that everything of this module is in."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region, such as `uksouth`."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tenant_id" {
  description = "The Entra tenant whose identities may have roles on the vault."
  type        = string
  nullable    = false
}

variable "soft_delete_days" {
  description = "How long a deleted vault or secret can be had back, 7 to 90 days. Fixed when the vault is made."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90
    error_message = "Deleted secrets can be had back for 7 to 90 days."
  }
}

variable "purge_protection" {
  description = "Whether nobody may remove a deleted vault or secret before that time. Cannot be switched off again."
  type        = bool
  default     = true
  nullable    = false
}

variable "private_endpoint" {
  description = "The endpoint that leads here: its name, the subnet and region that it is in, the private zones it is found in, and whether a policy of the customer's attaches those."
  type = object({
    name            = string
    subnet_id       = string
    location        = string
    zone_ids        = optional(list(string), [])
    zones_by_policy = optional(bool, false)
  })
  nullable = false
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
