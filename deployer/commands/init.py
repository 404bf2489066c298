"""`aduana init`: ask what an installation is to be, and write its tenant file."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployer.errors import FAILED, USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say
from deployer.tenant_argument import DirectoryOption

if TYPE_CHECKING:
    from deployer.init.surroundings import Surroundings
    from deployer.tenant_file import TenantError


def register(app: typer.Typer) -> None:
    """Add `init`."""
    app.command("init", help=_HELP)(_init)


_HELP = """Write a tenant file: ask what the installation is to be, or take it from options.

At a terminal it asks for what no option says. With --yes or --json, or without a terminal, it never asks: defaults hold,
and what has none must be an option. Subscription, directory and region are looked for in the environment (`ARM_*`,
`AZURE_*`) and in the Azure CLI's profile. The file shows every other setting, too, commented out with its default;
nothing in Azure is changed.

Examples:

    aduana init

    aduana init contoso-trial --availability single --images images.yaml --state local --yes

    aduana init contoso-prod --region uksouth --images images.yaml --openai new --deployment gpt-4o:2024-11-20:100 --yes
"""

_BASICS, _NETWORK, _CALLERS = "The installation", "Network", "Callers"
_SERVICES, _PEOPLE = "Services", "People and images"


def _option(name: str, metavar: str, text: str, panel: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=panel, show_default=False)


def _init(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="What it is called, such as contoso-prod.", show_default=False),
    ] = None,
    subscription: Annotated[str | None, _option("--subscription", "ID", "The subscription's id.", _BASICS)] = None,
    tenant_id: Annotated[str | None, _option("--tenant-id", "ID", "Entra ID's directory (tenant) id.", _BASICS)] = None,
    region: Annotated[str | None, _option("--region", "REGION", "Such as uksouth.", _BASICS)] = None,
    prefix: Annotated[
        str | None, _option("--prefix", "TEXT", "Every resource's name begins with it: aduana.", _BASICS)
    ] = None,
    tag: Annotated[
        list[str] | None, _option("--tag", "NAME=VALUE", "A tag of every resource. May be repeated.", _BASICS)
    ] = None,
    availability: Annotated[
        str | None,
        _option(
            "--availability", "zones|standby|single", "zones; standby: in one zone; single: one of everything.", _BASICS
        ),
    ] = None,
    state: Annotated[
        str | None, _option("--state", "azurerm|local", "Where Terraform's state is: azurerm.", _BASICS)
    ] = None,
    seed: Annotated[str | None, _option("--seed", "FILE", "The seed file of the first configuration.", _BASICS)] = None,
    currency: Annotated[str | None, _option("--currency", "CODE", "What Azure bills in: USD.", _BASICS)] = None,
    network: Annotated[
        str | None, _option("--network", "new|existing", "new, or subnets that exist.", _NETWORK)
    ] = None,
    address_space: Annotated[
        str | None, _option("--address-space", "RANGE", "Of a new network: 10.80.0.0/22.", _NETWORK)
    ] = None,
    vnet_id: Annotated[str | None, _option("--vnet-id", "ID", "Of an existing network.", _NETWORK)] = None,
    apps_subnet: Annotated[str | None, _option("--apps-subnet", "ID", "Its subnet for the services.", _NETWORK)] = None,
    apps_range: Annotated[str | None, _option("--apps-range", "RANGE", "The range of that.", _NETWORK)] = None,
    endpoints_subnet: Annotated[
        str | None, _option("--endpoints-subnet", "ID", "Its subnet for private endpoints.", _NETWORK)
    ] = None,
    endpoints_range: Annotated[
        str | None, _option("--endpoints-range", "RANGE", "The range of that.", _NETWORK)
    ] = None,
    gateway_subnet: Annotated[
        str | None, _option("--gateway-subnet", "ID", "Its subnet for Application Gateway.", _NETWORK)
    ] = None,
    gateway_range: Annotated[str | None, _option("--gateway-range", "RANGE", "The range of that.", _NETWORK)] = None,
    known_range: Annotated[
        list[str] | None,
        _option("--known-range", "RANGE", "In use elsewhere: nothing may overlap it. May be repeated.", _NETWORK),
    ] = None,
    private_dns: Annotated[
        str | None, _option("--private-dns", "create|existing|policy", "Who makes the private zones: create.", _NETWORK)
    ] = None,
    dns_zones: Annotated[
        str | None, _option("--dns-zones", "ID", "The resource group of existing zones.", _NETWORK)
    ] = None,
    egress: Annotated[
        str | None, _option("--egress", "open|nsg|firewall", "What limits calls out: nsg.", _NETWORK)
    ] = None,
    visibility: Annotated[
        str | None,
        _option("--visibility", "internal|external", "From the network, or the internet: internal.", _CALLERS),
    ] = None,
    front: Annotated[
        str | None,
        _option("--front", "none|front_door|application_gateway", "What stands before the proxy: none.", _CALLERS),
    ] = None,
    domain: Annotated[str | None, _option("--domain", "HOST", "The proxy's domain.", _CALLERS)] = None,
    admin_domain: Annotated[str | None, _option("--admin-domain", "HOST", "The dashboard's domain.", _CALLERS)] = None,
    certificate: Annotated[
        str | None, _option("--certificate", "URL", "Of the domain, in a key vault.", _CALLERS)
    ] = None,
    redis: Annotated[
        str | None, _option("--redis", "managed|none", "managed; none: one proxy alone.", _SERVICES)
    ] = None,
    openai: Annotated[
        str | None, _option("--openai", "new|existing|none", "Azure OpenAI accounts: none.", _SERVICES)
    ] = None,
    openai_region: Annotated[
        str | None, _option("--openai-region", "REGION", "Of a new account: the same.", _SERVICES)
    ] = None,
    deployment: Annotated[
        list[str] | None,
        _option("--deployment", "MODEL:VERSION:CAPACITY[:SKU[:NAME]]", "In a new account. May be repeated.", _SERVICES),
    ] = None,
    openai_id: Annotated[
        list[str] | None, _option("--openai-id", "ID", "An existing account. May be repeated.", _SERVICES)
    ] = None,
    images: Annotated[Path | None, _option("--images", "FILE", "The release's images.yaml.", _PEOPLE)] = None,
    proxy_image: Annotated[str | None, _option("--proxy-image", "IMAGE", "In place of the file's.", _PEOPLE)] = None,
    admin_image: Annotated[str | None, _option("--admin-image", "IMAGE", "In place of the file's.", _PEOPLE)] = None,
    job_image: Annotated[str | None, _option("--job-image", "IMAGE", "In place of the file's.", _PEOPLE)] = None,
    registry_id: Annotated[
        str | None, _option("--registry-id", "ID", "Your registry that the images are in.", _PEOPLE)
    ] = None,
    entra: Annotated[
        str | None, _option("--entra", "create|existing", "The app registration: create.", _PEOPLE)
    ] = None,
    application_id: Annotated[
        str | None, _option("--application-id", "ID", "Of an existing registration.", _PEOPLE)
    ] = None,
    admin_group: Annotated[
        list[str] | None, _option("--admin-group", "ID", "A group of administrators. May be repeated.", _PEOPLE)
    ] = None,
    reader_group: Annotated[
        list[str] | None, _option("--reader-group", "ID", "A group of readers. May be repeated.", _PEOPLE)
    ] = None,
    directory: Path = DirectoryOption,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="FILE", help="Where it is written: NAME.yaml in --tenants-dir.", show_default=False
        ),
    ] = None,
    force: bool = typer.Option(False, "--force", help="Write over a file that is there."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Ask nothing; defaults hold."),
    as_json: bool = JsonFlag,
) -> None:
    from deployer.init.asking import collect
    from deployer.init.surroundings import look_around
    from deployer.init.terminal import Terminal
    from deployer.release_images import read_release

    given: dict[str, str | Sequence[str] | None] = {
        "name": name,
        "subscription_id": subscription,
        "entra.tenant_id": tenant_id,
        "region": region,
        "prefix": prefix,
        "tags": tag,
        "availability": availability,
        "ingress.visibility": visibility,
        "ingress.front": front,
        "ingress.domain": domain,
        "ingress.certificate.key_vault_secret_id": certificate,
        "ingress.admin_domain": admin_domain,
        "network.mode": network,
        "network.address_space": address_space,
        "network.existing.vnet_id": vnet_id,
        "network.existing.apps_subnet_id": apps_subnet,
        "network.existing.apps_range": apps_range,
        "network.existing.endpoints_subnet_id": endpoints_subnet,
        "network.existing.endpoints_range": endpoints_range,
        "network.existing.gateway_subnet_id": gateway_subnet,
        "network.existing.gateway_range": gateway_range,
        "network.known_ranges": known_range,
        "private_dns.mode": private_dns,
        "zones_resource_group": dns_zones,
        "egress.mode": egress,
        "redis.mode": redis,
        "openai": openai,
        "openai.region": openai_region,
        "openai.deployments": deployment,
        "openai.ids": openai_id,
        "images.registry_id": registry_id,
        "entra.mode": entra,
        "entra.application_id": application_id,
        "entra.admin_groups": admin_group,
        "entra.reader_groups": reader_group,
        "seed": seed,
        "billing_currency": currency,
        "state.backend": state,
    }
    own_images = {"images.proxy": proxy_image, "images.admin": admin_image, "images.job": job_image}
    given |= {**(read_release(images) if images else {}), **{key: each for key, each in own_images.items() if each}}
    around = look_around()
    asks = not yes and not as_json and sys.stdin.isatty() and sys.stderr.isatty()
    if asks:
        _tell_what_was_found(around)
    answers = collect(
        {key: each for key, each in given.items() if each},
        around,
        Terminal() if asks else None,
        lambda wanted: _taken(_path(file, directory, wanted), wanted, force),
    )
    path = _path(file, directory, answers["name"])
    _write(path, answers)
    _tell(path, directory, answers, around, as_json=as_json)


def _path(file: Path | None, directory: Path, name: str) -> Path:
    return file if file is not None else directory / f"{name}.yaml"


def _taken(path: Path, name: str, force: bool) -> str | None:
    """Why a tenant of this name cannot be written to `path`; None: it can."""
    from deployer.tenants import list_tenants

    if path.is_dir():
        return f"{path} is a folder; name another file with --file"
    if path.exists() and not force:
        return f"{path} is there already; choose another name, name another file with --file, or say --force"
    beside = list_tenants(path.parent) if path.parent.is_dir() else ()
    other = next((each.path for each in beside if each.name == name and each.path.name != path.name), None)
    return (
        f"{other} describes {name} already; choose another name, or write over that with --file and --force"
        if other
        else None
    )


def _write(path: Path, answers: Mapping[str, Any]) -> None:
    from deployer.init.document import SCHEMA_FILE, write_document
    from deployer.init.settings import settings_of
    from deployer.tenant_file import TenantError, parse_tenant_text, schema_text
    from deployer.whole_files import write_whole

    settings = settings_of(answers)
    if seed := settings.get("seed"):
        settings["seed"] = _from(path.parent, seed)
    text = write_document(settings)
    try:
        parse_tenant_text(text, path)
    except TenantError as error:
        raise _does_not_hold(error) from None
    try:
        write_whole(path, text)
        write_whole(path.with_name(SCHEMA_FILE), schema_text())
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written", error.strerror or type(error).__name__, "Name another with --file.", "no_file"
        ) from None


def _from(folder: Path, seed: str) -> str:
    """The seed file's path from the folder of the tenant file."""
    try:
        return Path(os.path.relpath(seed, folder)).as_posix()
    except ValueError:  # another drive
        raise CommandError(
            f"{seed} cannot be named from {folder}", "they are on two drives", "Move one of them.", exit_code=FAILED
        ) from None


