locals {
  # Container Apps' own needs, and tokens. https://learn.microsoft.com/azure/container-apps/use-azure-firewall#configure-firewall-policies
  platform_hosts = [
    "mcr.microsoft.com",
    "*.data.mcr.microsoft.com",
    "packages.aks.azure.com",
    "acs-mirror.azureedge.net",
    "*.identity.azure.net",
    "login.microsoftonline.com",
    "*.login.microsoftonline.com",
    "*.login.microsoft.com",
  ]

  # Accounts that are reached by a private endpoint; an existing account's subdomain is nearly always its name.
  private_hosts = flatten([
    for key, account in var.openai.accounts : [
      for domain in ["openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"] :
      "${account.mode == "new" ? var.names.accounts[key] : lower(basename(account.resource_id))}.${domain}"
    ]
  ])
  outside_hosts = sort(tolist(setsubtract(var.egress.hosts, local.private_hosts)))

  # What the proxy may call. An empty list would mean anything: .invalid is no domain, and never will be (RFC 6761).
  upstream_hosts = distinct(concat(sort(distinct(concat(local.private_hosts, var.egress.hosts))), length(local.private_hosts) + length(var.egress.hosts) == 0 ? ["*.invalid"] : []))

  # Network rules know addresses alone: where every upstream is behind a private endpoint and images come from a registry of
  # Azure's, the internet is closed.
  azure_registry = alltrue([for host in var.egress.registry_hosts : endswith(host, ".azurecr.io") || endswith(host, ".blob.core.windows.net")])
  outbound = {
    open     = "open"
    nsg      = length(local.outside_hosts) == 0 && local.azure_registry ? "azure" : "internet"
    firewall = "internet"
  }[var.egress.mode]
}

module "firewall" {
  source = "./modules/firewall"
  count  = local.firewall ? 1 : 0

  name                = var.names.firewall
  policy_name         = var.names.firewall_policy
  route_table_name    = var.names.route_table
  public_ip_names     = { outbound = var.names.firewall_public_ip, management = var.names.firewall_management_public_ip }
  resource_group_name = azurerm_resource_group.this.name
  location            = var.region
  tags                = local.tags
  sku                 = var.egress.firewall_sku
  zones               = local.zones

  subnet_id            = local.subnet_ids["firewall"]
  management_subnet_id = lookup(local.subnet_ids, "firewall_management", null)
  services_subnet_id   = local.subnet_ids["apps"]
  services_range       = var.network.subnets["apps"]
  platform_hosts       = sort(distinct(concat(local.platform_hosts, var.egress.registry_hosts)))
  hosts                = [for host in local.outside_hosts : host if !can(cidrnetmask("${host}/32"))]
  workspace_id         = local.workspace_id
}
