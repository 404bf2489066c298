variable "name" {
  description = "The firewall's name."
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

variable "policy_name" {
  description = "The name of the policy that holds the rules."
  type        = string
  nullable    = false
}

variable "route_table_name" {
  description = "The name of the table that sends the services' traffic here."
  type        = string
  nullable    = false
}

variable "public_ip_names" {
  description = "The names of the addresses that calls go out from, and of Basic's management."
  type = object({
    outbound   = string
    management = optional(string)
  })
  nullable = false
}

variable "sku" {
  description = "`Basic`, `Standard` or `Premium`."
  type        = string
  default     = "Standard"
  nullable    = false

  validation {
    condition     = contains(["Basic", "Standard", "Premium"], var.sku)
    error_message = "The SKU is Basic, Standard or Premium."
  }
}

variable "zones" {
  description = "The zones that it is spread over; none: the region has none, or none are wanted."
  type        = set(string)
  default     = ["1", "2", "3"]
  nullable    = false
}

variable "subnet_id" {
  description = "The subnet AzureFirewallSubnet."
  type        = string
  nullable    = false
}

variable "management_subnet_id" {
  description = "The subnet AzureFirewallManagementSubnet, which Basic needs."
  type        = string
  default     = null

  validation {
    condition     = var.sku != "Basic" || var.management_subnet_id != null
    error_message = "The Basic SKU needs management_subnet_id."
  }
}

variable "services_subnet_id" {
  description = "The subnet whose traffic is sent here."
  type        = string
  nullable    = false
}

variable "services_range" {
  description = "That subnet's range."
  type        = string
  nullable    = false
}

variable "platform_hosts" {
  description = "Hosts that Container Apps, tokens and image pulls need."
  type        = list(string)
  nullable    = false
}

variable "hosts" {
  description = "Hosts of upstreams; `*.` stands for all names below a domain."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
