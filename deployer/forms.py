"""Forms of text in the tenant file: what a value must look like, said in words and with an example."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

_SHOWN = 120


def shown(value: object) -> str:
    """A value as an error quotes it: on one line, and not without end."""
    text = str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


class Form:
    """The form of a text: a pattern for the program, words and an example for who writes it.

    `pattern` is matched against the whole, case by case unless `ignore_case`. `prepare` is applied first, to what is
    then the value; `refuse` says why a value is wrong that one would give for a right one, and None of any other.
    `schema_pattern` stands in the JSON Schema where the pattern is not one of ECMA-262's.
    """

    def __init__(
        self,
        pattern: str,
        words: str,
        example: str,
        *,
        prepare: Callable[[str], str] | None = None,
        ignore_case: bool = False,
        schema_pattern: str | None = None,
        refuse: Callable[[str], str | None] | None = None,
    ) -> None:
        self._pattern = re.compile(pattern, re.ASCII | (re.IGNORECASE if ignore_case else 0))
        self.words = words
        self.example = example
        self._prepare = prepare
        self._schema: Mapping[str, Any] = {
            "pattern": schema_pattern or f"^(?:{pattern})$",
            "examples": [example],
            "patternErrorMessage": f"{words}, such as {example}",
        }
        self._refuse = refuse

    def check(self, text: str) -> str:
        """The value. Raises `ValueError` in words."""
        value = self._prepare(text) if self._prepare else text
        if self._refuse is not None and (why := self._refuse(value)):
            raise ValueError(f"{shown(text)} {why}")
        if self._pattern.fullmatch(value) is None:
            raise ValueError(f"{shown(text)} is not {self.words}, such as {self.example}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **self._schema}
