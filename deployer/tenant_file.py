"""Reading a tenant file: every error with its line, the field, the value and what is allowed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from core.seed.document import Fields, Finding, Items, Node, Place, parse_document, plain, read_document
from deployer.forms import shown
from deployer.tenant import Tenant
from deployer.tenant.part import Part
from deployer.tenant.rules import broken_rules


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
        return self.path.parent / PurePosixPath(self.tenant.seed) if self.tenant.seed is not None else None


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
        wrong = [(each["loc"], _words(each)) for each in error.errors(include_url=False)]
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
    """What the fields that are right by themselves ask of one another, where others are wrong."""
    known: dict[str, Any] = {}
    for name, field in Tenant.model_fields.items():
        if name not in data:
            if not field.is_required():
                known[name] = field.get_default(call_default_factory=True)
            continue
        try:
            known[name] = _adapter(name).validate_python(data[name])
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


_TYPES = {
    "string_type": "no text; write it in quotes",
    "int_type": "no whole number",
    "int_from_float": "no whole number",
    "bool_type": "neither true nor false",
    "tuple_type": "no list",
    "dict_type": "no mapping of settings",
    "model_type": "no mapping of settings",
}


def _words(error: Any) -> str:
    """One of pydantic's errors in ours: the value, and what is allowed."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "must be given"
    if kind == "extra_forbidden":
        return f"there is no such setting{_meant(error['loc'])}"
    if kind == "literal_error":
        return f"{_value(value)} is not allowed; allowed: {_listed(context['expected'])}"
    if kind in _TYPES:
        return f"{_value(value)} is {_TYPES[kind]}"
    if kind in ("greater_than_equal", "less_than_equal"):
        least = kind == "greater_than_equal"
        return (
            f"{shown(value)} is not allowed; the {'least' if least else 'most'} is {context['ge' if least else 'le']}"
        )
    if kind in ("string_too_short", "string_too_long"):
        bound = (
            f"{context['min_length']} at least" if kind == "string_too_short" else f"{context['max_length']} at most"
        )
        return f"{shown(value)} has {len(value)} characters; allowed: {bound}"
    message = error["msg"]
    return str(message if kind == "rule" else f"{message[0].lower()}{message[1:]}")


def _value(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, dict):
        return "a mapping of settings"
    if isinstance(value, tuple):
        return "a list"
    return shown(value) if isinstance(value, str | int | Decimal) else "this"


def _listed(expected: str) -> str:
    """pydantic's `'a', 'b' or 'c'` as `a, b, c`."""
    return expected.replace("' or '", "', '").replace(" or ", ", ").replace("'", "")


def _meant(path: tuple[int | str, ...]) -> str:
    """What may stand there, where a setting is misspelt or out of place."""
    part: type[Part] | None = Tenant
    for step in path[:-1]:
        if isinstance(step, str) and part is not None and step in part.model_fields:
            part = _part_of(part.model_fields[step].annotation)
    if part is None:
        return ""
    near = get_close_matches(str(path[-1]), part.model_fields, 1, 0.7)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(part.model_fields)}"


def _part_of(annotation: Any) -> type[Part] | None:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((found for each in get_args(annotation) if (found := _part_of(each)) is not None), None)
