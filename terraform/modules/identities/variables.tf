variable "resource_group_name" {
  description = "The resource group that the identities are in."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of the identities."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "names" {
  description = "The identities' names, by the service that runs under each."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(distinct(values(var.names))) == length(var.names)
    error_message = "Each service has an identity of its own: two have the same name."
  }
}
