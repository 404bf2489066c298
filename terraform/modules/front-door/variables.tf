variable "name" {
  description = "The profile's name."
  type        = string
  nullable    = false
}

variable "endpoint_name" {
  description = "The endpoint's name, unique in the world."
  type        = string
  nullable    = false
}

variable "identity_name" {
  description = "The name of the identity that reads the certificate."
  type        = string
  nullable    = false
}

variable "waf_policy_name" {
  description = "The name of the web application firewall's policy, letters and digits alone."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9]{0,127}$", var.waf_policy_name))
    error_message = "A Front Door firewall policy's name has letters and digits alone."
  }
}

variable "resource_group_name" {
  description = "The resource group that everything of this module is in."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region of the environment and of the identity."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "subscription_id" {
  description = "The subscription, as a GUID."
  type        = string
  nullable    = false
}

variable "environment_id" {
  description = "The environment that is reached by private link."
  type        = string
  nullable    = false
}

variable "certificate" {
  description = "A certificate in Key Vault; null: Front Door makes one. With `key_vault_id` its identity gets the role that it needs; without, the vault's owner gives it."
  type = object({
    key_vault_secret_id = string
    key_vault_id        = optional(string)
  })
  default = null
}

variable "sites" {
  description = "What is served: the domain that callers use, and the service's own name behind it."
  type = map(object({
    domain = string
    fqdn   = string
  }))
  nullable = false
}

variable "waf_mode" {
  description = "`prevention` or `detection`."
  type        = string
  default     = "prevention"
  nullable    = false

  validation {
    condition     = contains(["prevention", "detection"], var.waf_mode)
    error_message = "The firewall's mode is prevention or detection."
  }
}

variable "allowed_ranges" {
  description = "Who may come in, by address; none: everybody."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
