"""What a response used beside its model's tokens: calls of built-in tools, and the tokens of models that work as tools."""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from core.units import CACHED_INPUT, INPUT, OUTPUT, UNITS, Part, of_tool
from proxy.metering import Tokens
from proxy.metering.figures import (
    MOST,
    CachedDetails,
    InputDetails,
    OutputDetails,
    Units,
    Usage,
    decode_any,
    positive,
)
from proxy.unreadable import UNREADABLE

# Whatever is billed apart from tokens is an item whose type ends so.
_MARKS = (b"search_call", b"interpreter_call", b"generation_call")
_ESSENCE = ("type", "status", "action", "container_id", "svg_usage")


def tool_units(output: Raw, reported: Raw) -> Units:
    """Of a response's `output` and its `tool_usage`; providers that report no such thing are counted by their items."""
    units = dict(units_of_items(_dicts(_value(output)))) if may_be_billed(output) else {}
    usage = _value(reported)
    if isinstance(usage, dict):
        searches = _inner(usage, "web_search").get("num_requests")
        if type(searches) is int and is_count(searches):
            units["web_search_call"] = searches
        images = _image_generation(_inner(usage, "image_gen"))
        if images is not None and (images.input or images.output):
            units.pop("image_generation_call", None)
            units |= dict(units_of_tool("image_generation", images))
    return positive(*units.items())


def may_be_billed(items: Raw) -> bool:
    """Whether there may be a built-in tool's call among some items: nearly all answers have none."""
    data = bytes(items)
    return any(mark in data for mark in _MARKS)


def essence(item: Raw) -> dict[str, Any]:
    """What an item's bill depends on, without what it found or made."""
    value = _value(item)
    return {name: value.get(name) for name in _ESSENCE} if isinstance(value, dict) else {}


def units_of_items(items: Iterable[dict[str, Any]]) -> Units:
    """Of items of a response's output. A search is billed, opening and reading what it found is not."""
    units = dict[str, int]()
    containers = set[str]()
    for item in items:
        kind = item.get("type")
        if item.get("status") == "failed":
            continue
        if kind == "code_interpreter_call":
            containers.add(str(item.get("container_id")))
        elif kind == "file_search_call" or (
            kind == "web_search_call" and _inner(item, "action").get("type", "search") == "search"
        ):
            units[kind] = units.get(kind, 0) + 1
        elif kind == "image_generation_call":
            units[kind] = units.get(kind, 0) + 1
            for name, quantity in svg_units(item.get("svg_usage")):
                units[name] = units.get(name, 0) + quantity
    units["code_interpreter_session"] = len(containers)
    return positive(*units.items())


def svg_units(usage: Any) -> Units:
    """Of the model that writes an image as SVG."""
    if not isinstance(usage, dict):
        return ()
    entry, output = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    if not is_count(entry) or not is_count(output):
        return ()
    return positive((of_tool("svg", INPUT), entry), (of_tool("svg", OUTPUT), output))


def units_of_tool(tool: str, used: Tokens) -> Units:
    """A tool's tokens: each share by its name, the text among them too."""
    text = {Part.INPUT: used.input - used.cached, Part.CACHED: used.cached, Part.OUTPUT: used.output}
    for name, quantity in used.units:
        part = UNITS[name].part
        if part is not None:
            text[part] -= quantity
    names = {Part.INPUT: INPUT, Part.CACHED: CACHED_INPUT, Part.OUTPUT: OUTPUT}
    shares = (*((names[part], quantity) for part, quantity in text.items()), *used.units)
    return positive(*((of_tool(tool, name), quantity) for name, quantity in shares))


def _image_generation(usage: dict[str, Any]) -> Tokens | None:
    """Its usage object has names of its own for what is cached."""
    details, cached = _inner(usage, "input_tokens_details"), _inner(usage, "cached_tokens_details")
    made = _inner(usage, "output_tokens_details")
    figures = (
        *(usage.get(name) for name in ("input_tokens", "output_tokens", "cached_tokens")),
        *(details.get("image_tokens"), cached.get("cached_image_tokens"), made.get("image_tokens")),
    )
    if not all(each is None or is_count(each) for each in figures):
        return None
    total, output, from_cache, images, cached_images, images_made = figures
    return Usage(
        input_tokens=total,
        output_tokens=output,
        input_tokens_details=InputDetails(
            cached_tokens=from_cache,
            image_tokens=images,
            cached_tokens_details=CachedDetails(image_tokens=cached_images),
        ),
        output_tokens_details=OutputDetails(image_tokens=output if images_made is None else images_made),
    ).tokens()


def is_count(value: Any) -> bool:
    """Whether a figure can be true."""
    return type(value) is int and 0 <= value <= MOST


def _value(raw: Raw) -> Any:
    try:
        return decode_any(raw)
    except UNREADABLE:
        return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _inner(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
