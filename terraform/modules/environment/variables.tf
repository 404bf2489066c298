variable "name" {
  description = "The environment's name."
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

variable "infrastructure_resource_group_name" {
  description = "The resource group that Container Apps makes for what it runs on; nothing of ours is in it."
  type        = string
  nullable    = false
}

variable "subnet_id" {
  description = "The subnet of the services, /27 or larger, delegated to Microsoft.App/environments."
  type        = string
  nullable    = false
}

variable "internal" {
  description = "Whether the services are reached in the network alone. Changing it makes a new environment."
  type        = bool
  default     = true
  nullable    = false
}

variable "public" {
  description = "Whether the internet reaches an environment that is not internal; false where Front Door reaches it by private link."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(var.internal && var.public)
    error_message = "An internal environment cannot be public."
  }
}

variable "zone_redundant" {
  description = "Whether replicas are spread over zones. Changing it makes a new environment."
  type        = bool
  default     = true
  nullable    = false
}

variable "networks" {
  description = "The virtual networks that find an internal environment by name: id by a short name."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "certificate" {
  description = "The certificate in Key Vault that custom domains are served with. With `key_vault_id` the environment's identity gets the role that it needs to read it; without, the vault's owner gives it."
  type = object({
    key_vault_secret_id = string
    key_vault_id        = optional(string)
  })
  default = null
}

variable "subscription_id" {
  description = "The subscription, as a GUID."
  type        = string
  nullable    = false
}

variable "volume" {
  description = "An NFS share that services may mount as `state`; null: none."
  type = object({
    server = string
    path   = string
  })
  default = null
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
