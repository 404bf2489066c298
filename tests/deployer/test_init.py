"""`aduana init`: what it asks, what it finds out by itself, and that the file it writes is one."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from deployer.cli import build, run
from deployer.init.asking import collect
from deployer.init.questions import QUESTIONS
from deployer.init.surroundings import Surroundings, look_around
from deployer.tenant.outline import flat, outline
from deployer.tenant_file import load_tenant, tenant_schema
from tests.deployer.tenant_files import DIGEST, NETWORK_ID, SUBSCRIPTION, VNET_ID

DIRECTORY = "66666666-7777-4888-8999-aaaaaaaaaaaa"
GROUP = "99999999-7777-4888-8999-aaaaaaaaaaaa"
ACCOUNTS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ai/providers/Microsoft.CognitiveServices/accounts"
NEEDED = ("--subscription", SUBSCRIPTION, "--tenant-id", DIRECTORY, "--region", "uksouth", "--images", "images.yaml")
EXISTING = (
    *("--network", "existing", "--vnet-id", VNET_ID, "--apps-subnet", f"{VNET_ID}/subnets/apps"),
    *(
        "--apps-range",
        "10.4.0.0/26",
        "--endpoints-subnet",
        f"{VNET_ID}/subnets/pe",
        "--endpoints-range",
        "10.4.0.64/27",
    ),
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with a release's images.yaml, on a machine that knows nothing of Azure."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "azure"))
    for name in [name for name in os.environ if name.startswith(("ARM_", "AZURE_"))]:
        if name != "AZURE_CONFIG_DIR":
            monkeypatch.delenv(name)
    monkeypatch.delenv("ADUANA_TENANTS_DIR", raising=False)
    images = {name: f"ghcr.io/contoso/aduana-{name}{DIGEST}" for name in ("proxy", "admin", "job")}
    (tmp_path / "images.yaml").write_text(yaml.safe_dump({"images": images}))
    return tmp_path


@pytest.fixture
def init(here, capsys):
    """Run it; (exit code, what `--json` said)."""

    def call(*arguments):
        capsys.readouterr()
        code = run(["init", *arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def messages(answer):
    return [detail["message"] for detail in answer["error"]["details"]]


GRID = {
    "least": ((), lambda t: t.zone_redundant and t.network.address_space == "10.80.0.0/22"),
    "single": (
        ("--availability", "single", "--state", "local", "--egress", "open"),
        lambda t: (t.postgres.high_availability, t.redis.high_availability, t.replicas.proxy.min) == ("none", False, 1),
    ),
    "no zones": (
        ("--region", "UK West"),
        lambda t: (t.region, t.zone_redundant, t.postgres.high_availability) == ("ukwest", False, "same_zone"),
    ),
    "no redis": (("--redis", "none", "--availability", "single"), lambda t: t.replicas.proxy.max == 1),
    "firewall": (
        ("--egress", "firewall", "--address-space", "10.9.0.0/20", "--known-range", "10.0.0.0/16"),
        lambda t: t.addresses().subnets["firewall"] == "10.9.1.0/26",
    ),
    "existing network": (
        (*EXISTING, "--private-dns", "existing", "--dns-zones", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/dns/"),
        lambda t: t.private_dns.zones["redis.azure.net"].endswith("/privateDnsZones/privatelink.redis.azure.net"),
    ),
    "application gateway in an existing network": (
        (
            *(*EXISTING, "--private-dns", "policy", "--front", "application_gateway", "--domain", "llm.contoso.com"),
            *("--certificate", "https://contoso-kv.vault.azure.net/secrets/llm", "--admin-domain", "ops.contoso.com"),
            *("--gateway-subnet", f"{VNET_ID}/subnets/gw", "--gateway-range", "10.4.0.128/26"),
        ),
        lambda t: t.addresses().subnets["gateway"] == "10.4.0.128/26",
    ),
    "external and front door": (
        ("--visibility", "external", "--front", "front_door", "--domain", "llm.contoso.com"),
        lambda t: t.ingress.certificate is None,
    ),
    "a new account elsewhere": (
        (
            *("--openai", "new", "--openai-region", "swedencentral", "--deployment", "gpt-4o:2024-11-20:100"),
            *("--deployment", "o3:0613:5:GlobalProvisionedManaged:reasoning"),
        ),
        lambda t: [d.name for d in t.openai.accounts[0].deployments] == ["gpt-4o", "reasoning"],
    ),
    "existing accounts": (
        ("--openai", "existing", "--openai-id", f"{ACCOUNTS}/Contoso_AI", "--openai-id", f"{ACCOUNTS}/contoso-ai"),
        lambda t: [a.name for a in t.openai.accounts] == ["contoso-ai", "contoso-ai-2"],
    ),
    "people": (
        (
            "--entra",
            "existing",
            "--application-id",
            GROUP,
            "--admin-group",
            GROUP,
            "--tag",
            "on=yes",
            "--tag",
            "n=0123",
        ),
        lambda t: t.entra.admin_groups == (GROUP,) and t.tags == {"on": "yes", "n": "0123"},
    ),
}


@pytest.mark.parametrize("name", GRID)
def test_what_it_writes_is_a_tenant_file_for_this_program_for_editors_and_for_any_reader_of_yaml(init, name):
    options, holds = GRID[name]
    code, told = init("contoso-prod", *NEEDED, *options)
    assert (code, told["file"]) == (0, "tenants/contoso-prod.yaml")
    tenant = load_tenant(Path(told["file"]))
    assert holds(tenant)
    text = Path(told["file"]).read_text()
    assert text.startswith("# yaml-language-server: $schema=tenant.schema.json\n")
    assert json.loads(Path(told["schema"]).read_text()) == tenant_schema()
    Draft7Validator(tenant_schema()).validate(yaml.safe_load(text))


def test_it_shows_every_setting_and_a_default_that_is_switched_on_changes_nothing(init):
    path = Path(init("contoso-prod", *NEEDED)[1]["file"])
    text, tenant = path.read_text(), load_tenant(path)
    for where, setting in flat(outline()):
        assert re.search(rf"^[ #-]*{setting.name}:", text, re.M), where
        assert setting.explanation, where
    stated = {setting.name: setting for _, setting in flat(outline()) if setting.kind == "value"}
    for line in re.findall(r"^ *#[a-z_]+: .*$", text, re.M):
        if stated[re.search(r"[a-z_]+", line)[0]].default is not None:
            path.write_text(text.replace(line, line.replace("#", "", 1), 1))
            assert load_tenant(path) == tenant, line


def test_without_a_terminal_it_names_all_that_is_missing_and_writes_nothing(init, here):
    code, told = init()
    assert (code, told["error"]["code"]) == (2, "usage")
    assert [message.split(" ")[0] for message in messages(told)] == [
        *("NAME", "--subscription", "--tenant-id", "--region", "--proxy-image", "--admin-image", "--job-image")
    ]
    assert not (here / "tenants").exists()


def test_every_option_that_is_wrong_is_named_with_what_is_allowed(init):
    code, told = init(
        *(
            "Contoso",
            "--region",
            "uksoth",
            "--network",
            "old",
            "--tag",
            "x",
            "--deployment",
            "gpt-4o:5",
            "--seed",
            "no.yaml",
        )
    )
    assert code == 2
    assert messages(told) == [
        "NAME: 'Contoso' is not a name (2 to 32 small letters, digits and single hyphens, beginning with a letter), "
        "such as contoso-prod",
        "--region: 'uksoth' is no region of Azure; uksouth is",
        "--tag: 'x' is not NAME=VALUE, such as cost-centre=4711",
        "--network: 'old' is not allowed; allowed: new, existing",
        "--deployment: 'gpt-4o:5' is not MODEL:VERSION:CAPACITY[:SKU[:NAME]], such as gpt-4o:2024-11-20:100",
        "--seed: 'no.yaml' is no file",
    ]


def test_an_option_that_would_be_ignored_is_refused(init):
    code, told = init("contoso", *NEEDED, *EXISTING, "--address-space", "10.0.0.0/22", "--openai-id", f"{ACCOUNTS}/a")
    assert code == 2
    assert messages(told) == [
        "--address-space does not apply: network is existing",
        "--openai-id does not apply: openai is not existing",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--known-range", "10.80.0.0/16"), "--address-space is missing: Range of the new network, /16 to /24"),
        (
            ("--known-range", "10.80.0.0/16", "--address-space", "10.80.0.0/20"),
            "--address-space: address_space 10.80.0.0/20 overlaps 10.80.0.0/16, which known_ranges says is in use elsewhere",
        ),
        (
            ("--address-space", "10.1.0.0/24", "--egress", "firewall"),
            "--egress: address_space 10.1.0.0/24 has no place for",
        ),
        ((*EXISTING, "--egress", "firewall"), "--egress: firewall is made in a new network; allowed: open, nsg"),
        (
            (*EXISTING[:-1], "10.4.0.32/27"),
            "--endpoints-range: the subnets apps 10.4.0.0/26 and endpoints 10.4.0.32/27",
        ),
        (("--front", "front_door", "--domain", "a.b.com"), "--front: front_door serves the internet, and callers are"),
        (("--front", "application_gateway"), "--domain is missing: "),
        (
            ("--region", "ukwest", "--availability", "zones"),
            "--availability: ukwest has no availability zones; allowed:",
        ),
        (("--prefix", "windows"), "--prefix: Azure allows windows nowhere in a name"),
    ],
)
def test_answers_that_do_not_go_together_are_refused_before_anything_is_written(init, here, options, message):
    code, told = init("contoso", *NEEDED, *options)
    assert (code, told["error"]["code"]) == (2, "usage")
    assert len(messages(told)) == 1 and messages(told)[0].startswith(message)
    assert not (here / "tenants").exists()


def test_what_only_the_whole_file_shows_is_refused_before_anything_is_written(init, here):
    many = [option for n in range(9) for option in ("--openai-id", f"{ACCOUNTS}/a{n}")]
    code, told = init("contoso", *NEEDED, "--openai", "existing", *many)
    assert (code, told["error"]["code"]) == (2, "tenant_invalid")
    assert "the subnet endpoints 10.80.0.128/27 is too small" in messages(told)[0]
    assert not (here / "tenants").exists()


def test_a_person_hears_at_once_what_does_not_fit_the_answers_before(here):
    person = Person(
        name=["contoso", "fabrikam"], front=["front_door", "application_gateway"], domain=["", "a.b.com"],
        certificate=["https://contoso-kv.vault.azure.net/secrets/llm"], admin_domain=["a.b.com", "c.b.com"],
        known_range=["10.80.0.0/16"], address_space=["", "10.80.4.0/22", "10.9.0.0/22"],
    )  # fmt: skip
    answers = collect(IMAGES, AROUND, person, lambda name: "is there" if name == "contoso" else None)
    assert (answers["name"], answers["ingress.admin_domain"]) == ("fabrikam", "c.b.com")
    assert answers["network.address_space"] == "10.9.0.0/22"
    assert [each.split(" ")[0] for each in person.complaints] == ["is", "front_door", "an", "is", "an", "address_space"]


def test_a_file_is_not_written_over_unless_that_is_asked(init):
    path = Path("tenants/contoso.yaml")
    assert init("contoso", *NEEDED)[0] == 0
    path.write_text("mine")
    code, told = init("contoso", *NEEDED)
    assert (code, path.read_text()) == (2, "mine")
    assert messages(told)[0].startswith("NAME: tenants/contoso.yaml is there already; choose another name")
    assert init("contoso", *NEEDED, "--force")[0] == 0
    assert load_tenant(path).name == "contoso"
    code, told = init("contoso", *NEEDED, "--file", "tenants/other.yaml")
    assert (code, messages(told)[0][:56]) == (2, "NAME: tenants/contoso.yaml describes contoso already; ch")
    assert sorted(each.name for each in Path("tenants").iterdir()) == ["contoso.yaml", "tenant.schema.json"]


def test_the_folder_of_tenant_files_is_the_one_that_all_commands_know(init, here, monkeypatch):
    monkeypatch.setenv("ADUANA_TENANTS_DIR", "customers")
    assert init("contoso", *NEEDED)[1]["file"] == "customers/contoso.yaml"
    assert run(["tenants", "list"]) == 0


def test_the_seed_file_is_named_from_the_tenant_file(init):
    Path("contoso.seed.yaml").write_text("routes: []\n")
    assert init("contoso", *NEEDED, "--seed", "contoso.seed.yaml")[0] == 0
    assert load_tenant(Path("tenants/contoso.yaml")).seed == "../contoso.seed.yaml"


@pytest.mark.parametrize("text", ["", "images: {proxy: x}", "images: [", "- x"])
def test_a_file_without_images_is_said_to_be_none(init, text):
    Path("images.yaml").write_text(text)
    code, told = init("contoso", *NEEDED)
    assert code == 2 and told["error"]["message"].startswith("images.yaml holds no images")


def profile(here, **files):
    (here / "azure").mkdir(exist_ok=True)
    for name, content in files.items():
        (here / "azure" / {"profile": "azureProfile.json"}.get(name, name)).write_bytes(content)


def subscriptions(*listed):
    # The CLI writes a byte order mark.
    return b"\xef\xbb\xbf" + json.dumps({"subscriptions": listed}).encode()


PROD = {"id": SUBSCRIPTION, "name": "Contoso Prod", "isDefault": True, "tenantId": DIRECTORY, "state": "Enabled"}
TEST = {"id": GROUP, "name": "Contoso Test", "isDefault": False, "tenantId": DIRECTORY}


def test_subscription_directory_and_region_are_taken_from_the_azure_clis_profile(init, here):
    profile(here, profile=subscriptions(TEST, PROD), config=b"[defaults]\nlocation = UK South\n")
    code, told = init("contoso", "--images", "images.yaml")
    assert (code, told["subscription_id"], told["tenant_id"], told["region"]) == (0, SUBSCRIPTION, DIRECTORY, "uksouth")
    assert told["detected"]["source"] == "the Azure CLI's profile"


@pytest.mark.parametrize(
    ("content", "environment", "found"),
    [
        (subscriptions(PROD, TEST), {}, (SUBSCRIPTION, DIRECTORY)),
        (subscriptions(PROD, TEST), {"ARM_SUBSCRIPTION_ID": GROUP.upper()}, (GROUP, DIRECTORY)),
        (subscriptions(TEST), {}, (None, None)),
        (subscriptions({**PROD, "id": DIRECTORY}), {}, (None, None)),  # signed in to a directory without subscriptions
        (b"", {"AZURE_SUBSCRIPTION_ID": SUBSCRIPTION, "ARM_TENANT_ID": GROUP}, (SUBSCRIPTION, GROUP)),
        (b"{}", {}, (None, None)),
        (b'{"subscriptions": [1, {"id": 2}]}', {}, (None, None)),
        (b"[" * 100_000, {}, (None, None)),
        (b"\xff\xfe", {}, (None, None)),
    ],
)
def test_what_cannot_be_read_of_the_surroundings_is_not_known(here, content, environment, found):
    profile(here, profile=content, config=b"nonsense")
    around = look_around({"AZURE_CONFIG_DIR": str(here / "azure"), **environment})
    assert (around.subscription_id, around.tenant_id, around.region) == (*found, None)


async def test_a_signed_in_identity_without_a_profile_is_asked_for_its_subscription(here, azure_tenant):
    environment = {"AZURE_CONFIG_DIR": str(here), **azure_tenant.environment}
    del environment["ARM_SUBSCRIPTION_ID"]
    around = await asyncio.to_thread(look_around, environment)
    assert around.subscription_id == azure_tenant.subscription_id
    assert around.source == "the identity of the environment"
    azure_tenant.arm.subscription.state = "Disabled"
    assert (await asyncio.to_thread(look_around, environment)).subscription_id is None


class Person:
    """Answers from a list, by the option that the question has; else what is offered."""

    def __init__(self, **answers):
        self.answers = {key: iter(those) for key, those in answers.items()}
        self.asked, self.complaints = [], []

    def ask(self, question, default):
        self.asked.append((question.option, default))
        return next(self.answers.get(question.option.strip("-").replace("-", "_").lower(), iter(())), "")

    def complain(self, message):
        self.complaints.append(message)


AROUND = Surroundings(SUBSCRIPTION, "Contoso", DIRECTORY, "uk west", "the environment")
IMAGES = {f"images.{name}": f"ghcr.io/a/{name}{DIGEST}" for name in ("proxy", "admin", "job")}


def test_a_person_is_asked_until_an_answer_is_one_and_enter_takes_what_is_offered():
    person = Person(name=["", "Contoso", "contoso"], region=["Mars", ""], admin_group=[f"{GROUP}, {GROUP}"])
    answers = collect(IMAGES, AROUND, person)
    assert (answers["name"], answers["region"], answers["subscription_id"]) == ("contoso", "ukwest", SUBSCRIPTION)
    assert answers["availability"] == "standby"  # ukwest has no zones
    assert answers["entra.admin_groups"] == [GROUP, GROUP]
    assert [each[:40] for each in person.complaints] == [
        "an answer is needed",
        "'Contoso' is not a name (2 to 32 small l",
        "'Mars' is not the name of a region of Az",
    ]
    assert "ingress.domain" not in answers and "entra.reader_groups" not in answers


def test_a_person_is_asked_only_what_applies_and_what_no_option_says():
    person = Person(name=["contoso"], network=["existing"], private_dns=["policy"], vnet_id=[VNET_ID])
    ids = {
        "network.existing.apps_subnet_id": f"{VNET_ID}/subnets/a",
        "network.existing.apps_range": "10.4.0.0/26",
        "network.existing.endpoints_subnet_id": f"{VNET_ID}/subnets/b",
        "network.existing.endpoints_range": "10.4.0.64/27",
    }
    collect(IMAGES | ids, AROUND, person)
    asked = {option for option, _ in person.asked}
    assert {"--vnet-id", "--private-dns", "--openai"} <= asked
    assert asked.isdisjoint({"--address-space", "--dns-zones", "--gateway-subnet", "--deployment", "--certificate"})
    assert asked.isdisjoint({"--apps-subnet", "--proxy-image", "--tag", "--currency"})


def test_at_a_terminal_questions_are_on_stderr_and_the_end_of_input_ends_it(here, monkeypatch, capsys):
    class Keyboard:
        def __init__(self, *lines):
            self._lines = [*lines]

        def isatty(self):
            return True

        def readline(self, *_):
            return self._lines.pop(0) if self._lines else ""

        def fileno(self):
            raise OSError

    monkeypatch.setattr(sys, "stdin", Keyboard("contoso\n", "\n" * 1))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(["init", "--images", "images.yaml"]) == 1
    told = capsys.readouterr()
    assert told.out == "" and "What is this installation called" in told.err and "stopped" in told.err
    assert not (here / "tenants").exists()


def test_every_question_has_its_option():
    from typer.main import get_command

    options = {name for parameter in get_command(build()).commands["init"].params for name in parameter.opts}
    assert {question.option for question in QUESTIONS if question.option != "NAME"} <= options


def test_zones_that_exist_are_named_by_the_group_that_holds_them(init):
    code, told = init("contoso", *NEEDED, "--private-dns", "existing", "--dns-zones", NETWORK_ID)
    assert code == 2 and messages(told)[0].startswith("--dns-zones: ")
