variable "name" {
  description = "The server's name, unique in the world."
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
  description = "The Entra tenant whose identities may sign in."
  type        = string
  nullable    = false
}

variable "administrator" {
  description = "The one identity that Azure makes administrator; it makes the roles of the others."
  type = object({
    name         = string
    principal_id = string
  })
  nullable = false
}

variable "database" {
  description = "The database's name."
  type        = string
  default     = "aduana"
  nullable    = false
}

# The server's own word; the provider refuses what it does not know.
variable "server_version" {
  description = "The major version of PostgreSQL: 16, 17 or 18."
  type        = string
  default     = "17"
  nullable    = false

  validation {
    condition     = contains(["16", "17", "18"], var.server_version)
    error_message = "The version is 16, 17 or 18."
  }
}

variable "sku" {
  description = "The compute, such as `GP_Standard_D2ds_v5`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(B|GP|MO)_Standard_[A-Za-z0-9_]{2,30}$", var.sku))
    error_message = "A SKU begins with B_Standard_, GP_Standard_ or MO_Standard_."
  }
}

variable "storage_gb" {
  description = "Storage in GiB: a power of two from 32 to 16384. It grows by itself and never shrinks."
  type        = number
  default     = 128
  nullable    = false

  validation {
    condition     = contains([32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384], var.storage_gb)
    error_message = "Storage is a power of two from 32 to 16384 GiB."
  }
}

variable "high_availability" {
  description = "A standby in another zone (`zone_redundant`), in the same (`same_zone`), or `none`."
  type        = string
  default     = "zone_redundant"
  nullable    = false

  validation {
    condition     = contains(["zone_redundant", "same_zone", "none"], var.high_availability)
    error_message = "high_availability is zone_redundant, same_zone or none."
  }
}

variable "backup_retention_days" {
  description = "How far back the server can be restored, 7 to 35 days."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 7 && var.backup_retention_days <= 35
    error_message = "Backups are kept for 7 to 35 days."
  }
}

variable "geo_redundant_backup" {
  description = "Whether backups are kept in the paired region, too. Fixed when the server is made."
  type        = bool
  default     = false
  nullable    = false
}

variable "injected" {
  description = "For a server inside the network: its delegated subnet and its private zone. Null: it is reached by a private endpoint."
  type = object({
    subnet_id = string
    zone_id   = string
  })
  default = null
}

variable "private_endpoint" {
  description = "The endpoint that leads here, where the server is not injected: its name, the subnet and region that it is in, the private zones it is found in, and whether a policy of the customer's attaches those."
  type = object({
    name            = string
    subnet_id       = string
    location        = string
    zone_ids        = optional(list(string), [])
    zones_by_policy = optional(bool, false)
  })
  default = null

  validation {
    condition     = (var.private_endpoint == null) != (var.injected == null)
    error_message = "A server is either injected or has a private endpoint."
  }
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
