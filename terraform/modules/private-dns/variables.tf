variable "resource_group_name" {
  description = "The resource group that the zones are in."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of the zones and links."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "zones" {
  description = "The zones to make, without `privatelink.`, such as `vaultcore.azure.net`."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for zone in var.zones : !startswith(zone, "privatelink.")])
    error_message = "Name the zones without privatelink."
  }
}

variable "networks" {
  description = "The virtual networks that ask the zones: id by a short name, which becomes the link's."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.networks) > 0
    error_message = "A zone that no network is linked to answers nobody."
  }
}
