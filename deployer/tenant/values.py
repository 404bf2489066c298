"""One value of the tenant file by itself: what `aduana init` checks as soon as it is given."""

from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from deployer.tenant import Tenant
from deployer.tenant.part import Part, part_in
from deployer.tenant.words import in_words

_STRICT = ConfigDict(strict=True, str_strip_whitespace=True)


def check_value(path: str, value: Any) -> Any:
    """The value of the setting at `path` (`network.mode`); of a list's, one item. Raises `ValueError` in words."""
    try:
        return _adapter(path).validate_python(value)
    except ValidationError as error:
        raise ValueError("; ".join(in_words(each) for each in error.errors(include_url=False))) from None


@cache
def _adapter(path: str) -> TypeAdapter[Any]:
    part: type[Part] = Tenant
    *sections, last = path.split(".")
    for name in sections:
        inner = part_in(part.model_fields[name].annotation)
        assert inner is not None, path
        part = inner
    field = part.model_fields[last]
    if get_origin(field.annotation) is tuple:
        item = get_args(field.annotation)[0]
        return TypeAdapter(item) if part_in(item) is not None else TypeAdapter(item, config=_STRICT)
    whole: Any = Annotated[field.annotation, field]
    return TypeAdapter(whole, config=_STRICT)
