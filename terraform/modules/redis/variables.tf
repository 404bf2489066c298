variable "name" {
  description = "The name of the Redis, unique in the region."
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

variable "sku" {
  description = "Size and kind, such as `Balanced_B1`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(Balanced_B|MemoryOptimized_M|ComputeOptimized_X)[0-9]{1,4}$", var.sku))
    error_message = "A SKU is Balanced_B, MemoryOptimized_M or ComputeOptimized_X and a number."
  }
}

variable "high_availability" {
  description = "Whether a replica stands by, in another zone where the region has zones."
  type        = bool
  default     = true
  nullable    = false
}

variable "principals" {
  description = "Who may use it: principal ids, by service."
  type        = map(string)
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
