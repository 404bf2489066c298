"""Reading the fields that most resources share."""

import time
from collections.abc import Mapping
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.forms import SentFile


def now() -> int:
    """The time as the provider writes it: whole seconds."""
    return int(time.time())


def text(body: Mapping[str, Any], name: str) -> str:
    """A field that must be a text.

    Raises:
        ApiError: 400, it is missing or something else.
    """
    value = body.get(name)
    if value is None:
        raise errors.missing(name)
    if not isinstance(value, str):
        raise errors.wrong_type(name, "a string")
    return value


def one_of(body: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    """A field that must be one of these.

    Raises:
        ApiError: 400, it is missing or something else.
    """
    value = text(body, name)
    if value not in allowed:
        raise errors.wrong_value(
            name, f"Invalid value: '{value}'. Supported values are: {', '.join(map(repr, allowed))}."
        )
    return value


def whole(body: Mapping[str, Any], name: str) -> int:
    """A field that must be a whole number; a form writes it as text.

    Raises:
        ApiError: 400, it is missing or something else.
    """
    value = body.get(name)
    if value is None:
        raise errors.missing(name)
    if isinstance(value, str) and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise errors.wrong_type(name, "an integer")
    return value


def number(body: Mapping[str, Any], name: str, default: int) -> int:
    """A field that is a whole number, where it is there.

    Raises:
        ApiError: 400, it is something else.
    """
    return default if body.get(name) is None else whole(body, name)


def flag(body: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false; a form writes it as text. Left out, it is false.

    Raises:
        ApiError: 400, it is something else.
    """
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if value in ("true", "false"):
        return bool(value == "true")
    raise errors.wrong_type(name, "a boolean")


def objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A field that is a list of objects; left out, it is empty.

    Raises:
        ApiError: 400, it is something else.
    """
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise errors.wrong_type(name, "an array of objects")
    return value


def texts(body: Mapping[str, Any], name: str) -> list[str]:
    """A field that is a list of texts; left out, it is empty.

    Raises:
        ApiError: 400, it is something else.
    """
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise errors.wrong_type(name, "an array of strings")
    return value


def sent_file(body: Mapping[str, Any], name: str) -> SentFile:
    """A field that must be a file.

    Raises:
        ApiError: 400, it is missing or something else.
    """
    value = body.get(name)
    if value is None:
        raise errors.missing(name)
    if not isinstance(value, SentFile):
        raise errors.wrong_type(name, "a file")
    return value


def metadata(body: Mapping[str, Any]) -> dict[str, str]:
    """`metadata`: up to 16 texts.

    Raises:
        ApiError: 400, it is something else.
    """
    value = body.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise errors.wrong_type("metadata", "an object of strings")
    if len(value) > 16:
        raise errors.wrong_value("metadata", "Invalid 'metadata': too many properties. Expected at most 16.")
    return value


def changed(shown: dict[str, Any], body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Take over what the request changes of these."""
    metadata(body)
    shown |= {name: body[name] for name in names if name in body}
    return shown


def gone(object_id: str, said: str) -> dict[str, Any]:
    """The answer to a deletion."""
    return {"id": object_id, "object": said, "deleted": True}
