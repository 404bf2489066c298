"""The text of a tenant file: what was chosen, and every other setting with its default, commented out and explained."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from deployer.tenant.outline import Setting, outline

SCHEMA_FILE = "tenant.schema.json"
_SHOWN = 6  # of the allowed values, where there are more


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file. `off` is the indentation at which it is commented out; None: it counts. Empty: a blank one."""

    indent: int
    text: str
    off: int | None = None

    def __str__(self) -> str:
        if not self.text:
            return ""
        if self.off is None:
            return " " * self.indent + self.text
        return " " * self.off + "#" + " " * (self.indent - self.off) + self.text


def write_document(settings: Mapping[str, Any], *, schema: str = SCHEMA_FILE) -> str:
    """The file that says `settings`, nested as in it. `schema` is where editors find the JSON Schema, from the file."""
    environment = Environment(
        loader=PackageLoader("deployer.init", "."),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - it is YAML, and every value is written by `scalar`
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    blocks = [list(_lines((setting,), settings, 0, None)) for setting in outline()]
    return environment.get_template("tenant.yaml.j2").render(name=settings["name"], schema=schema, blocks=blocks)


def _lines(settings: Sequence[Setting], given: Mapping[str, Any], indent: int, off: int | None) -> Iterator[Line]:
    for setting in settings:
        on = setting.name in given
        hidden = off if off is not None else None if on or setting.kind == "section" else indent
        yield Line(indent, f"# {_explanation(setting)}", off)
        yield from _setting(setting, given.get(setting.name), on, indent, hidden)


def _setting(setting: Setting, value: Any, on: bool, indent: int, off: int | None) -> Iterator[Line]:
    if setting.kind in ("section", "optional"):
        yield Line(indent, f"{setting.name}:", off)
        yield from _lines(setting.inside, value or {}, indent + 2, off)
    elif setting.kind == "items":
        yield Line(indent, f"{setting.name}:", off)
        for item in value if on else ({},):
            yield from _item(setting, item, indent + 2, off)
    else:
        yield from _value(setting.name, value if on else _stands_for(setting), indent, off)


def _item(setting: Setting, item: Mapping[str, Any], indent: int, off: int | None) -> Iterator[Line]:
    """A list's item: its first setting has the hyphen."""
    lines = iter(_lines(setting.inside, item, indent + 2, off))
    for line in lines:
        if line.text.startswith("#"):
            yield line
        else:
            yield Line(indent, f"- {line.text}", line.off)
            break
    yield from lines


def _value(name: str, value: Any, indent: int, off: int | None) -> Iterator[Line]:
    if isinstance(value, Mapping) and value:
        yield Line(indent, f"{name}:", off)
        for key, each in value.items():
            yield Line(indent + 2, f"{scalar(key)}: {scalar(each)}", off)
    elif isinstance(value, list | tuple) and value:
        yield Line(indent, f"{name}:", off)
        for each in value:
            yield Line(indent + 2, f"- {scalar(each)}", off)
    else:
        yield Line(indent, f"{name}: {scalar(value)}", off)


def _stands_for(setting: Setting) -> Any:
    """The default, or where there is none, what one might write."""
    return setting.example if setting.default is None else setting.default


def _explanation(setting: Setting) -> str:
    values = [each.lower() if each in ("True", "False") else each for each in setting.allowed]
    if len(values) > _SHOWN:
        values = [*values[:_SHOWN], "…"]
    return f"{setting.explanation} ({' | '.join(values)})" if len(values) > 1 else setting.explanation


# What every reader of YAML takes for the same text, quoted or not.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*", re.ASCII)
_ID_OR_RANGE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]+(\.[0-9]+){3}/[0-9]+", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def scalar(value: Any) -> str:
    """A value as YAML has it, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    text = str(value)
    if _ID_OR_RANGE.fullmatch(text) or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    return json.dumps(text, ensure_ascii=False)