def _does_not_hold(error: "TenantError") -> CommandError:
    return CommandError(
        "these answers do not go together; nothing was written",
        remedy="See `aduana init --help`.",
        code="tenant_invalid",
        exit_code=USAGE,
        details=[{"problem": each.message, "message": each.message} for each in error.findings],
    )


def _tell_what_was_found(around: "Surroundings") -> None:
    if around.subscription_id is None:
        note("No subscription was found in the environment or the Azure CLI's profile (`az login`).")
        return
    named = f" ({around.subscription_name})" if around.subscription_name else ""
    note(f"Found in {around.source}: subscription {around.subscription_id}{named}. Enter takes what is in [ ].")


def _tell(path: Path, directory: Path, answers: Mapping[str, Any], around: "Surroundings", *, as_json: bool) -> None:
    from deployer.init.document import SCHEMA_FILE

    detected = {
        "subscription_id": around.subscription_id,
        "subscription_name": around.subscription_name,
        "tenant_id": around.tenant_id,
        "region": around.region,
        "source": around.source,
    }
    if as_json:
        print_json(
            {
                "file": str(path),
                "schema": str(path.with_name(SCHEMA_FILE)),
                "name": answers["name"],
                "subscription_id": answers["subscription_id"],
                "tenant_id": answers["entra.tenant_id"],
                "region": answers["region"],
                "detected": detected,
            }
        )
        return
    say(f"wrote {path}")
    say(f"  {answers['name']}: {answers['region']}, subscription {answers['subscription_id']}")
    say("  Every other setting is in it, commented out; read it before it is used.")
    say(f"Next: aduana preflight {answers['name'] if path.parent == directory else path}")
