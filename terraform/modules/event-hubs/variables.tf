variable "name" {
  description = "The namespace's name, unique in the world."
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
  description = "`Standard` or `Premium`."
  type        = string
  default     = "Standard"
  nullable    = false

  validation {
    condition     = contains(["Standard", "Premium"], var.sku)
    error_message = "The SKU is Standard or Premium."
  }
}

variable "capacity" {
  description = "Throughput units, or processing units of Premium (1, 2, 4, 8 or 16)."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.capacity >= 1 && var.capacity <= 40 && (var.sku == "Standard" || contains([1, 2, 4, 8, 16], var.capacity))
    error_message = "Capacity is 1 to 40 throughput units, or 1, 2, 4, 8 or 16 processing units of Premium."
  }
}

variable "retention_days" {
  description = "How long events can be read: 1 to 7 days, or 1 to 90 with Premium."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= (var.sku == "Premium" ? 90 : 7)
    error_message = "Events are kept for 1 to 7 days, with Premium for 1 to 90."
  }
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
