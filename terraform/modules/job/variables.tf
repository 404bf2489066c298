variable "name" {
  description = "The job's name."
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

variable "environment_id" {
  description = "The environment that it runs in."
  type        = string
  nullable    = false
}

variable "image" {
  description = "What runs, by digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "An image is named by digest, ...@sha256:..., since a tag may be moved."
  }
}

variable "registry" {
  description = "The registry that the image is pulled from with the job's identity; null: pulled openly."
  type        = string
  default     = null
}

variable "args" {
  description = "The arguments of the image's entry point where a start names none."
  type        = list(string)
  nullable    = false
}

variable "identity_id" {
  description = "The identity that the job runs under."
  type        = string
  nullable    = false
}

variable "settings" {
  description = "The environment variables. None is a secret."
  type        = map(string)
  nullable    = false
}

variable "timeout_seconds" {
  description = "How long one run may take."
  type        = number
  default     = 3600
  nullable    = false
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
