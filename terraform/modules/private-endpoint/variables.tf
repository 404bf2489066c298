variable "name" {
  description = "The endpoint's name; its network interface and connection are named after it."
  type        = string
  nullable    = false
}

variable "resource_group_name" {
  description = "The resource group that the endpoint is in."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region of the network, which may not be that of the service."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of the endpoint."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "subnet_id" {
  description = "The subnet that the endpoint has its address in."
  type        = string
  nullable    = false
}

variable "resource_id" {
  description = "The service that it leads to."
  type        = string
  nullable    = false
}

variable "subresource" {
  description = "The part of the service, such as `vault`. https://learn.microsoft.com/azure/private-link/private-endpoint-overview#private-link-resource"
  type        = string
  nullable    = false
}

variable "zone_ids" {
  description = "The private zones that the service is found in; not used where a policy attaches them."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "zones_by_policy" {
  description = "Whether the customer's own policy attaches zones (DeployIfNotExists): what it attaches is then left as it is."
  type        = bool
  default     = false
  nullable    = false
}
