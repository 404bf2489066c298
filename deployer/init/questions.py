"""What `aduana init` asks, in which order, and when: one row a question, and each has an option of the command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.init import fitting
from deployer.init.surroundings import Answers, Surroundings
from deployer.regions import REGIONS
from deployer.tenant.values import check_value


@dataclass(frozen=True, slots=True)
class Question:
    """`key` is the setting's path in the file, or a word of ours for what makes several.

    `default` is offered, and taken where nobody is asked; None of it: there is none. A question that is `required` and
    has none has to be answered. One that is not `asked` is for its option alone. `many`: an answer is a list. `check`
    makes the value of a text, or raises `ValueError`; `misfit` says why it does not go with the answers before it.
    """

    key: str
    option: str
    text: str
    check: Callable[[str], Any]
    choices: tuple[str, ...] = ()
    default: Callable[[Answers, Surroundings], str | None] = lambda answers, around: None
    applies: Callable[[Answers], bool] = lambda answers: True
    unless: str = ""  # why it does not apply, for who gave its option
    required: Callable[[Answers], bool] = lambda answers: False
    misfit: Callable[[Any, Answers], str | None] = lambda value, answers: None
    asked: bool = True
    many: bool = False


def _required(_: Answers) -> bool:
    return True


def _setting(path: str) -> Callable[[str], Any]:
    return lambda text: check_value(path, text)


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not allowed; allowed: {', '.join(choices)}")
        return text

    return check


def _always(value: str) -> Callable[[Answers, Surroundings], str]:
    return lambda answers, around: value


def _is(key: str, *values: str) -> Callable[[Answers], bool]:
    return lambda answers: answers.get(key) in values


def _has_zones(answers: Answers) -> bool:
    facts = REGIONS.get(answers.get("region", ""))
    return facts is None or facts.zones


def deployment(text: str) -> dict[str, Any]:
    """`MODEL:VERSION:CAPACITY[:SKU[:NAME]]` as a deployment. Raises `ValueError` in words."""
    parts = text.split(":")
    if not 3 <= len(parts) <= 5 or not all(parts):
        raise ValueError(f"{text!r} is not MODEL:VERSION:CAPACITY[:SKU[:NAME]], such as gpt-4o:2024-11-20:100")
    model, version, capacity = parts[:3]
    if not capacity.isdecimal():
        raise ValueError(f"{capacity!r} is no whole number; the capacity is in thousands of tokens a minute, or PTUs")
    made = {"name": parts[4] if len(parts) == 5 else model, "model": model, "version": version}
    made |= {"sku": parts[3]} if len(parts) > 3 else {}
    whole = check_value("openai.accounts.deployments", {**made, "capacity": int(capacity)})
    return dict(whole.model_dump(exclude_unset=True))


def resource_group_id(text: str) -> str:
    """The id of a resource group that holds every private zone. Raises `ValueError` in words."""
    check_value("private_dns.link_networks", f"{text.rstrip('/')}/providers/Microsoft.Network/virtualNetworks/x")
    return text.rstrip("/")


def tag(text: str) -> tuple[str, str]:
    """`NAME=VALUE`. Raises `ValueError` in words."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not NAME=VALUE, such as cost-centre=4711")
    [(name, value)] = check_value("tags", {name: value}).items()
    return name, value


