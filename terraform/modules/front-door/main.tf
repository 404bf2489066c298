# Front Door with its web application firewall; it reaches the environment by private link, which is the environment's only
# way in. Its request for the link is approved on the environment, once.

resource "azurerm_user_assigned_identity" "this" {
  count = var.certificate == null ? 0 : 1

  name                = var.identity_name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

module "certificate_role" {
  source = "../role-assignments"
  count  = try(var.certificate.key_vault_id, null) == null ? 0 : 1

  subscription_id = var.subscription_id
  assignments = {
    front_door_certificate = {
      principal_id = azurerm_user_assigned_identity.this[0].principal_id
      role         = "key_vault_secrets_user"
      scope        = var.certificate.key_vault_id
    }
  }
}

resource "azurerm_cdn_frontdoor_profile" "this" {
  name                     = var.name
  resource_group_name      = var.resource_group_name
  tags                     = var.tags
  sku_name                 = "Premium_AzureFrontDoor"
  response_timeout_seconds = 240

  dynamic "identity" {
    for_each = azurerm_user_assigned_identity.this

    content {
      type         = "UserAssigned"
      identity_ids = [identity.value.id]
    }
  }
}

resource "azurerm_cdn_frontdoor_secret" "this" {
  count = var.certificate == null ? 0 : 1

  name                     = "domain"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id

  secret {
    customer_certificate {
      key_vault_certificate_id = replace(var.certificate.key_vault_secret_id, "/secrets/", "/certificates/")
    }
  }

  depends_on = [module.certificate_role]
}

resource "azurerm_cdn_frontdoor_endpoint" "this" {
  name                     = var.endpoint_name
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id
  tags                     = var.tags
}

resource "azurerm_cdn_frontdoor_origin_group" "this" {
  for_each = var.sites

  name                     = each.key
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id
  session_affinity_enabled = false

  load_balancing {}

  health_probe {
    protocol            = "Https"
    path                = "/readyz"
    request_type        = "GET"
    interval_in_seconds = 30
  }
}

resource "azurerm_cdn_frontdoor_origin" "this" {
  for_each = var.sites

  name                           = each.key
  cdn_frontdoor_origin_group_id  = azurerm_cdn_frontdoor_origin_group.this[each.key].id
  enabled                        = true
  host_name                      = each.value.fqdn
  origin_host_header             = each.value.fqdn
  certificate_name_check_enabled = true

  private_link {
    location               = var.location
    private_link_target_id = var.environment_id
    target_type            = "managedEnvironments"
    request_message        = "Front Door ${var.name}"
  }
}

resource "azurerm_cdn_frontdoor_custom_domain" "this" {
  for_each = var.sites

  name                     = each.key
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id
  host_name                = each.value.domain

  tls {
    certificate_type        = var.certificate == null ? "ManagedCertificate" : "CustomerCertificate"
    cdn_frontdoor_secret_id = one(azurerm_cdn_frontdoor_secret.this[*].id)
  }
}

resource "azurerm_cdn_frontdoor_route" "this" {
  for_each = var.sites

  name                            = each.key
  cdn_frontdoor_endpoint_id       = azurerm_cdn_frontdoor_endpoint.this.id
  cdn_frontdoor_origin_group_id   = azurerm_cdn_frontdoor_origin_group.this[each.key].id
  cdn_frontdoor_origin_ids        = [azurerm_cdn_frontdoor_origin.this[each.key].id]
  cdn_frontdoor_custom_domain_ids = [azurerm_cdn_frontdoor_custom_domain.this[each.key].id]
  patterns_to_match               = ["/*"]
  supported_protocols             = ["Https"]
  forwarding_protocol             = "HttpsOnly"
  https_redirect_enabled          = false
  link_to_default_domain          = false
}

resource "azurerm_cdn_frontdoor_custom_domain_association" "this" {
  for_each = var.sites

  cdn_frontdoor_custom_domain_id = azurerm_cdn_frontdoor_custom_domain.this[each.key].id
  cdn_frontdoor_route_ids        = [azurerm_cdn_frontdoor_route.this[each.key].id]
}

resource "azurerm_cdn_frontdoor_firewall_policy" "this" {
  name                = var.waf_policy_name
  resource_group_name = var.resource_group_name
  tags                = var.tags
  sku_name            = azurerm_cdn_frontdoor_profile.this.sku_name
  mode                = var.waf_mode == "prevention" ? "Prevention" : "Detection"

  # Bodies are prompts: code and SQL in them are no attack. The proxy parses them strictly itself.
  request_body_check_enabled = false

  managed_rule {
    type    = "Microsoft_DefaultRuleSet"
    version = "2.1"
    action  = "Block"
  }

  managed_rule {
    type    = "Microsoft_BotManagerRuleSet"
    version = "1.1"
    action  = "Block"
  }

  # Targets and volumes are for who scrapes from within.
  custom_rule {
    name     = "Metrics"
    priority = 5
    type     = "MatchRule"
    action   = "Block"

    match_condition {
      match_variable = "RequestUri"
      operator       = "RegEx"
      transforms     = ["Lowercase", "UrlDecode"]
      match_values   = ["^(https?://[^/]+)?/+metrics([/?#]|$)"]
    }
  }

  dynamic "custom_rule" {
    for_each = length(var.allowed_ranges) == 0 ? [] : [1]

    content {
      name     = "AllowedRanges"
      priority = 10
      type     = "MatchRule"
      action   = "Block"

      match_condition {
        match_variable     = "SocketAddr"
        operator           = "IPMatch"
        negation_condition = true
        match_values       = var.allowed_ranges
      }
    }
  }
}

resource "azurerm_cdn_frontdoor_security_policy" "this" {
  name                     = "waf"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.this.id

  security_policies {
    firewall {
      cdn_frontdoor_firewall_policy_id = azurerm_cdn_frontdoor_firewall_policy.this.id

      association {
        patterns_to_match = ["/*"]

        dynamic "domain" {
          for_each = var.sites

          content {
            cdn_frontdoor_domain_id = azurerm_cdn_frontdoor_custom_domain.this[domain.key].id
          }
        }
      }
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "workspace"
  target_resource_id         = azurerm_cdn_frontdoor_profile.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
