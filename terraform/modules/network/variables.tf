variable "name" {
  description = "The virtual network's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}[a-zA-Z0-9_]$", var.name))
    error_message = "A virtual network's name has 2 to 64 letters, digits, points, hyphens or underscores and begins with a letter or digit."
  }
}

variable "resource_group_name" {
  description = "The resource group that everything of the network is in."
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

variable "address_space" {
  description = "The network's range."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.address_space))
    error_message = "The address space is an IPv4 range such as 10.80.0.0/22."
  }
}

variable "dns_servers" {
  description = "Name servers of the network; none: Azure's own."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "subnets" {
  description = "The subnets, by what they are for: `apps` (Container Apps), `endpoints` (private endpoints), `postgres` (an injected server), `gateway` (Application Gateway), `firewall`, `firewall_management`. `network_security_group` is the name of the group that guards it; Azure allows none on the firewall's subnets."
  type = map(object({
    name                   = string
    range                  = string
    network_security_group = optional(string)
  }))
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.subnets), ["apps", "endpoints", "postgres", "gateway", "firewall", "firewall_management"])) == 0
    error_message = "Subnets are apps, endpoints, postgres, gateway, firewall and firewall_management."
  }
  validation {
    condition     = contains(keys(var.subnets), "apps") && contains(keys(var.subnets), "endpoints")
    error_message = "The subnets apps and endpoints are always needed."
  }
  validation {
    condition     = alltrue([for key, subnet in var.subnets : startswith(key, "firewall") == (subnet.network_security_group == null)])
    error_message = "Every subnet has a network_security_group, but for the firewall's, which may have none."
  }
  validation {
    condition     = alltrue([for subnet in values(var.subnets) : can(cidrnetmask(subnet.range))])
    error_message = "A subnet's range is an IPv4 range such as 10.80.0.0/25."
  }
}

variable "callers" {
  description = "Who may call the services inside the network: ranges or service tags, such as `VirtualNetwork`."
  type        = list(string)
  default     = ["VirtualNetwork"]
  nullable    = false
}

variable "gateway_callers" {
  description = "Who may call the Application Gateway: ranges or service tags, such as `Internet`."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "outbound" {
  description = "What the services may reach: `open` (no rule of ours), `internet` (HTTPS to any address), `azure` (HTTPS to the Azure services that the platform needs, and to nobody else)."
  type        = string
  default     = "azure"
  nullable    = false

  validation {
    condition     = contains(["open", "internet", "azure"], var.outbound)
    error_message = "outbound is open, internet or azure."
  }
}

variable "outbound_tags" {
  description = "Further services of Azure that are reached with `azure`: `Storage`, where a container registry keeps what it serves."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
