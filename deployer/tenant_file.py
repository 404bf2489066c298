"""Reading a tenant file: every error with its line, the field, the value and what is allowed."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.seed.document import Fields, Finding, Items, Node, Place, plain, read_document
from deployer.tenant import Tenant


class TenantError(ValueError):
    """A tenant file is wrong; `findings` holds all that is, by line, and its text is them, a line each."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = tuple(sorted(set(findings), key=lambda each: (each.place, each.message)))
        super().__init__("\n".join(map(str, self.findings)))


def load_tenant(path: Path) -> Tenant:
    """Read a tenant file. Raises `TenantError`, with every finding; `OSError` where the file cannot be read."""
    root, findings = read_document(path)
    if root is None or findings:
        raise TenantError(findings)
    if not isinstance(root, Fields):
        raise TenantError([Finding(str(path), root.place, "a tenant file is a mapping of settings")])
    try:
        return parse_tenant(plain(root))
    except ValidationError as error:
        raise TenantError([_finding(str(path), root, each) for each in error.errors(include_url=False)]) from None


def parse_tenant(data: Mapping[str, Any]) -> Tenant:
    """A tenant from plain data, as JSON has it. Raises pydantic's `ValidationError`."""
    return Tenant.model_validate(_as_python(data))


def tenant_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    schema = Tenant.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Aduana tenant file", **schema}


def _as_python(value: Any) -> Any:
    """Lists as tuples, which is what a frozen, strict model takes."""
    if isinstance(value, list):
        return tuple(_as_python(each) for each in value)
    if isinstance(value, dict):
        return {key: _as_python(each) for key, each in value.items()}
    return value


def _finding(file: str, root: Node, error: Any) -> Finding:
    """One of pydantic's errors, in our words and with its line."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    place, field = _place(root, path), ".".join(map(str, path))
    return Finding(file, place, f"{field + ': ' if field else ''}{_words(error)}")


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


def _words(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    given = error["input"]
    shown = repr(given) if isinstance(given, str | int | Decimal | bool) else ""
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return "there is no such setting"
    if kind == "missing":
        return "must be given"
    if kind == "literal_error":
        return f"{shown} is not allowed; allowed: {context['expected'].replace(' or ', ', ')}"
    if kind == "string_pattern_mismatch":
        return f"{shown} does not have the form that is allowed: {context['pattern']}"
    return f"{shown + ': ' if shown else ''}{error['msg'][0].lower()}{error['msg'][1:]}"
