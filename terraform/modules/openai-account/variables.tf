variable "name" {
  description = "The name of a new account, unique in the world; its custom subdomain is the same. Null: an existing account."
  type        = string
  default     = null
}

variable "resource_id" {
  description = "The id of an existing account, which gets deployments and a private endpoint and is otherwise its owner's. Null: a new one."
  type        = string
  default     = null

  validation {
    condition     = (var.resource_id == null) != (var.name == null)
    error_message = "An account is either new and has a name, or exists and has a resource_id."
  }
}

variable "resource_group_name" {
  description = "The resource group of a new account, and of the private endpoint."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region of a new account."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deployments" {
  description = "The models, by the deployment's name. `capacity` counts thousands of tokens a minute, and units (PTU) for provisioned SKUs."
  type = map(object({
    model    = string
    version  = string
    sku      = optional(string, "Standard")
    capacity = number
  }))
  default  = {}
  nullable = false

  validation {
    condition = alltrue([for each in values(var.deployments) : contains([
      "Standard", "DataZoneStandard", "GlobalStandard", "ProvisionedManaged", "DataZoneProvisionedManaged",
      "GlobalProvisionedManaged", "Batch", "DataZoneBatch", "GlobalBatch",
    ], each.sku)])
    error_message = "A deployment's SKU is Standard, ProvisionedManaged or Batch, each also with DataZone or Global before it."
  }
  validation {
    condition     = alltrue([for each in values(var.deployments) : each.capacity >= 1 && floor(each.capacity) == each.capacity])
    error_message = "A deployment's capacity is a whole number from 1."
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
