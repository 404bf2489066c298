"""Diagnostic settings: what each type of resource can report."""

from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt

# type: its log categories, and whether it has metrics (learn.microsoft.com, "supported resource log categories")
_CATEGORIES: dict[str, tuple[str, bool]] = {
    "azurerm_application_gateway": (
        "ApplicationGatewayAccessLog ApplicationGatewayFirewallLog ApplicationGatewayPerformanceLog",
        True,
    ),
    "azurerm_cdn_frontdoor_profile": (
        "FrontDoorAccessLog FrontDoorHealthProbeLog FrontDoorWebApplicationFirewallLog",
        True,
    ),
    "azurerm_cognitive_account": ("Audit AzureOpenAIRequestUsage RequestResponse Trace", True),
    "azurerm_container_app": ("", True),
    "azurerm_container_app_environment": (
        "AppEnvSessionConsoleLogs AppEnvSessionLifeCycleLogs AppEnvSessionPoolEventLogs AppEnvSpringAppConsoleLogs "
        "ContainerAppConsoleLogs ContainerAppHTTPLogs ContainerAppSystemLogs",
        True,
    ),
    "azurerm_container_registry": ("ContainerRegistryLoginEvents ContainerRegistryRepositoryEvents", True),
    "azurerm_cosmosdb_account": (
        "ControlPlaneRequests DataPlaneRequests PartitionKeyRUConsumption PartitionKeyStatistics QueryRuntimeStatistics",
        True,
    ),
    "azurerm_eventhub_namespace": (
        "ApplicationMetricsLogs ArchiveLogs AutoScaleLogs CustomerManagedKeyUserLogs DataDRLogs DiagnosticErrorLogs "
        "EventHubVNetConnectionEvent KafkaCoordinatorLogs KafkaUserErrorLogs OperationalLogs RuntimeAuditLogs",
        True,
    ),
    "azurerm_firewall": (
        "AZFWApplicationRule AZFWApplicationRuleAggregation AZFWDnsQuery AZFWFatFlow AZFWFlowTrace AZFWFqdnResolveFailure "
        "AZFWIdpsSignature AZFWNatRule AZFWNatRuleAggregation AZFWNetworkRule AZFWNetworkRuleAggregation AZFWThreatIntel "
        "AzureFirewallApplicationRule AzureFirewallDnsProxy AzureFirewallNetworkRule",
        True,
    ),
    "azurerm_key_vault": ("AuditEvent AzurePolicyEvaluationDetails", True),
    "azurerm_log_analytics_workspace": ("Audit SummaryLogs", True),
    "azurerm_managed_redis": ("", True),
    "azurerm_nat_gateway": ("", True),
    "azurerm_network_security_group": ("NetworkSecurityGroupEvent NetworkSecurityGroupRuleCounter", False),
    "azurerm_postgresql_flexible_server": (
        "PostgreSQLFlexDatabaseXacts PostgreSQLFlexQueryStoreRuntime PostgreSQLFlexQueryStoreWaitStats "
        "PostgreSQLFlexSessions PostgreSQLFlexTableStats PostgreSQLLogs",
        True,
    ),
    "azurerm_public_ip": ("DDoSMitigationFlowLogs DDoSMitigationReports DDoSProtectionNotifications", True),
    "azurerm_redis_cache": ("ConnectedClientList MSEntraAuthenticationAuditLog", True),
    "azurerm_storage_account": ("", True),
    "azurerm_virtual_network": ("VMProtectionAlerts", True),
}
_GROUPS = {"allLogs", "audit"}


def categories_exist(attempt: Attempt) -> None:
    """The target reports what is asked of it."""
    target = attempt.named("target_resource_id")
    if target is None or target.type not in _CATEGORIES:
        return
    names, metrics = _CATEGORIES[target.type]
    categories = set(names.split())
    for log in attempt.blocks("enabled_log"):
        category, group = log.get("category"), log.get("category_group")
        if category and category not in categories:
            raise named("LogCategoryNotSupported", category=category)
        if group and (not categories or group not in _GROUPS):
            raise named("LogCategoryGroupNotSupported", category=group)
    for metric in attempt.blocks("enabled_metric"):
        if not metrics:
            raise named("MetricCategoryNotSupported", category=metric["category"])


def sink_is_used_once(attempt: Attempt) -> None:
    """Two settings of a resource send no category to the same sink."""
    for argument in ("log_analytics_workspace_id", "storage_account_id", "eventhub_authorization_rule_id"):
        for other in attempt.others():
            same = str(other.values["target_resource_id"]).lower() == attempt.text("target_resource_id").lower()
            sink = attempt.text(argument).lower()
            if same and sink and str(other.values.get(argument)).lower() == sink:
                raise named("DataSinkInUse", sink=attempt.text(argument), setting=other.values["name"])


BEFORE_CREATION = {"azurerm_monitor_diagnostic_setting": (categories_exist, sink_is_used_once)}