def _existing_file(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError(f"{text!r} is no file")
    return text


_NEW = _is("network.mode", "new")
_EXISTING = _is("network.mode", "existing")
_IN_EXISTING = "network is new"

QUESTIONS: tuple[Question, ...] = (
    Question("name", "NAME", "What is this installation called", _setting("name"), required=_required),
    Question(
        "subscription_id",
        "--subscription",
        "Subscription id",
        _setting("subscription_id"),
        default=lambda answers, around: around.subscription_id,
        required=_required,
    ),
    Question(
        "entra.tenant_id",
        "--tenant-id",
        "Directory (tenant) id of Entra ID",
        _setting("entra.tenant_id"),
        default=lambda answers, around: around.tenant_id,
        required=_required,
    ),
    Question(
        "region",
        "--region",
        "Region",
        _setting("region"),
        default=lambda answers, around: around.region,
        required=_required,
    ),
    Question(
        "prefix",
        "--prefix",
        "Prefix of every resource's name",
        _setting("prefix"),
        default=_always("aduana"),
        misfit=fitting.name_and_prefix,
    ),
    Question("tags", "--tag", "Tag of every resource, as NAME=VALUE", tag, asked=False, many=True),
    Question(
        "availability",
        "--availability",
        "What has to survive: the loss of a zone (zones), of a machine (standby), or nothing, for trials (single)",
        _one_of("zones", "standby", "single"),
        choices=("zones", "standby", "single"),
        default=lambda answers, around: "zones" if _has_zones(answers) else "standby",
        misfit=fitting.availability,
    ),
    Question(
        "ingress.visibility",
        "--visibility",
        "Where callers come from: the network (internal), or the internet (external)",
        _setting("ingress.visibility"),
        choices=("internal", "external"),
        default=_always("internal"),
    ),
    Question(
        "ingress.front",
        "--front",
        "What stands before the proxy, with a web application firewall",
        _setting("ingress.front"),
        choices=("none", "front_door", "application_gateway"),
        default=_always("none"),
        misfit=fitting.front,
    ),
    Question(
        "ingress.domain",
        "--domain",
        "The proxy's domain, such as llm.contoso.com (empty, where nothing stands before it: the name that Azure gives it)",
        _setting("ingress.domain"),
        required=lambda answers: answers["ingress.front"] != "none",
    ),
    Question(
        "ingress.certificate.key_vault_secret_id",
        "--certificate",
        "The certificate of the domain, by its address in a key vault",
        _setting("ingress.certificate.key_vault_secret_id"),
        applies=lambda answers: "ingress.domain" in answers and answers["ingress.front"] != "front_door",
        unless="there is no domain, or Front Door has its own certificate",
        required=_required,
    ),
    Question(
        "ingress.admin_domain",
        "--admin-domain",
        "The dashboard's domain (empty: the name that Azure gives it)",
        _setting("ingress.admin_domain"),
        applies=lambda answers: "ingress.domain" in answers,
        unless="there is no --domain",
        misfit=fitting.admin_domain,
    ),
    Question(
        "network.mode",
        "--network",
        "Network: a new one, or subnets that exist",
        _setting("network.mode"),
        choices=("new", "existing"),
        default=_always("new"),
    ),
    Question(
        "network.known_ranges",
        "--known-range",
        "Ranges in use elsewhere (on premises, peered networks), that nothing here may overlap",
        _setting("network.known_ranges"),
        many=True,
    ),
    Question(
        "network.address_space",
        "--address-space",
        "Range of the new network, /16 to /24",
        _setting("network.address_space"),
        default=_always("10.80.0.0/22"),
        required=_required,
        misfit=fitting.address_space,
        applies=_NEW,
        unless="network is existing",
    ),
    Question(
        "network.existing.vnet_id",
        "--vnet-id",
        "Resource id of the network",
        _setting("network.existing.vnet_id"),
        applies=_EXISTING,
        unless=_IN_EXISTING,
        required=_required,
    ),
    Question(
        "network.existing.apps_subnet_id",
        "--apps-subnet",
        "Subnet of the services, delegated to Microsoft.App/environments: its resource id",
        _setting("network.existing.apps_subnet_id"),
        applies=_EXISTING,
        unless=_IN_EXISTING,
        required=_required,
    ),
    Question(
        "network.existing.apps_range",
        "--apps-range",
        "Its range, such as 10.4.0.0/26",
        _setting("network.existing.apps_range"),
        misfit=fitting.existing_range("apps"),
        applies=_EXISTING,
        unless=_IN_EXISTING,
        required=_required,
    ),
    Question(
        "network.existing.endpoints_subnet_id",
        "--endpoints-subnet",
        "Subnet of the private endpoints: its resource id",
        _setting("network.existing.endpoints_subnet_id"),
        applies=_EXISTING,
        unless=_IN_EXISTING,
        required=_required,
    ),
    Question(
        "network.existing.endpoints_range",
        "--endpoints-range",
        "Its range, such as 10.4.0.64/27",
        _setting("network.existing.endpoints_range"),
        misfit=fitting.existing_range("endpoints"),
        applies=_EXISTING,
        unless=_IN_EXISTING,
        required=_required,
    ),
    Question(
        "network.existing.gateway_subnet_id",
        "--gateway-subnet",
        "Subnet of Application Gateway: its resource id",
        _setting("network.existing.gateway_subnet_id"),
        applies=lambda answers: _EXISTING(answers) and answers["ingress.front"] == "application_gateway",
        unless="network is new, or front is not application_gateway",
        required=_required,
    ),
    Question(
        "network.existing.gateway_range",
        "--gateway-range",
        "Its range, such as 10.4.0.128/26",
        _setting("network.existing.gateway_range"),
        misfit=fitting.existing_range("gateway"),
        applies=lambda answers: "network.existing.gateway_subnet_id" in answers,
        unless="network is new, or front is not application_gateway",
        required=_required,
    ),
    Question(
        "private_dns.mode",
        "--private-dns",
        "Private DNS zones: made here (create), existing ones, or left to a policy of the tenant",
        _setting("private_dns.mode"),
        choices=("create", "existing", "policy"),
        default=_always("create"),
    ),
    Question(
        "zones_resource_group",
        "--dns-zones",
        "Resource id of the resource group that holds the zones",
        resource_group_id,
        applies=_is("private_dns.mode", "existing"),
        unless="private DNS is not existing",
        required=_required,
    ),
    Question(
        "egress.mode",
        "--egress",
        "What limits where the services may call: nothing (open), security groups (nsg), or Azure Firewall by host",
        _setting("egress.mode"),
        choices=("open", "nsg", "firewall"),
        default=_always("nsg"),
        misfit=fitting.egress,
    ),
    Question(
        "redis.mode",
        "--redis",
        "Redis: managed by Azure, or none, with one proxy alone",
        _setting("redis.mode"),
        choices=("managed", "none"),
        default=_always("managed"),
    ),
    Question(
        "openai",
        "--openai",
        "Azure OpenAI: an account made here (new), existing ones, or none",
        _one_of("new", "existing", "none"),
        choices=("new", "existing", "none"),
        default=_always("none"),
    ),
    Question(
        "openai.region",
        "--openai-region",
        "Its region",
        _setting("openai.accounts.region"),
        applies=_is("openai", "new"),
        unless="openai is not new",
        default=lambda answers, around: answers.get("region"),
    ),
    Question(
        "openai.deployments",
        "--deployment",
        "Its deployments, each as MODEL:VERSION:CAPACITY[:SKU[:NAME]]",
        deployment,
        applies=_is("openai", "new"),
        unless="openai is not new",
        many=True,
    ),
    Question(
        "openai.ids",
        "--openai-id",
        "Resource ids of the accounts",
        _setting("openai.accounts.resource_id"),
        applies=_is("openai", "existing"),
        unless="openai is not existing",
        required=_required,
        many=True,
    ),
    *(
        Question(
            f"images.{name}",
            f"--{name}-image",
            f"Image of {what}, with its digest (the release's images.yaml has it)",
            _setting(f"images.{name}"),
            required=_required,
        )
        for name, what in (("proxy", "the proxy"), ("admin", "the dashboard"), ("job", "the bootstrap job"))
    ),
    Question(
        "images.registry_id",
        "--registry-id",
        "Resource id of your own container registry that the images are in",
        _setting("images.registry_id"),
        asked=False,
    ),
    Question(
        "entra.mode",
        "--entra",
        "App registration that people sign in to: made here (create), or an existing one",
        _setting("entra.mode"),
        choices=("create", "existing"),
        default=_always("create"),
    ),
    Question(
        "entra.application_id",
        "--application-id",
        "Client id of the registration",
        _setting("entra.application_id"),
        applies=_is("entra.mode", "existing"),
        unless="entra is not existing",
        required=_required,
    ),
    Question(
        "entra.admin_groups",
        "--admin-group",
        "Object ids of the groups of administrators",
        _setting("entra.admin_groups"),
        many=True,
    ),
    Question(
        "entra.reader_groups",
        "--reader-group",
        "Object ids of the groups of readers",
        _setting("entra.reader_groups"),
        many=True,
    ),
    Question("seed", "--seed", "Seed file of the first configuration (empty: none)", _existing_file),
    Question(
        "billing_currency",
        "--currency",
        "Currency that Azure bills in",
        _setting("billing_currency"),
        default=_always("USD"),
        asked=False,
    ),
    Question(
        "state.backend",
        "--state",
        "Where Terraform's state is: a storage account (azurerm), or a file here, for trials (local)",
        _setting("state.backend"),
        choices=("azurerm", "local"),
        default=_always("azurerm"),
    ),
)
BY_KEY: Mapping[str, Question] = {question.key: question for question in QUESTIONS}
