"""The settings of the services, read once from the environment at the edge and handed in.

Every variable starts with `ADUANA_`; `docs/settings.md` lists them. A value that is a secret may be given as a
reference (`file:/path`, `env:NAME`, `kv://vault/secret`), which is how the local tenant and the installer give it.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from core.egress import ANYWHERE, AllowedHosts
from core.secrets import SecretRef, SecretReferenceError

PREFIX = "ADUANA_"


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the variable, the value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. What an upstream is given before the proxy gives up on it."""

    connect: float = 5.0
    first_byte: float = 60.0  # of a stream
    answer: float = 600.0  # of a whole non-streaming answer: its first byte is its end
    idle: float = 120.0  # between two pieces of a stream


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it, typed, with its defaults."""

    database_url: str  # may be a secret reference
    database_auth: Literal["password", "entra"] = "password"
    redis_url: str | None = None  # None: memory mode, and the ledger spools to files
    redis_auth: Literal["password", "entra"] = "password"
    peppers: Mapping[int, str] = field(default_factory=dict)  # version → secret reference; the highest makes new keys
    master_keys: Mapping[int, str] = field(default_factory=dict)  # version → secret reference; the highest seals
    state_dir: Path = Path("/var/lib/aduana")  # the snapshot's copy and the spool
    max_snapshot_age: float = 86_400.0  # seconds
    on_stale_snapshot: Literal["refuse", "allow"] = "refuse"
    secret_ttl: float = 300.0  # seconds
    secret_grace: float = 86_400.0  # seconds beyond it that a value is used while it cannot be read again
    azure_credential: Literal["managed_identity", "workload_identity", "environment", "default"] = "managed_identity"
    azure_client_id: str | None = None  # of the identity that is meant where none is named; None: the system's
    key_vault_url: str = "https://{vault}.vault.azure.net"
    entra_tenant_id: str | None = None  # whose access tokens callers may send; None: nobody's
    entra_audience: tuple[str, ...] = ()  # that those tokens must be for: this gateway's own registration
    entra_authority: str = "https://login.microsoftonline.com"
    max_body_bytes: int = 32 * 1024 * 1024  # of a JSON request
    max_upload_bytes: int = 1024 * 1024 * 1024  # of a form; it streams through
    header_timeout: float = 30.0  # seconds for a caller to send a request's head
    body_timeout: float = 30.0  # seconds between two pieces of a caller's body
    keep_alive_interval: float = 15.0  # seconds of silence after which a stream's caller gets an SSE comment
    drain_timeout: float = 30.0  # seconds for streams in flight after SIGTERM
    upstream_timeouts: Timeouts = Timeouts()
    max_connections: int = 1000  # to one upstream, from one process
    egress_hosts: AllowedHosts = ANYWHERE  # that upstreams may be at
    ca_bundle: Path | None = None  # a private CA for what this process connects to by TLS
    lease_seconds: float = 60.0  # a call whose proxy was not heard for so long is an orphan
    deferred_kept_days: int = 30  # that the writer keeps what was accounted for later
    redis_timeout: float = 1.0  # seconds before an unanswered Redis counts as lost
    ledger_buffer_calls: int = 100_000  # calls that one process keeps until Postgres has them
    on_ledger_full: Literal["refuse", "allow"] = "refuse"
    memory_mode_per_replica: bool = False  # without Redis: several replicas, each with its own limits
    log_level: str = "info"

    @property
    def forms_dir(self) -> Path:
        """Where forms wait that are kept until they are known."""
        return self.state_dir / "forms"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read `ADUANA_*`; an empty variable counts as not set, an unknown one is an error. Raises `SettingsError`."""
        given = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value.strip()}
        _refuse_unknown(given)
        missing = [variable for variable in VARIABLES.values() if variable.required and variable.name not in given]
        if missing:
            raise SettingsError(f"{missing[0].name} is not set; allowed: {missing[0].allowed}")
        values = {variable.field: variable.read(given[name]) for name, variable in VARIABLES.items() if name in given}
        if ("entra_tenant_id" in values) != ("entra_audience" in values):
            raise SettingsError(
                "ADUANA_ENTRA_TENANT_ID and ADUANA_ENTRA_AUDIENCE go together: without the audience any token of the tenant "
                "would do, without the tenant none can be verified"
            )
        timeouts = Timeouts(**{one.field: values.pop(one.field) for one in _TIMEOUTS if one.field in values})
        return cls(**values, upstream_timeouts=timeouts)


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how its text becomes a field, and what it may say."""

    name: str
    field: str  # of `Settings`, or of `Timeouts`
    allowed: str
    default: Any  # what holds where it is not set; a required one has none
    required: bool
    parse: Callable[[str], Any]
    shown: bool = True  # whether an error may repeat the value; a URL's holds a password

    def read(self, text: str) -> Any:
        try:
            return self.parse(text.strip())
        except SecretReferenceError as error:  # never repeats the text: it may be the secret itself
            raise SettingsError(f"{self.name} is wrong: {error}; allowed: {self.allowed}") from None
        except (ValueError, KeyError):
            value = f"={text!r}" if self.shown else ""
            raise SettingsError(f"{self.name}{value} is wrong; allowed: {self.allowed}") from None


def _refuse_unknown(given: Mapping[str, str]) -> None:
    # What a setting refers to may have a name like a setting's: ADUANA_PEPPERS=1=env:ADUANA_PEPPER_1.
    referred = {name for value in given.values() for name in re.findall(r"\benv:([A-Za-z0-9_]+)", value)}
    for name in sorted(given.keys() - VARIABLES.keys() - referred):
        near = difflib.get_close_matches(name, VARIABLES, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists those there are"
        raise SettingsError(f"{name} is not a setting; {hint}")


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError
    return value


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) == 0:
        raise ValueError
    return int(text)


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.startswith(("env:", "file:", "kv:", "db:")):
            return _early_reference(text)
        if urlsplit(text).scheme not in schemes:
            raise ValueError
        return text

    return parse


def _client_id(text: str) -> str:
    return str(UUID(text))


def _vault_url(text: str) -> str:
    if not text.startswith("https://") or text.count("{") != 1 or "{vault}" not in text:
        raise ValueError
    return text.rstrip("/")


# Services of Microsoft: who could send us their tokens could be sent ours, and a token for the models would let in here.
_NOT_OURS = re.compile(
    r"(api://|https?://)?([a-z0-9.-]+\.)?(azure\.(com|us|cn|net)|microsoft\.(com|us)|windows\.net)(:[0-9]+)?(/.*)?"
    r"|(api://)?(7d312290-28c8-473c-a0ed-8e53749b6d6d"  # Cognitive Services
    r"|18a66f5f-dbdf-4c17-9dd7-1634712a9cbe"  # Azure AI (ai.azure.com)
    r"|797f4846-ba00-4fd7-ba43-dac1f8f63013"  # Azure Resource Manager
    r"|00000003-0000-0000-c000-000000000000)/?",  # Microsoft Graph
    re.IGNORECASE,
)


def _audiences(text: str) -> tuple[str, ...]:
    audiences = tuple(part.strip() for part in text.split(","))
    for audience in audiences:
        if (
            not re.fullmatch(r"[!-~]{1,255}", audience)
            or audience.endswith("/.default")
            or _NOT_OURS.fullmatch(audience)
        ):
            raise ValueError
    return audiences


def _authority(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError
    return f"https://{parts.netloc.lower()}"


def _early_reference(text: str) -> str:
    """A reference that can be read before the database: `db://` is not."""
    if SecretRef.parse(text).scheme == "db":
        raise SecretReferenceError("db:// cannot be read before the database is")
    return text


def _versions(text: str) -> dict[int, str]:
    """`1=file:/p1,2=env:X`; a comma ends a reference only where a version follows, paths may hold one."""
    versions: dict[int, str] = {}
    for part in re.split(r",(?=\s*[0-9]+=)", text):
        number, equals, reference = part.strip().partition("=")
        if not equals or not re.fullmatch(r"[0-9]{1,9}", number):
            raise SecretReferenceError("each part must be a version, =, and a reference")
        if int(number) == 0 or int(number) in versions:
            raise SecretReferenceError(f"version {int(number)} is zero or given twice")
        versions[int(number)] = _early_reference(reference.strip())
    return versions


_SECONDS = "seconds, more than 0"
_COUNT = "a whole number, more than 0"
_REFUSE_ALLOW = _one_of("refuse", "allow")
_REFERENCES = "version=reference[,version=reference...], each env:NAME, file:/path or kv://vault/secret[/version]"

# field → (how it is read, what is allowed); a URL is read but never repeated.
_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "database_url": (_url("postgresql", "postgres"), "postgresql://..., or a reference (env:, file:, kv://) to one"),
    "redis_url": (_url("redis", "rediss", "unix"), "redis://..., rediss://..., unix://..., or a reference to one"),
    "database_auth": (_one_of("password", "entra"), "password or entra"),
    "redis_auth": (_one_of("password", "entra"), "password or entra"),
    "peppers": (_versions, _REFERENCES),
    "master_keys": (_versions, _REFERENCES),
    "state_dir": (Path, "a folder"),
    "max_snapshot_age": (_seconds, _SECONDS),
    "on_stale_snapshot": (_REFUSE_ALLOW, "refuse or allow"),
    "secret_ttl": (_seconds, _SECONDS),
    "secret_grace": (_seconds, _SECONDS),
    "azure_credential": (
        _one_of("managed_identity", "workload_identity", "environment", "default"),
        "managed_identity, workload_identity, environment or default",
    ),
    "azure_client_id": (_client_id, "a client id, such as 00000000-0000-0000-0000-000000000000"),
    "key_vault_url": (_vault_url, "an https URL with {vault} in place of a vault's name"),
    "entra_tenant_id": (_client_id, "the tenant's id, such as 00000000-0000-0000-0000-000000000000"),
    "entra_audience": (
        _audiences,
        "application ids or App ID URIs of the gateway's own registration, with commas between them; never those of "
        "Cognitive Services or another service of Microsoft, and not a scope",
    ),
    "entra_authority": (_authority, "https://host, without a path"),
    "max_body_bytes": (_count, _COUNT + " (bytes)"),
    "max_upload_bytes": (_count, _COUNT + " (bytes)"),
    "header_timeout": (_seconds, _SECONDS),
    "body_timeout": (_seconds, _SECONDS),
    "keep_alive_interval": (_seconds, _SECONDS),
    "drain_timeout": (_seconds, _SECONDS),
    "max_connections": (_count, _COUNT),
    "egress_hosts": (AllowedHosts.parse, "host patterns with commas between them: api.openai.com, *.openai.azure.com"),
    "ca_bundle": (Path, "a file of PEM certificates"),
    "lease_seconds": (_seconds, _SECONDS),
    "deferred_kept_days": (_count, _COUNT + " (days)"),
    "redis_timeout": (_seconds, _SECONDS),
    "ledger_buffer_calls": (_count, _COUNT),
    "on_ledger_full": (_REFUSE_ALLOW, "refuse or allow"),
    "memory_mode_per_replica": ({"true": True, "false": False}.__getitem__, "true or false"),
    "log_level": (_one_of("debug", "info", "warning", "error"), "debug, info, warning or error"),
}


def _variable(part: Field[Any], name: str, parse: Callable[[str], Any], allowed: str) -> Variable:
    default = part.default_factory() if part.default_factory is not MISSING else part.default
    required = default is MISSING
    shown = part.name not in ("database_url", "redis_url")
    return Variable(PREFIX + name, part.name, allowed, None if required else default, required, parse, shown)


_TIMEOUTS = [_variable(part, f"{part.name.upper()}_TIMEOUT", _seconds, _SECONDS) for part in fields(Timeouts)]

VARIABLES: Mapping[str, Variable] = {
    variable.name: variable
    for variable in [
        *(
            _variable(part, part.name.upper(), *_READERS[part.name])
            for part in fields(Settings)
            if part.name != "upstream_timeouts"
        ),
        *_TIMEOUTS,
    ]
}
"""Every variable that the services read, by its name."""
