variable "name" {
  description = "The container app's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name))
    error_message = "A container app's name has 2 to 32 small letters, digits or hyphens and begins with a letter."
  }
}

variable "resource_group_name" {
  description = "The resource group that the app is in."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of the app."
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
    error_message = "An image is named by digest, ...@sha256:..., since a tag may be moved under a service that runs."
  }
}

variable "registry" {
  description = "The registry that the image is pulled from with the service's identity; null: pulled openly."
  type        = string
  default     = null
}

variable "args" {
  description = "The arguments of the image's entry point."
  type        = list(string)
  nullable    = false
}

variable "identity_id" {
  description = "The identity that the service runs under."
  type        = string
  nullable    = false
}

variable "settings" {
  description = "The environment variables. None is a secret: a service resolves its references itself."
  type        = map(string)
  nullable    = false
}

variable "scale" {
  description = "Replicas and their size. `cpu` in cores; memory is twice as many GiB. `concurrent_requests` in flight in one replica start another; a service without ingress scales at 70 % of its CPU."
  type = object({
    min                 = number
    max                 = number
    cpu                 = number
    concurrent_requests = optional(number, 100)
  })
  nullable = false

  validation {
    condition     = var.scale.min >= 0 && var.scale.max >= 1 && var.scale.min <= var.scale.max && var.scale.max <= 1000
    error_message = "min is 0 to max, and max 1 to 1000."
  }
  validation {
    condition     = var.scale.cpu >= 0.25 && var.scale.cpu <= 4 && floor(var.scale.cpu * 4) == var.scale.cpu * 4
    error_message = "cpu is 0.25 to 4 cores in quarters."
  }
}

variable "health_port" {
  description = "The port that answers /livez and /readyz."
  type        = number
  nullable    = false
}

variable "ingress" {
  description = "How it is called: on which port, by callers of other networks than the environment's own (`external`), from which ranges (none: from all that can), under which own domain. Null: it is not called."
  type = object({
    port           = number
    external       = optional(bool, true)
    allowed_ranges = optional(list(string), [])
    domain         = optional(string)
    certificate_id = optional(string)
  })
  default = null
}

variable "revisions" {
  description = "`single`: a new revision takes over when it is ready. `blue_green`: several run, and `traffic` says which gets how much."
  type        = string
  default     = "single"
  nullable    = false

  validation {
    condition     = contains(["single", "blue_green"], var.revisions)
    error_message = "revisions is single or blue_green."
  }
}

variable "traffic" {
  description = "Shares of the calls, in percent: of the newest revision (`revision` null), and of others by their suffix."
  type = list(object({
    revision   = optional(string)
    percentage = number
    label      = optional(string)
  }))
  default  = [{ percentage = 100 }]
  nullable = false

  validation {
    condition     = sum(var.traffic[*].percentage) == 100
    error_message = "The shares add up to 100."
  }
  validation {
    condition     = var.revisions == "blue_green" || (length(var.traffic) == 1 && var.traffic[0].revision == null)
    error_message = "With single revisions the newest one gets everything."
  }
}

variable "volume" {
  description = "The environment's volume that outlives replicas, and the image that hands its root to the service's user (65532) before the service starts; null: what a replica keeps is gone with it."
  type = object({
    name  = string
    image = string
  })
  default = null
}

variable "drain_seconds" {
  description = "How long a replica that is stopped has for the calls in flight, 600 at most."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.drain_seconds >= 1 && var.drain_seconds <= 600
    error_message = "A replica has 1 to 600 seconds."
  }
}

variable "workspace_id" {
  description = "The Log Analytics workspace that diagnostics go to."
  type        = string
  nullable    = false
}
