variable "name" {
  description = "The workspace's name."
  type        = string
  nullable    = false
}

variable "resource_group_name" {
  description = "The resource group that the workspace is in."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of the workspace."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "retention_days" {
  description = "How long logs are kept, 30 to 730 days."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.retention_days >= 30 && var.retention_days <= 730
    error_message = "Logs are kept for 30 to 730 days."
  }
}

variable "daily_quota_gb" {
  description = "What a day may bring, in GB; null: no limit. Above it nothing is logged until the next day."
  type        = number
  default     = null
}
