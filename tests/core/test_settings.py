import re
from pathlib import Path

import pytest

from core.egress import AllowedHosts
from core.settings import VARIABLES, Settings, SettingsError, Timeouts

URL = {"ADUANA_DATABASE_URL": "postgresql://aduana@db/aduana"}


def test_only_the_database_must_be_named_and_the_rest_has_defaults():
    assert Settings.from_environment(URL) == Settings(database_url=URL["ADUANA_DATABASE_URL"])


def test_every_variable_sets_its_field():
    given = {
        "ADUANA_DATABASE_URL": "file:/run/secret/db",
        "ADUANA_DATABASE_AUTH": "entra",
        "ADUANA_REDIS_URL": "rediss://cache:10000",
        "ADUANA_REDIS_AUTH": "entra",
        "ADUANA_PEPPERS": "1=file:/p,1, 2=env:PEPPER",
        "ADUANA_MASTER_KEYS": "3=kv://vault/master",
        "ADUANA_STATE_DIR": "/state",
        "ADUANA_MAX_SNAPSHOT_AGE": "60",
        "ADUANA_ON_STALE_SNAPSHOT": "allow",
        "ADUANA_SECRET_TTL": "1.5",
        "ADUANA_SECRET_GRACE": "2.5",
        "ADUANA_AZURE_CREDENTIAL": "default",
        "ADUANA_AZURE_CLIENT_ID": "7F1C2B6E-3A44-4F0C-9B1D-2A5C8E9F0A11",
        "ADUANA_KEY_VAULT_URL": "https://{vault}.vault.azure.cn/",
        "ADUANA_ENTRA_TENANT_ID": "AAAABBBB-0000-CCCC-1111-DDDD2222EEEE",
        "ADUANA_ENTRA_AUDIENCE": "api://gateway, 11112222-3333-4444-5555-666677778888",
        "ADUANA_ENTRA_AUTHORITY": "https://login.microsoftonline.us/",
        "ADUANA_MAX_BODY_BYTES": "1048576",
        "ADUANA_MAX_UPLOAD_BYTES": "1000",
        "ADUANA_HEADER_TIMEOUT": "2",
        "ADUANA_BODY_TIMEOUT": "3",
        "ADUANA_KEEP_ALIVE_INTERVAL": "3.5",
        "ADUANA_DRAIN_TIMEOUT": "4",
        "ADUANA_CONNECT_TIMEOUT": "5.5",
        "ADUANA_FIRST_BYTE_TIMEOUT": "6",
        "ADUANA_ANSWER_TIMEOUT": "7",
        "ADUANA_IDLE_TIMEOUT": "8",
        "ADUANA_MAX_CONNECTIONS": "9",
        "ADUANA_EGRESS_HOSTS": "*.openai.azure.com, api.openai.com",
        "ADUANA_CA_BUNDLE": "/ca.pem",
        "ADUANA_LEASE_SECONDS": "10",
        "ADUANA_DEFERRED_KEPT_DAYS": "7",
        "ADUANA_REDIS_TIMEOUT": "0.25",
        "ADUANA_LEDGER_BUFFER_CALLS": "11",
        "ADUANA_ON_LEDGER_FULL": "allow",
        "ADUANA_MEMORY_MODE_PER_REPLICA": "true",
        "ADUANA_LOG_LEVEL": "debug",
    }
    assert given.keys() == VARIABLES.keys()
    assert Settings.from_environment(given) == Settings(
        database_url="file:/run/secret/db",
        database_auth="entra",
        redis_url="rediss://cache:10000",
        redis_auth="entra",
        peppers={1: "file:/p,1", 2: "env:PEPPER"},
        master_keys={3: "kv://vault/master"},
        state_dir=Path("/state"),
        max_snapshot_age=60.0,
        on_stale_snapshot="allow",
        secret_ttl=1.5,
        secret_grace=2.5,
        azure_credential="default",
        azure_client_id="7f1c2b6e-3a44-4f0c-9b1d-2a5c8e9f0a11",
        key_vault_url="https://{vault}.vault.azure.cn",
        entra_tenant_id="aaaabbbb-0000-cccc-1111-dddd2222eeee",
        entra_audience=("api://gateway", "11112222-3333-4444-5555-666677778888"),
        entra_authority="https://login.microsoftonline.us",
        max_body_bytes=1048576,
        max_upload_bytes=1000,
        header_timeout=2.0,
        body_timeout=3.0,
        keep_alive_interval=3.5,
        drain_timeout=4.0,
        upstream_timeouts=Timeouts(connect=5.5, first_byte=6.0, answer=7.0, idle=8.0),
        max_connections=9,
        egress_hosts=AllowedHosts(("*.openai.azure.com", "api.openai.com")),
        ca_bundle=Path("/ca.pem"),
        lease_seconds=10.0,
        deferred_kept_days=7,
        redis_timeout=0.25,
        ledger_buffer_calls=11,
        on_ledger_full="allow",
        memory_mode_per_replica=True,
        log_level="debug",
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ADUANA_HEADER_TIMEOUT", "soon", "'soon' is wrong; allowed: seconds"),
        ("ADUANA_HEADER_TIMEOUT", "0", "more than 0"),
        ("ADUANA_HEADER_TIMEOUT", "inf", "'inf' is wrong"),
        ("ADUANA_HEADER_TIMEOUT", "nan", "'nan' is wrong"),
        ("ADUANA_MAX_BODY_BYTES", "32MiB", "'32MiB' is wrong; allowed: a whole number"),
        ("ADUANA_MAX_CONNECTIONS", "-1", "'-1' is wrong"),
        ("ADUANA_AZURE_CLIENT_ID", "contoso", "'contoso' is wrong; allowed: a client id"),
        ("ADUANA_KEY_VAULT_URL", "https://kv.vault.azure.net", "allowed: an https URL with {vault}"),
        ("ADUANA_ENTRA_TENANT_ID", "contoso.onmicrosoft.com", "the tenant's id"),
        ("ADUANA_ENTRA_TENANT_ID", "common", "the tenant's id"),
        ("ADUANA_ENTRA_AUDIENCE", "https://cognitiveservices.azure.com", "never those of Cognitive Services"),
        (
            "ADUANA_ENTRA_AUDIENCE",
            "api://gateway,https://cognitiveservices.azure.com/",
            "never those of Cognitive Services",
        ),
        ("ADUANA_ENTRA_AUDIENCE", "https://CognitiveServices.azure.us/.default", "never those of Cognitive Services"),
        ("ADUANA_ENTRA_AUDIENCE", "cognitiveservices.azure.cn", "never those of Cognitive Services"),
        ("ADUANA_ENTRA_AUDIENCE", "7D312290-28c8-473c-a0ed-8e53749b6d6d", "never those of Cognitive Services"),
        ("ADUANA_ENTRA_AUDIENCE", "https://ai.azure.com", "another service of Microsoft"),
        ("ADUANA_ENTRA_AUDIENCE", "https://graph.microsoft.com", "another service of Microsoft"),
        ("ADUANA_ENTRA_AUDIENCE", "api://gateway/.default", "not a scope"),
        ("ADUANA_ENTRA_AUDIENCE", "api://a,,api://b", "with commas between"),
        ("ADUANA_ENTRA_AUTHORITY", "http://login.microsoftonline.com", "https://host"),
        ("ADUANA_ENTRA_AUTHORITY", "https://login.microsoftonline.com/contoso", "without a path"),
        ("ADUANA_KEY_VAULT_URL", "http://{vault}.vault.azure.net", "allowed: an https URL"),
        ("ADUANA_ON_LEDGER_FULL", "drop", "allowed: refuse or allow"),
        ("ADUANA_MEMORY_MODE_PER_REPLICA", "1", "allowed: true or false"),
        ("ADUANA_LOG_LEVEL", "LOUD", "allowed: debug"),
        ("ADUANA_PEPPERS", "file:/p", "a version"),
        ("ADUANA_PEPPERS", "0=file:/p", "zero"),
        ("ADUANA_PEPPERS", "1=file:/p,1=file:/q", "given twice"),
        ("ADUANA_PEPPERS", "1=db://pepper", "db:// cannot be read before the database is"),
        ("ADUANA_REDIS_ULR", "redis://x", "did you mean ADUANA_REDIS_URL?"),
        ("ADUANA_ZZZ", "1", "is not a setting"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_variable_and_what_is_allowed(name: str, value: str, said: str):
    with pytest.raises(SettingsError, match=re.escape(said)) as error:
        Settings.from_environment(URL | {name: value})
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADUANA_DATABASE_URL", "mysql://aduana:hunter2@db/aduana"),
        ("ADUANA_REDIS_URL", "http://:hunter2@cache"),
        ("ADUANA_PEPPERS", "1=hunter2"),
        ("ADUANA_PEPPERS", "hunter2"),
        ("ADUANA_MASTER_KEYS", "1=env:hunter2!"),
    ],
)
def test_an_error_never_repeats_what_may_be_a_secret(name: str, value: str):
    with pytest.raises(SettingsError) as error:
        Settings.from_environment(URL | {name: value})
    assert "hunter2" not in str(error.value)
    assert name in str(error.value)


