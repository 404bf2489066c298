variable "name" {
  description = "The storage account's name, unique in the world."
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

variable "quota_gb" {
  description = "The size of the share in GiB; 100 is the least that Azure sells."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.quota_gb >= 100 && var.quota_gb <= 102400
    error_message = "The share has 100 to 102400 GiB."
  }
}

variable "zone_redundant" {
  description = "Whether the share is kept in three zones."
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
