# A trial: the smallest of everything, inside a network of its own, with no zone and no standby.

module "aduana" {
  source = "../.."

  subscription_id = var.subscription_id
  name            = "trial"
  region          = "uksouth"
  names           = local.names

  entra = {
    tenant_id = var.tenant_id
  }

  images = {
    proxy = "${var.registry.server}/aduana/proxy@${var.registry.proxy}"
    admin = "${var.registry.server}/aduana/admin@${var.registry.admin}"
    job   = "${var.registry.server}/aduana/job@${var.registry.job}"
  }

  zone_redundant      = false
  deletion_protection = false

  network = {
    address_space = "10.80.0.0/24"
    subnets = {
      apps      = "10.80.0.0/25"
      endpoints = "10.80.0.128/26"
    }
  }

  egress = {
    hosts          = ["api.openai.com"]
    registry_hosts = [var.registry.server]
  }

  redis = {
    sku               = "Balanced_B0"
    high_availability = false
  }

  postgres = {
    sku               = "B_Standard_B1ms"
    storage_gb        = 32
    high_availability = "none"
  }

  key_vault = {
    soft_delete_days = 7
    purge_protection = false
  }

  replicas = {
    proxy  = { min = 1, max = 2, cpu = 0.5 }
    writer = { min = 1, max = 1, cpu = 0.25 }
    admin  = { min = 1, max = 1, cpu = 0.25 }
  }
}
