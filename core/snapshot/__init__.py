"""The immutable, indexed picture of keys, policies, routes, upstreams and prices that a proxy serves from.

`picture` turns the rows of the store into it, `watch` replaces it whole whenever Postgres has a newer version, `disk`
keeps the rows so that a proxy can start while Postgres is away. Nothing here holds a secret: keys are HMACs, and what
`db://` names is sealed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.limits import NO_RULES, Family, Rules
from core.model_names import prefixes
from core.prices import Price


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """What the policies of a key, its app, its team and its client say together: the tightest of each.

    Limits that need a counter are not here: they are checked at every scope of the caller on its own.
    """

    allowed_models: frozenset[str] | None = None  # None: all
    allowed_endpoints: frozenset[str] | None = None
    refuse_unpriced: bool = True
    refuse_on_limiter_loss: bool = True
    allowed_tools: frozenset[str] | None = None
    allowed_credentials: frozenset[str] | None = None  # key, entra
    max_input_tokens: int | None = None  # of one call, as the others; the smallest of the levels
    max_output_tokens: int | None = None
    max_context_tokens: int | None = None
    refuse_over_cap: bool = False  # else what is asked for is lowered
    _allowed_prefixes: tuple[str, ...] = field(
        init=False, repr=False, compare=False
    )  # of the wildcards among the models

    def __post_init__(self) -> None:
        object.__setattr__(self, "_allowed_prefixes", prefixes(self.allowed_models or ()))

    def allows_model(self, model: str) -> bool:
        allowed = self.allowed_models
        return allowed is None or model in allowed or model.startswith(self._allowed_prefixes)

    def allows_endpoint(self, endpoint: str) -> bool:
        return self.allowed_endpoints is None or endpoint in self.allowed_endpoints

    def allows_credential(self, kind: str) -> bool:
        return self.allowed_credentials is None or kind in self.allowed_credentials


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a call is attributed to."""

    key_id: str  # or an identity's, which begins with ~
    app_id: bytes  # 16 bytes each, as the ledger's records carry them
    team_id: bytes
    client_id: bytes
    name: str  # client/team/app/key, or .../identity
    policy: EffectivePolicy
    rules: Rules = NO_RULES


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A proxy key as the snapshot knows it: never its secret."""

    id: str
    digest: bytes  # 32 bytes, core.keys.digest
    pepper_version: int
    caller: Caller
    disabled: bool  # switched off, or its policy takes no keys
    expires_at: float | None  # Unix seconds


@dataclass(frozen=True, slots=True)
class UpstreamIdentity:
    """As whom an upstream is called that takes Entra ID tokens in place of a key."""

    client_id: str | None  # of a user-assigned identity; None: this process's own
    audience: str  # whose tokens it takes: a scope, such as https://cognitiveservices.azure.com/.default


@dataclass(frozen=True, slots=True)
class IdentityEntry:
    """Who calls with an access token of Entra ID in place of a key."""

    id: str  # ~ and 8 characters
    claim: str  # application | object | role
    value: str
    caller: Caller
    disabled: bool


@dataclass(frozen=True, slots=True)
class Upstream:
    """One Azure OpenAI resource, or OpenAI, or anything OpenAI-compatible."""

    id: str
    name: str
    provider: str  # azure_openai | openai | openai_compatible
    endpoint: str  # scheme://host[:port][/base], without a slash at its end
    api_version: str | None
    secret_ref: str | None  # None, and no identity either: no credential is sent
    stream_usage: bool  # accepts stream_options.include_usage
    timeouts: Mapping[str, float] = field(default_factory=dict)  # seconds; what is not here is the installation's
    max_connections: int | None = None  # from one process; None: the installation's
    home: bool = False  # of objects whose making names no model and no other object
    unknown_objects_of: bytes | None = (
        None  # the client to whom belongs what it held before the gateway came; None: nobody
    )
    identity: UpstreamIdentity | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a route may send a call."""

    upstream: Upstream
    deployment: str
    priority: int  # lower ones first
    weight: int  # share among equals
    prices: tuple[Price, ...]  # newest first; empty: unpriced
    spill_at: int | None = (
        None  # percent of a provisioned deployment's utilisation from which lower priorities are asked
    )
    max_in_flight: int | None = None  # calls of one process; beyond them lower priorities are asked
    priced_by_name: bool = False  # its deployment is any model, and so is its price (Snapshot.prices)


@dataclass(frozen=True, slots=True)
class Route:
    """A public model name and its targets, sorted by priority."""

    model: str  # a name that ends in a star stands for all that begin like it
    targets: tuple[Target, ...]
    fallback: str | None
    downshift: str | None
    created: int  # Unix seconds: /v1/models answers it
    aliases: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)  # parameters where the caller sets none
    overrides: Mapping[str, Any] = field(default_factory=dict)  # parameters whatever the caller sets
    answers_requested_model: bool = False  # else the answer's model is what the provider says
    prompt_cache_affinity: bool = False
    max_attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the tenant's configuration, indexed for the hot path."""

    version: int
    read_at: float  # Unix seconds, when Postgres last confirmed it
    keys: Mapping[str, KeyEntry] = field(default_factory=dict)  # by id
    identities: Mapping[tuple[str, str], IdentityEntry] = field(default_factory=dict)  # by claim and value
    identities_by_id: Mapping[str, IdentityEntry] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)  # by model
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)  # by name
    prices: Mapping[tuple[str, str], tuple[Price, ...]] = field(default_factory=dict)  # by provider and model
    clients: frozenset[bytes] = frozenset()
    families: Mapping[bytes, tuple[Family, ...]] = field(default_factory=dict)  # what is counted, by client
    sealed_secrets: Mapping[str, "SealedSecret"] = field(default_factory=dict)  # by name

    def caller(self, key_id: str) -> Caller | None:
        """Whom a key's or an identity's id stands for now."""
        entry = self.identities_by_id.get(key_id) if key_id.startswith("~") else self.keys.get(key_id)
        return entry.caller if entry is not None else None


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """What `db://name` opens under its master key."""

    name: str
    master_key_version: int
    nonce: bytes
    ciphertext: bytes
