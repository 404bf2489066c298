# Application Gateway with its web application firewall in front of the services.

locals {
  frontend = var.private_address == null ? "public" : "private"
  # A site's priority is its place in the alphabet, so that adding one changes no other's address.
  priorities = { for number, key in sort(keys(var.sites)) : key => 100 + 10 * number }
}

resource "azurerm_public_ip" "this" {
  name                = var.public_ip_name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = var.zones
}

resource "azurerm_user_assigned_identity" "this" {
  name                = var.identity_name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

module "certificate_role" {
  source = "../role-assignments"
  count  = var.certificate.key_vault_id == null ? 0 : 1

  subscription_id = var.subscription_id
  assignments = {
    gateway_certificate = {
      principal_id = azurerm_user_assigned_identity.this.principal_id
      role         = "key_vault_secrets_user"
      scope        = var.certificate.key_vault_id
    }
  }
}

resource "azurerm_web_application_firewall_policy" "this" {
  #checkov:skip=CKV_AZURE_135: bodies are prompts and are not looked into; nothing behind it runs on Java

  name                = var.waf_policy_name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  # Bodies are prompts: code and SQL in them are no attack, and they are long. The proxy parses them strictly itself.
  policy_settings {
    enabled                  = true
    mode                     = var.waf_mode == "prevention" ? "Prevention" : "Detection"
    request_body_check       = false
    request_body_enforcement = false
    file_upload_enforcement  = false
  }

  managed_rules {
    managed_rule_set {
      type    = "Microsoft_DefaultRuleSet"
      version = "2.1"
    }

    managed_rule_set {
      type    = "Microsoft_BotManagerRuleSet"
      version = "1.1"
    }
  }

  # Targets and volumes are for who scrapes from within.
  custom_rules {
    name      = "Metrics"
    priority  = 5
    rule_type = "MatchRule"
    action    = "Block"

    match_conditions {
      operator     = "Regex"
      transforms   = ["Lowercase", "UrlDecode"]
      match_values = ["^(https?://[^/]+)?/+metrics([/?#]|$)"]

      match_variables {
        variable_name = "RequestUri"
      }
    }
  }

  dynamic "custom_rules" {
    for_each = length(var.allowed_ranges) == 0 ? [] : [1]

    content {
      name      = "AllowedRanges"
      priority  = 10
      rule_type = "MatchRule"
      action    = "Block"

      match_conditions {
        operator           = "IPMatch"
        negation_condition = true
        match_values       = var.allowed_ranges

        match_variables {
          variable_name = "RemoteAddr"
        }
      }
    }
  }
}

resource "azurerm_application_gateway" "this" {
  name                              = var.name
  resource_group_name               = var.resource_group_name
  location                          = var.location
  tags                              = var.tags
  zones                             = var.zones
  http2_enabled                     = true
  firewall_policy_id                = azurerm_web_application_firewall_policy.this.id
  force_firewall_policy_association = true

  sku {
    name = "WAF_v2"
    tier = "WAF_v2"
  }

  autoscale_configuration {
    min_capacity = 1
    max_capacity = 10
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this.id]
  }

  # Answers are streams: the gateway must not keep them back.
  global {
    request_buffering_enabled  = true
    response_buffering_enabled = false
  }

  ssl_policy {
    policy_type = "Predefined"
    policy_name = "AppGwSslPolicy20220101S"
  }

  gateway_ip_configuration {
    name      = "gateway"
    subnet_id = var.subnet_id
  }

  frontend_port {
    name = "https"
    port = 443
  }

  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.this.id
  }

  dynamic "frontend_ip_configuration" {
    for_each = var.private_address == null ? [] : [var.private_address]

    content {
      name                          = "private"
      subnet_id                     = var.subnet_id
      private_ip_address            = frontend_ip_configuration.value
      private_ip_address_allocation = "Static"
    }
  }

  ssl_certificate {
    name                = "domain"
    key_vault_secret_id = replace(var.certificate.key_vault_secret_id, "/certificates/", "/secrets/")
  }

  dynamic "backend_address_pool" {
    for_each = var.sites

    content {
      name  = backend_address_pool.key
      fqdns = [backend_address_pool.value.fqdn]
    }
  }

  dynamic "probe" {
    for_each = var.sites

    content {
      name                                      = probe.key
      protocol                                  = "Https"
      path                                      = "/readyz"
      interval                                  = 10
      timeout                                   = 5
      unhealthy_threshold                       = 3
      pick_host_name_from_backend_http_settings = true

      match {
        status_code = ["200"]
      }
    }
  }

  dynamic "backend_http_settings" {
    for_each = var.sites

    content {
      name                  = backend_http_settings.key
      protocol              = "Https"
      port                  = 443
      host_name             = backend_http_settings.value.fqdn
      cookie_based_affinity = "Disabled"
      probe_name            = backend_http_settings.key

      # The longest answer that is not streamed, and some.
      request_timeout = 660
    }
  }

  dynamic "http_listener" {
    for_each = var.sites

    content {
      name                           = http_listener.key
      protocol                       = "Https"
      frontend_ip_configuration_name = local.frontend
      frontend_port_name             = "https"
      host_name                      = http_listener.value.domain
      ssl_certificate_name           = "domain"
    }
  }

  dynamic "request_routing_rule" {
    for_each = var.sites

    content {
      name                       = request_routing_rule.key
      rule_type                  = "Basic"
      priority                   = local.priorities[request_routing_rule.key]
      http_listener_name         = request_routing_rule.key
      backend_address_pool_name  = request_routing_rule.key
      backend_http_settings_name = request_routing_rule.key
    }
  }

  depends_on = [module.certificate_role]
}

resource "azurerm_monitor_diagnostic_setting" "gateway" {
  name                       = "workspace"
  target_resource_id         = azurerm_application_gateway.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_diagnostic_setting" "address" {
  name                       = "workspace"
  target_resource_id         = azurerm_public_ip.this.id
  log_analytics_workspace_id = var.workspace_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
