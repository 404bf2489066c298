# The words are those of the tenant file; `aduana plan` renders it into these. What it derives (names, ranges, hosts) is given here.

variable "subscription_id" {
  description = "The subscription, as a GUID."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.subscription_id))
    error_message = "A subscription's id is a GUID."
  }
}

variable "name" {
  description = "What this installation is called."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name))
    error_message = "An installation's name has 2 to 32 small letters, digits or hyphens, begins with a letter and ends with no hyphen."
  }
}

variable "region" {
  description = "The region, such as `uksouth`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,}[a-z0-9]{2,40}$", var.region))
    error_message = "A region is written as Azure's API does, such as uksouth."
  }
}

variable "zone_redundant" {
  description = "Whether all that can be is spread over zones. Changing it replaces what cannot be moved."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 45
    error_message = "At most 45 tags: Azure takes 50, and some are ours."
  }
}

variable "names" {
  description = "What every resource is called. `subnets` and `network_security_groups` by subnet, `apps` and `identities` by service, `accounts` and `account_private_endpoints` by the account's name in `openai`, `private_endpoints` by what they lead to."
  type = object({
    resource_group                 = string
    environment_resource_group     = string
    virtual_network                = string
    subnets                        = map(string)
    network_security_groups        = map(string)
    route_table                    = string
    firewall                       = string
    firewall_policy                = string
    firewall_public_ip             = string
    firewall_management_public_ip  = string
    application_gateway            = string
    application_gateway_public_ip  = string
    application_gateway_identity   = string
    application_gateway_waf_policy = string
    front_door                     = string
    front_door_endpoint            = string
    front_door_identity            = string
    front_door_waf_policy          = string
    log_workspace                  = string
    key_vault                      = string
    postgres                       = string
    redis                          = string
    event_hubs                     = string
    storage_account                = string
    environment                    = string
    apps                           = map(string)
    job                            = string
    identities                     = map(string)
    accounts                       = map(string)
    private_endpoints              = map(string)
    account_private_endpoints      = map(string)
  })
  nullable = false

  validation {
    condition     = length(setsubtract(["proxy", "writer", "admin", "job"], keys(var.names.identities))) == 0
    error_message = "names.identities has proxy, writer, admin and job: each service runs under an identity of its own."
  }
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.names.key_vault))
    error_message = "A vault's name has 3 to 24 small letters, digits or hyphens."
  }
}

variable "network" {
  description = "A network of its own (`new`: `address_space` and each subnet's range, by what it is for), or the subnets that somebody else made (`existing`: their ids, and the ranges that they have)."
  type = object({
    mode          = optional(string, "new")
    address_space = optional(string)
    subnets       = optional(map(string), {})
    dns_servers   = optional(list(string), [])
    existing = optional(object({
      vnet_id             = string
      apps_subnet_id      = string
      apps_range          = optional(string)
      endpoints_subnet_id = string
      postgres_subnet_id  = optional(string)
      gateway_subnet_id   = optional(string)
      gateway_range       = optional(string)
    }))
  })
  nullable = false

  validation {
    condition     = contains(["new", "existing"], var.network.mode)
    error_message = "network.mode is new or existing."
  }
  validation {
    condition     = var.network.mode != "new" || (var.network.address_space != null && contains(keys(var.network.subnets), "apps") && contains(keys(var.network.subnets), "endpoints"))
    error_message = "A new network needs address_space, and the ranges of the subnets apps and endpoints."
  }
  validation {
    condition     = (var.network.mode == "existing") == (var.network.existing != null)
    error_message = "network.existing belongs to mode existing, and mode existing needs it."
  }
}

variable "private_dns" {
  description = "Who answers for the private names: zones made here (`create`, also linked to `link_networks`), zones that exist (`existing`: ids by name without `privatelink.`), or a policy of the customer's that attaches them (`policy`)."
  type = object({
    mode          = optional(string, "create")
    zones         = optional(map(string), {})
    link_networks = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["create", "existing", "policy"], var.private_dns.mode)
    error_message = "private_dns.mode is create, existing or policy."
  }
  validation {
    condition     = (var.private_dns.mode == "existing") == (length(var.private_dns.zones) > 0)
    error_message = "private_dns.zones names the zones of mode existing, and is left out in every other mode."
  }
}

