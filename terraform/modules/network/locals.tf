locals {
  # Sources: learn.microsoft.com/azure/container-apps/firewall-integration, .../postgresql/flexible-server/concepts-networking-private,
  # .../application-gateway/configuration-infrastructure.
  ranges   = { for key in ["apps", "endpoints", "postgres", "gateway"] : key => [for each, subnet in var.subnets : subnet.range if each == key] }
  resolver = concat(["168.63.129.16"], var.dns_servers)
  closed   = var.outbound != "open"

  # One rule takes many ranges or one service tag: a tag gets a rule of its own.
  callers      = distinct(concat([for each in var.callers : each if can(cidrnetmask(each))], local.ranges.gateway))
  caller_tags  = [for each in var.callers : each if !can(cidrnetmask(each))]
  gateway_to   = [for each in var.gateway_callers : each if can(cidrnetmask(each))]
  gateway_tags = [for each in var.gateway_callers : each if !can(cidrnetmask(each))]

  # What private endpoints answer on: HTTPS, NFS, Postgres and its pooler, Event Hubs' AMQP and Kafka, Redis.
  link_ports = ["443", "2049", "5432", "5671", "6432", "9093", "10000"]

  # Upstreams may be anywhere, in networks that are peered too; which hosts they are the proxy, or the firewall, holds to its
  # list. Otherwise what Container Apps needs, and tokens. .../container-apps/firewall-integration#outbound
  outbound_tags = {
    open     = []
    internet = ["Internet", "VirtualNetwork"]
    azure    = concat(["MicrosoftContainerRegistry", "AzureFrontDoor.FirstParty", "AzureContainerRegistry", "AzureActiveDirectory", "AzureMonitor"], var.outbound_tags)
  }[var.outbound]

  # Which subnet's group has which rules, in the order in which Azure asks them. What is left out is: allowed, TCP, from and to
  # every address, on every port. A rule whose addresses are an empty list is not made.
  rules = {
    apps = concat(
      [{ name = "callers", direction = "Inbound", from = local.callers, to = local.ranges.apps, ports = ["443", "31443"] }],
      [for tag in local.caller_tags : { name = "callers-${lower(tag)}", direction = "Inbound", from = [tag], to = local.ranges.apps, ports = ["443", "31443"] }],
      [
        { name = "platform-probes", direction = "Inbound", from = ["AzureLoadBalancer"], to = local.ranges.apps, ports = ["30000-32767"] },
        { name = "within", direction = "Inbound", from = local.ranges.apps, to = local.ranges.apps, protocol = "*" },
        { name = "deny-rest", direction = "Inbound", access = "Deny", protocol = "*" },

        { name = "private-endpoints", direction = "Outbound", from = local.ranges.apps, to = local.ranges.endpoints, ports = local.link_ports, when = local.closed },
        { name = "postgres", direction = "Outbound", from = local.ranges.apps, to = local.ranges.postgres, ports = ["5432", "6432"], when = local.closed },
        { name = "within", direction = "Outbound", from = local.ranges.apps, to = local.ranges.apps, protocol = "*", when = local.closed },
        { name = "names", direction = "Outbound", from = local.ranges.apps, to = local.resolver, ports = ["53"], protocol = "*", when = local.closed },
      ],
      [for tag in local.outbound_tags : { name = lower(replace(tag, ".", "-")), direction = "Outbound", from = local.ranges.apps, to = [tag], ports = ["443"] }],
      [{ name = "deny-rest", direction = "Outbound", access = "Deny", protocol = "*", when = local.closed }],
    )
    endpoints = [
      { name = "services", direction = "Inbound", from = local.ranges.apps, to = local.ranges.endpoints, ports = local.link_ports },
      { name = "deny-rest", direction = "Inbound", access = "Deny", protocol = "*" },
      { name = "deny-rest", direction = "Outbound", access = "Deny", protocol = "*" },
    ]
    postgres = [
      { name = "services", direction = "Inbound", from = local.ranges.apps, to = local.ranges.postgres, ports = ["5432", "6432"] },
      { name = "within", direction = "Inbound", from = local.ranges.postgres, to = local.ranges.postgres, ports = ["5432", "6432"] },
      { name = "deny-rest", direction = "Inbound", access = "Deny", protocol = "*" },
      { name = "within", direction = "Outbound", from = local.ranges.postgres, to = local.ranges.postgres, ports = ["5432", "6432"] },
      { name = "tokens", direction = "Outbound", from = local.ranges.postgres, to = ["AzureActiveDirectory"], ports = ["443"] },
      { name = "backups", direction = "Outbound", from = local.ranges.postgres, to = ["Storage"], ports = ["443"] },
      { name = "deny-rest", direction = "Outbound", access = "Deny", protocol = "*" },
    ]
    gateway = concat(
      [{ name = "callers", direction = "Inbound", from = local.gateway_to, ports = ["443"] }],
      [for tag in local.gateway_tags : { name = "callers-${lower(tag)}", direction = "Inbound", from = [tag], ports = ["443"] }],
      [
        { name = "gateway-manager", direction = "Inbound", from = ["GatewayManager"], ports = ["65200-65535"] },
        { name = "platform-probes", direction = "Inbound", from = ["AzureLoadBalancer"], protocol = "*" },
        { name = "deny-rest", direction = "Inbound", access = "Deny", protocol = "*" },
      ],
    )
  }

  rule_list = flatten([
    for subnet, rules in local.rules : [
      for number, rule in rules : {
        key       = "${subnet}/${lower(rule.direction)}/${rule.name}"
        subnet    = subnet
        name      = "${lower(rule.direction)}-${rule.name}"
        priority  = rule.name == "deny-rest" ? 4096 : 100 + 10 * number
        direction = rule.direction
        access    = try(rule.access, "Allow")
        protocol  = try(rule.protocol, "Tcp")
        from      = try(rule.from, ["*"])
        to        = try(rule.to, ["*"])
        ports     = try(rule.ports, ["*"])
      } if try(rule.when, true) && length(try(rule.from, ["*"])) > 0 && length(try(rule.to, ["*"])) > 0
    ] if contains(keys(var.subnets), subnet)
  ])

  delegations = {
    apps     = "Microsoft.App/environments"
    postgres = "Microsoft.DBforPostgreSQL/flexibleServers"
  }

  guarded = { for key, subnet in var.subnets : key => subnet if subnet.network_security_group != null }
}
