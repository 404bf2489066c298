"""What the simulator can be told: models, deployments, keys, limits and faults. Read once from a file (YAML or JSON),
handed in.

The faults alone can be replaced while it runs.
"""

from pathlib import Path
from typing import Any

import msgspec

from tests.simulators.model_provider.faults import FaultPlan


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model that the provider has."""

    name: str
    answers_as: str | None = None
    """The name in its answers, where it differs: `gpt-4o` answers as `gpt-4o-2024-11-20`."""
    context_window: int | None = None
    """Tokens; left out, what the model of that name has."""
    encoding: str | None = None
    """`o200k_base` or `cl100k_base`; left out, by the name."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rate limits of each model, told in `x-ratelimit-*`."""

    requests_per_minute: int = 10_000
    tokens_per_minute: int = 2_000_000
    enforce: bool = False
    """Whether a request over a limit is refused with 429; otherwise the headers only count down."""


class Provisioned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The capacity of a deployment of provisioned throughput."""

    concurrent_requests: int = 10
    """One more is refused with 429."""
    retry_after: float = 1.0
    """Seconds."""
    utilization: float | None = None
    """Percent: what it says, whatever is in flight; from 100 on it refuses everything."""


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it; the default is a provider with every model and deployment there is, open to everyone, without a
    fault.
    """

    models: list[Model] = []
    """Empty: any name is a model."""
    deployments: dict[str, str] = {}
    """Azure's deployments and their models. Empty: any name is a deployment, of the model of that name."""
    api_keys: list[str] = []
    """Empty: any credential is accepted, and none too."""
    bearer_tokens: list[str] | None = None
    """Entra ID's access tokens that Azure's surfaces accept, beside the keys. Left out: where there are no keys, any."""
    limits: Limits = Limits()
    provisioned: dict[str, Provisioned] = {}
    """Deployments of provisioned throughput."""
    ready_after: float = 0.2
    """Seconds after which what goes on in the background ends: batches, jobs, runs, videos, ..."""
    chunk_delay: float = 0.0
    """Seconds between two chunks of a stream."""
    region: str = "UK South"
    remembered_requests: int = 1_000
    """How many of the last requests `/_simulator/requests` shows."""
    faults: FaultPlan = FaultPlan()


class ConfigurationError(Exception):
    """The configuration cannot be used; the message says where and why."""


def read(path: Path) -> Configuration:
    """Read a configuration from a YAML or JSON file.

    Raises:
        ConfigurationError: the file cannot be read, or says something that the simulator does not know.
    """
    try:
        raw = path.read_bytes()
        if path.suffix in (".yaml", ".yml"):
            return msgspec.yaml.decode(raw, type=Configuration)
        return msgspec.json.decode(raw, type=Configuration)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def with_keys(configuration: Configuration, keys: list[str]) -> Configuration:
    """The same, accepting these keys too."""
    changes: dict[str, Any] = {"api_keys": [*configuration.api_keys, *keys]}
    return msgspec.structs.replace(configuration, **changes)