def test_a_missing_database_is_named():
    with pytest.raises(SettingsError, match="ADUANA_DATABASE_URL is not set"):
        Settings.from_environment({})


@pytest.mark.parametrize("name", ["ADUANA_ENTRA_TENANT_ID", "ADUANA_ENTRA_AUDIENCE"])
def test_a_tenant_and_an_audience_are_set_together(name: str):
    with pytest.raises(SettingsError, match="go together"):
        Settings.from_environment(URL | {name: "11112222-3333-4444-5555-666677778888"})


def test_an_empty_variable_counts_as_not_set():
    assert Settings.from_environment(URL | {"ADUANA_REDIS_URL": "", "ADUANA_CA_BUNDLE": " "}).redis_url is None


def test_a_variable_that_a_reference_names_may_look_like_a_setting():
    given = URL | {"ADUANA_PEPPERS": "1=env:ADUANA_PEPPER_1", "ADUANA_PEPPER_1": "secret"}
    assert Settings.from_environment(given).peppers == {1: "env:ADUANA_PEPPER_1"}


def test_the_documented_settings_are_those_there_are_with_their_defaults():
    documented = {}
    for line in (Path(__file__).parents[2] / "docs/settings.md").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| `(ADUANA_\w+)` \| ([^|]*) \| ([^|]*) \|", line):
            documented[match[1]] = (match[2].strip(), match[3].strip())
    assert list(documented) == list(VARIABLES)
    for name, variable in VARIABLES.items():
        allowed, default = documented[name]
        assert allowed == variable.allowed, name
        assert default == _shown(variable.default, variable.required), name


def _shown(default: object, required: bool) -> str:
    if required:
        return "(must be set)"
    if default is None or default in ({}, (), AllowedHosts()):
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`"