variable "ingress" {
  description = "Where callers come in: inside the network (`internal`) or from the internet (`external`), under which own domains and certificate, behind what (`none`, `front_door`, `application_gateway`), from which ranges. `certificate.key_vault_id` lets us give the role that reads it; without it the vault's owner does."
  type = object({
    visibility   = optional(string, "internal")
    domain       = optional(string)
    admin_domain = optional(string)
    certificate = optional(object({
      key_vault_secret_id = string
      key_vault_id        = optional(string)
    }))
    front          = optional(string, "none")
    waf            = optional(object({ mode = optional(string, "prevention") }), {})
    allowed_ranges = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["internal", "external"], var.ingress.visibility)
    error_message = "ingress.visibility is internal or external."
  }
  validation {
    condition     = contains(["none", "front_door", "application_gateway"], var.ingress.front)
    error_message = "ingress.front is none, front_door or application_gateway."
  }
  validation {
    condition     = var.ingress.front == "none" || var.ingress.domain != null
    error_message = "Front Door and Application Gateway serve a domain: ingress.domain is missing."
  }
  validation {
    condition     = var.ingress.front != "front_door" || var.ingress.visibility == "external"
    error_message = "Front Door serves the internet: ingress.visibility must be external."
  }
  validation {
    condition     = var.ingress.domain == null || var.ingress.certificate != null || var.ingress.front == "front_door"
    error_message = "A domain needs ingress.certificate; Front Door alone makes one by itself."
  }
  validation {
    condition     = var.ingress.admin_domain == null || var.ingress.domain != null
    error_message = "ingress.admin_domain needs ingress.domain: both are served with the same certificate."
  }
  validation {
    condition     = contains(["prevention", "detection"], var.ingress.waf.mode)
    error_message = "ingress.waf.mode is prevention or detection."
  }
  validation {
    condition     = alltrue([for range in var.ingress.allowed_ranges : can(cidrnetmask(range))])
    error_message = "ingress.allowed_ranges are IPv4 ranges such as 203.0.113.0/24."
  }
}

variable "egress" {
  description = "What the services may reach: anything (`open`), HTTPS alone (`nsg`), or named hosts by HTTPS (`firewall`). `hosts` are those of the upstreams, `registry_hosts` those that images come from. With nsg and firewall the proxy itself calls no other host either."
  type = object({
    mode           = optional(string, "nsg")
    hosts          = optional(list(string), [])
    registry_hosts = optional(list(string), [])
    firewall_sku   = optional(string, "Standard")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["open", "nsg", "firewall"], var.egress.mode)
    error_message = "egress.mode is open, nsg or firewall."
  }
  validation {
    condition     = contains(["Basic", "Standard", "Premium"], var.egress.firewall_sku)
    error_message = "egress.firewall_sku is Basic, Standard or Premium."
  }
  validation {
    condition     = alltrue([for host in concat(var.egress.hosts, var.egress.registry_hosts) : can(regex("^(\\*\\.)?([a-z0-9_-]{1,63}\\.)*[a-z0-9-]{1,63}$", host))])
    error_message = "A host is a name in small letters, *. and a domain, or an address."
  }
}

variable "redis" {
  description = "Azure Managed Redis; with `none` the one proxy keeps limits in its memory, and the ledger's queue on an NFS share whose root `volume_image` hands to the services' user."
  type = object({
    mode              = optional(string, "managed")
    sku               = optional(string, "Balanced_B1")
    high_availability = optional(bool, true)
    volume_image      = optional(string, "mcr.microsoft.com/azurelinux/busybox:1.36")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["managed", "none"], var.redis.mode)
    error_message = "redis.mode is managed or none."
  }
}

variable "postgres" {
  description = "The flexible server; reached by a private endpoint, or injected into its own subnet."
  type = object({
    version               = optional(string, "17")
    sku                   = optional(string, "GP_Standard_D2ds_v5")
    storage_gb            = optional(number, 128)
    high_availability     = optional(string, "zone_redundant")
    connectivity          = optional(string, "private_endpoint")
    backup_retention_days = optional(number, 14)
    geo_redundant_backup  = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["private_endpoint", "injected"], var.postgres.connectivity)
    error_message = "postgres.connectivity is private_endpoint or injected."
  }
  validation {
    condition     = !startswith(var.postgres.sku, "B_") || var.postgres.high_availability == "none"
    error_message = "A burstable server (B_) has no standby: postgres.high_availability must be none."
  }
}

