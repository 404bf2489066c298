"""Every setting of the tenant file in the order of the file, for what is written of it: the file of `aduana init`, the docs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deployer.forms import Form
from deployer.tenant import Tenant
from deployer.tenant.part import Part, part_in


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, or a section of them.

    `default` is as the file would have it (None: left out). `example` is a value that one might give where there is no
    default. `allowed` are the values where they are few enough to be listed, and `form` says in words what else may be.
    `inside` are the settings of a section (`kind` section), of one that is left out unless it is needed
    (optional), or of each item of a list (items).
    """

    name: str
    kind: Literal["value", "section", "optional", "items"]
    explanation: str
    allowed: tuple[str, ...]
    form: str
    required: bool
    default: Any
    example: Any
    inside: tuple["Setting", ...] = field(default=())


def outline() -> tuple[Setting, ...]:
    """The whole file."""
    return _settings(Tenant, None)


def flat(settings: tuple[Setting, ...], above: str = "") -> Iterator[tuple[str, Setting]]:
    """Each with its path: `network.mode`, `openai.accounts[].name`."""
    for setting in settings:
        path = f"{above}{setting.name}{'[]' if setting.kind == 'items' else ''}"
        yield path, setting
        yield from flat(setting.inside, f"{path}.")


def _settings(part: type[Part], default: Part | None) -> tuple[Setting, ...]:
    """Of a part whose default is `default`; None: it has none of its own."""
    return tuple(_setting(name, info, default) for name, info in part.model_fields.items())


def _setting(name: str, info: FieldInfo, above: Part | None) -> Setting:
    default = getattr(above, name) if above is not None else info.get_default(call_default_factory=True)
    default = None if default is PydanticUndefined else default
    part = part_in(info.annotation)
    optional = NoneType in _alternatives(info.annotation)
    kind: Literal["value", "section", "optional", "items"] = "value"
    if part is not None:
        kind = "items" if get_origin(info.annotation) is tuple else "optional" if optional else "section"
    return Setting(
        name=name,
        kind=kind,
        explanation=info.description or (part.__doc__ or "").strip() if part is not None else info.description or "",
        allowed=tuple(map(str, _literals(info.annotation))),
        form=_form(info) if part is None else "",
        required=info.is_required(),
        default=default.model_dump() if isinstance(default, Part) else default,
        example=_example(info),
        inside=_settings(part, default if isinstance(default, Part) else None) if part is not None else (),
    )


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _literals(annotation: Any) -> tuple[Any, ...]:
    """The values that a type lists."""
    for each in _alternatives(annotation):
        if get_origin(each) is Annotated:
            each = get_args(each)[0]
        if get_origin(each) is Literal:
            return get_args(each)
    return (True, False) if annotation is bool else ()


def _form(info: FieldInfo) -> str:
    """`7 to 35`, `a host's name`, `list of: an IPv4 address`, or the values, where they are listed."""
    bounds = {name: getattr(each, name) for each in info.metadata for name in _BOUNDS if hasattr(each, name)}
    for annotation in _alternatives(info.annotation):
        if annotation is int:
            return f"{bounds['ge']} to {bounds['le']}"
        if annotation is bool:
            return "true, false"
        if get_origin(annotation) is tuple:
            return f"list of: {_words(get_args(annotation)[0])}"
        if get_origin(annotation) is dict:
            name, value = get_args(annotation)
            return f"mapping of: {_words(name)}; to {_words(value)}"
        if words := _words(annotation, *info.metadata):
            return words
    return f"{bounds['min_length']} to {bounds['max_length']} characters"


_BOUNDS = ("ge", "le", "min_length", "max_length")


def _words(annotation: Any, *metadata: Any) -> str:
    forms = [each.words for each in (*metadata, *getattr(annotation, "__metadata__", ())) if isinstance(each, Form)]
    if forms:
        return forms[0]
    return ", ".join(map(str, _literals(annotation)))


def _example(info: FieldInfo) -> Any:
    if info.examples:
        return info.examples[0]
    found = [*info.metadata]
    for each in _alternatives(info.annotation):
        found += getattr(each, "__metadata__", ())
    return next((each.example for each in found if isinstance(each, Form)), None)
