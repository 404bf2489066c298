"""Reading a tenant file: every error with its line, the field, the value and what is allowed."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.seed.document import Fields, Finding, Items, Node, Place, parse_document, plain, read_document
from deployer.forms import shown
from deployer.tenant import Tenant
from deployer.tenant.part import VALUES_ALONE
from deployer.tenant.rules import broken_rules
from deployer.tenant.words import in_words


class TenantError(ValueError):
    """A tenant file is wrong; `findings` holds all that is, by line, and its text is them, a line each."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = tuple(sorted(set(findings), key=lambda each: (each.place, each.message)))
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True, slots=True)
class TenantFile:
    """A tenant and the file that says it."""

    path: Path
    tenant: Tenant

    @property
    def seed_path(self) -> Path | None:
        """The seed file, where there is one."""
        if self.tenant.seed is None:
            return None
        return Path(os.path.normpath(self.path.parent / PurePosixPath(self.tenant.seed)))


def load_tenant_file(path: Path) -> TenantFile:
    """As `load_tenant`, with what the file says of other files."""
    return TenantFile(path, load_tenant(path))


def load_tenant(path: Path) -> Tenant:
    """Read a tenant file. Raises `TenantError`, with every finding; `OSError` where the file cannot be read."""
    root, findings = read_document(path)
    return _tenant(path, root, findings)


def parse_tenant_text(text: str, path: Path) -> Tenant:
    """A tenant from what would be in the file `path`. Raises `TenantError`."""
    root, findings = parse_document(text.encode(), str(path))
    return _tenant(path, root, findings)


def parse_tenant(data: Mapping[str, Any]) -> Tenant:
    """A tenant from plain data, as JSON has it. Raises pydantic's `ValidationError`."""
    return Tenant.model_validate(_as_python(data))


@cache
def tenant_schema() -> Mapping[str, Any]:
    """The JSON Schema of the file, for editors."""
    schema = Tenant.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for name, what in part.get("properties", {}).items():
            # A section whose settings are all commented out is empty, and means its defaults.
            if "$ref" in what and name not in part.get("required", ()):
                what["anyOf"] = [{"$ref": what.pop("$ref")}, {"type": "null"}]
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema, "title": "Aduana tenant file"}


def schema_text() -> str:
    """The JSON Schema as docs/tenant.schema.json has it."""
    return json.dumps(tenant_schema(), indent=2, ensure_ascii=False) + "\n"


def _tenant(path: Path, root: Node | None, findings: list[Finding]) -> Tenant:
    if root is None or findings:
        raise TenantError(findings)
    if not isinstance(root, Fields):
        raise TenantError([Finding(str(path), root.place, "a tenant file is a mapping of settings")])
    data = _as_python(plain(root))
    try:
        tenant = Tenant.model_validate(data)
    except ValidationError as error:
        wrong = [(each["loc"], in_words(each)) for each in error.errors(include_url=False)]
        raise TenantError(_findings(path, root, [*wrong, *_rules_of_the_rest(data)])) from None
    if missing := _missing_seed(path, tenant):
        raise TenantError(_findings(path, root, [(("seed",), missing)]))
    return tenant


def _missing_seed(path: Path, tenant: Tenant) -> str | None:
    seed = TenantFile(path, tenant).seed_path
    if seed is None or seed.is_file():
        return None
    return f"{shown(tenant.seed)} is no file; looked for {seed}"


def _rules_of_the_rest(data: Mapping[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """What the fields ask of one another whose values are right, where something is wrong elsewhere."""
    known: dict[str, Any] = {}
    for name, field in Tenant.model_fields.items():
        if name not in data:
            if not field.is_required():
                known[name] = field.get_default(call_default_factory=True)
            continue
        try:
            known[name] = _adapter(name).validate_python(data[name], context=VALUES_ALONE)
        except ValidationError:
            continue
    partial = Tenant.model_construct(**known)
    for broken in broken_rules(partial, known=known.keys()):
        yield broken.path, broken.message


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(Tenant.__annotations__[name])


def _as_python(value: Any) -> Any:
    """Lists as tuples, which is what a frozen, strict model takes."""
    if isinstance(value, list):
        return tuple(_as_python(each) for each in value)
    if isinstance(value, dict):
        return {key: _as_python(each) for key, each in value.items()}
    return value


def _findings(path: Path, root: Node, wrong: list[tuple[tuple[int | str, ...], str]]) -> list[Finding]:
    found = []
    for where, message in wrong:
        steps = tuple(step for step in where if step != "[key]")
        field = ".".join(map(str, steps))
        found.append(Finding(str(path), _place(root, steps), f"{field}: {message}" if field else message))
    return found


def _place(node: Node, path: tuple[int | str, ...]) -> Place:
    place = node.place
    for part in path:
        if isinstance(node, Fields) and part in node.values:
            place, node = node.key_places[str(part)], node.values[str(part)]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.values):
            node = node.values[part]
            place = node.place
        else:
            break
    return place
