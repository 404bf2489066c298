"""What every part of the tenant file is: strict, frozen, and able to say what is wrong in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold: where in the part, and what is allowed."""

    path: tuple[str | int, ...]
    message: str


VALUES_ALONE = "values alone"
"""The validation context in which a part is taken though its rules do not hold."""


class Part(BaseModel):
    """A part of the file: nothing unknown in it, nothing guessed from another type, never changed once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, regex_engine="python-re", str_strip_whitespace=True
    )

    def broken(self) -> Iterator[Broken]:
        """What is wrong in it though each value is right by itself."""
        yield from ()

    @model_validator(mode="before")
    @classmethod
    def _empty_is_the_default(cls, data: Any) -> Any:
        return {} if data is None else data

    @model_validator(mode="after")
    def _holds_together(self, info: ValidationInfo) -> Self:
        if info.context == VALUES_ALONE:
            return self
        if broken := list(self.broken()):
            raise as_validation_error(type(self).__name__, broken)
        return self


def as_validation_error(title: str, broken: list[Broken]) -> ValidationError:
    """Rules that do not hold, as pydantic says it."""
    return ValidationError.from_exception_data(
        title,
        [
            InitErrorDetails(
                type=PydanticCustomError("rule", "{message}", {"message": each.message}), loc=each.path, input=None
            )
            for each in broken
        ],
    )


class NumberOrText:
    """A text that looks like a number, quoted or not: `17` and `"17"` are the same."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._as_text, handler(source))

    @staticmethod
    def _as_text(value: Any) -> Any:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return format(Decimal(value).normalize(), "f")
        return value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        allowed = handler(schema)
        allowed["type"] = ["string", "number"]
        if "enum" in allowed:
            numbers = (float(each) for each in allowed["enum"])
            allowed["enum"] = [*allowed["enum"], *(int(each) if each.is_integer() else each for each in numbers)]
        return allowed


def part_in(annotation: Any) -> type[Part] | None:
    """The part that a field's type holds: itself, optional, or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((found for each in get_args(annotation) if (found := part_in(each)) is not None), None)