variable "openai" {
  description = "Azure OpenAI accounts by name: made here, or existing ones that get deployments, a private endpoint and a role. `region` left out: the installation's. `access`: `models` calls models, assistants and realtime (*Cognitive Services OpenAI User*), `everything` also files, batches and fine-tuning (*Cognitive Services OpenAI Contributor*)."
  type = object({
    accounts = optional(map(object({
      mode        = optional(string, "new")
      resource_id = optional(string)
      region      = optional(string)
      access      = optional(string, "models")
      deployments = optional(map(object({
        model    = string
        version  = string
        sku      = optional(string, "Standard")
        capacity = number
      })), {})
    })), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for account in values(var.openai.accounts) : (account.mode == "existing") == (account.resource_id != null)])
    error_message = "resource_id names an account of mode existing, and is left out for a new one."
  }
  validation {
    condition     = alltrue([for account in values(var.openai.accounts) : contains(["models", "everything"], account.access)])
    error_message = "An account's access is models or everything."
  }
}

variable "key_vault" {
  description = "The installation's vault. Both are fixed when it is made."
  type = object({
    soft_delete_days = optional(number, 90)
    purge_protection = optional(bool, true)
  })
  default  = {}
  nullable = false
}

variable "key_versions" {
  description = "The versions of the pepper and of the master key that services hold; the highest makes new ones. Version N is the vault's secret pepper-N or master-key-N."
  type = object({
    pepper     = optional(set(number), [1])
    master_key = optional(set(number), [1])
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(var.key_versions.pepper) > 0 && length(var.key_versions.master_key) > 0
    error_message = "There is at least one version of each."
  }
}

variable "logs" {
  description = "The Log Analytics workspace: one made here, or an existing one (`workspace_id`)."
  type = object({
    workspace_id   = optional(string)
    retention_days = optional(number, 90)
    daily_quota_gb = optional(number)
  })
  default  = {}
  nullable = false
}

variable "event_hubs" {
  description = "The namespace that usage events will be exported to; the services export nothing yet. Off by default."
  type = object({
    enabled        = optional(bool, false)
    sku            = optional(string, "Standard")
    capacity       = optional(number, 1)
    retention_days = optional(number, 7)
  })
  default  = {}
  nullable = false
}

variable "replicas" {
  description = "How many replicas of each service run, and how large each is: `cpu` in cores, memory twice as many GiB."
  type = object({
    proxy = optional(object({
      min                 = optional(number, 2)
      max                 = optional(number, 10)
      cpu                 = optional(number, 1)
      concurrent_requests = optional(number, 100)
    }), {})
    writer = optional(object({
      min                 = optional(number, 1)
      max                 = optional(number, 2)
      cpu                 = optional(number, 0.5)
      concurrent_requests = optional(number, 100)
    }), {})
    admin = optional(object({
      min                 = optional(number, 1)
      max                 = optional(number, 2)
      cpu                 = optional(number, 0.5)
      concurrent_requests = optional(number, 100)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.redis.mode == "managed" || var.replicas.proxy.max == 1
    error_message = "Without Redis one proxy serves, since limits are in its memory: replicas.proxy.max must be 1."
  }
}

variable "revisions" {
  description = "How new images come in: `single`, or `blue_green` with the shares of the calls by revision (suffix null: the newest)."
  type = object({
    mode = optional(string, "single")
    traffic = optional(list(object({
      revision   = optional(string)
      percentage = number
      label      = optional(string)
    })), [{ percentage = 100 }])
  })
  default  = {}
  nullable = false
}

variable "images" {
  description = "What runs, by digest. `registry_id` is a container registry of the customer's, which the identities may then pull from; left out: images are pulled openly."
  type = object({
    proxy       = string
    admin       = string
    job         = string
    registry_id = optional(string)
  })
  nullable = false
}

variable "entra" {
  description = "The directory, and what access tokens of callers have to be for: the App ID URI and the application id of the gateway's registration. No audience: callers have keys alone."
  type = object({
    tenant_id = string
    audiences = optional(list(string), [])
  })
  nullable = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.entra.tenant_id))
    error_message = "entra.tenant_id is a GUID."
  }
}

variable "deletion_protection" {
  description = "Locks on what holds data. With a lock in place nothing of it can be deleted, its settings of access and diagnostics included: lift it first."
  type        = bool
  default     = true
  nullable    = false
}
