"""What the platform changes by itself, and nobody else: no drift."""

from deployer.engines import Ignored

PLATFORMS_OWN = (
    Ignored("azurerm_container_app", "latest_revision_*"),
    Ignored("azurerm_container_app", "outbound_ip_addresses*"),
    Ignored("azurerm_container_app", "ingress[0].traffic_weight*"),  # `aduana upgrade` moves traffic
    Ignored("azurerm_container_app_job", "outbound_ip_addresses*"),
    Ignored("azurerm_container_app_environment", "static_ip_address"),
    # What a resource repeats of others, which are resources of their own here.
    Ignored("azurerm_virtual_network", "subnet*"),
    Ignored("azurerm_subnet", "network_security_group_id"),
    Ignored("azurerm_subnet", "route_table_id"),
    Ignored("azurerm_network_security_group", "security_rule*"),
    Ignored("azurerm_route_table", "route*"),
    Ignored("azurerm_private_dns_zone", "number_of_record_sets"),
    Ignored("azurerm_private_dns_zone", "soa_record*"),
)
