variable "name" {
  description = "The gateway's name."
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

variable "public_ip_name" {
  description = "The name of its public address; Azure wants one even where callers come to the private one."
  type        = string
  nullable    = false
}

variable "identity_name" {
  description = "The name of the identity that reads the certificate."
  type        = string
  nullable    = false
}

variable "waf_policy_name" {
  description = "The name of the web application firewall's policy."
  type        = string
  nullable    = false
}

variable "subnet_id" {
  description = "The gateway's own subnet, /26 or larger."
  type        = string
  nullable    = false
}

variable "private_address" {
  description = "The address in that subnet that callers come to; null: they come to the public one."
  type        = string
  default     = null
}

variable "zones" {
  description = "The zones that it is spread over."
  type        = set(string)
  default     = ["1", "2", "3"]
  nullable    = false
}

variable "subscription_id" {
  description = "The subscription, as a GUID."
  type        = string
  nullable    = false
}

variable "certificate" {
  description = "The certificate in Key Vault. With `key_vault_id` the gateway's identity gets the role that it needs; without, the vault's owner gives it."
  type = object({
    key_vault_secret_id = string
    key_vault_id        = optional(string)
  })
  nullable = false
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
  description = "Who may come in, by address; none: all that can."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
