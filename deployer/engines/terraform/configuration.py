"""What one tenant gives to Terraform, and the root module that is rendered from it.

The root holds no resource: it calls the stack's module, says where the state lies, and hands on variables and outputs.
No secret may be in it, since all of it ends in files: credentials come by the environment alone.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.engines.errors import EngineError
from deployer.engines.terraform.sources import declared_outputs, digest_of_sources

MODULE = "aduana"
"""The name that the root calls the stack by: every address begins with `module.aduana.`."""

_SECRET_ARGUMENTS = frozenset(
    {
        "access_key",
        "sas_token",
        "client_secret",
        "client_certificate",
        "client_certificate_password",
        "client_key",
        "oidc_token",
        "oidc_request_token",
        "password",
        "token",
        "encryption_key",
        "conn_str",
        "secret_key",
    }
)
_IDENTITY = ("ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID", "ARM_ENVIRONMENT", "ARM_METADATA_HOSTNAME")
"""Of the environment, what decides where things are made: a plan for one subscription is none for another."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the state lies: Terraform's name of the kind, and its arguments. Never a key or a token."""

    kind: str  # `azurerm`, or `local` for a first trial
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Configuration:
    """One tenant, as Terraform is to see it."""

    backend: Backend
    variables: Mapping[str, object]  # of the stack's module; plain JSON values
    source: Path  # the stack's module
    providers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)  # by name: their arguments
    environment: Mapping[str, str] = field(default_factory=dict)  # credentials, added to that of this process

    def __post_init__(self) -> None:
        for place, arguments in (("backend", self.backend.arguments), *self.providers.items()):
            for name in _secrets_in(arguments):
                raise EngineError(
                    f"{name} may not stand in the settings of the {place}",
                    "they are written to files, and it is a secret",
                    "Sign in with Entra ID, or hand it to Terraform by its environment variable (ARM_…).",
                    code="secret_in_configuration",
                )
        if unnamed := [name for name in self.variables if not re.fullmatch(r"[A-Za-z_][\w-]*", name)]:
            raise EngineError(f"{unnamed[0]!r} cannot be the name of a variable", code="variable_name")

    def root(self) -> dict[str, Any]:
        """The root module, as Terraform's JSON syntax has it."""
        module: dict[str, Any] = {"source": "./module"}
        module |= {name: f"${{var.{name}}}" for name in sorted(self.variables)}
        root: dict[str, Any] = {
            "terraform": {
                "required_version": ">= 1.9",
                "backend": {self.backend.kind: dict(self.backend.arguments)},
            },
            "module": {MODULE: module},
        }
        if self.variables:
            root["variable"] = {name: {} for name in sorted(self.variables)}
        if self.providers:
            root["provider"] = {name: dict(arguments) for name, arguments in sorted(self.providers.items())}
        outputs = {
            name: {"value": f"${{module.{MODULE}.{name}}}", **({"sensitive": True} if sensitive else {})}
            for name, sensitive in sorted(declared_outputs(self.source).items())
        }
        if outputs:
            root["output"] = outputs
        return root

    def digest(self) -> str:
        """`sha256:…` of everything that decides what is planned, the stack's own text included."""
        whole = {
            "root": self.root(),
            "variables": self.variables,
            "source": digest_of_sources(self.source),
            "identity": {name: self.environment[name] for name in _IDENTITY if name in self.environment},
        }
        return "sha256:" + hashlib.sha256(canonical(whole)).hexdigest()


def canonical(document: object) -> bytes:
    """One text for one meaning."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _secrets_in(arguments: object) -> Iterator[str]:
    if isinstance(arguments, Mapping):
        for name, value in arguments.items():
            if name in _SECRET_ARGUMENTS and value not in (None, ""):
                yield str(name)
            yield from _secrets_in(value)
    elif isinstance(arguments, list | tuple):
        for value in arguments:
            yield from _secrets_in(value)
