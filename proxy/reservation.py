"""What a call may use at most, worked out from its request before anything answers: the amounts that admission reserves.

A token is never shorter than a byte (a property of byte-level BPE), and the JSON around a message is longer than what a
provider puts around it: the body's bytes bound the tokens of its text. What is no text has a fixed amount each; docs/limits.md
has the table, with what can exceed it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from core.units import tier
from proxy.bodies import Body, JsonBody
from proxy.endpoints import Endpoint, Metering
from proxy.forms import FormBody
from proxy.metering.figures import variant
from proxy.metering.requests import image_unit, images_asked, plain
from proxy.metering.tokenizer import Tokenizer
from proxy.routing import Candidate

DEFAULT_OUTPUT = 4096  # tokens, where neither the caller nor its policy sets a cap
_IMAGE = 1445  # a tiled image at high detail (https://platform.openai.com/docs/guides/images-vision)
_UNKNOWN = 8192  # what only the provider sees
_BASE64_PER_AUDIO_TOKEN = 128
_BASE64_PER_FILE_TOKEN = 4

# Of what is no text. The largest that models make and take, so that a reservation is seldom exceeded.
_IMAGE_MADE = 6240  # tokens: 1024x1536 at high quality
_IMAGE_SENT = 6240
_AUDIO_TOKENS_A_CHARACTER = 2  # 20 tokens a second, ten characters a second
_BYTES_A_SECOND = 2000  # 16 kbit/s
_MS_AN_AUDIO_TOKEN = 100
_VIDEO_MS = 12_000
_SIZE = "720x1280"

_MOST = 2**40  # tokens: more than any limit's worth, and far from where doubles lose count

# What makes a body more than its text; escaped letters may hide any of it.
_MARKERS = (
    b"image",
    b"audio",
    b"file",
    b"\\u00",
)
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Lines:
    """What the lines of a batch may use at most, and who may serve them."""

    input_tokens: int
    output_tokens: int
    candidates: Sequence[Candidate]


class Amounts(msgspec.Struct, frozen=True):
    """What a call may use at most."""

    input_tokens: int
    output_tokens: int  # of all its completions
    beyond_text: int = 0  # of the input: for what no tokenizer sees
    units: tuple[tuple[str, int], ...] = ()  # what is billed apart from text tokens (core.units)
    fixed: bool = False  # no tokenizer knows better
    priced_by: Sequence[Candidate] = ()  # whose prices hold in place of its own candidates'

    # As prices bill it (core.prices.Used).

    @property
    def input(self) -> int:
        return self.input_tokens

    @property
    def cached(self) -> int:
        return 0

    @property
    def output(self) -> int:
        return self.output_tokens


def reserve(endpoint: Endpoint, body: JsonBody) -> Amounts:
    """The bound for a request as it would be sent now."""
    data = body.data
    size, beyond = len(data), 0
    for marker in _MARKERS:
        if marker in data:
            blobs, beyond = _beyond_text(body)
            size -= blobs
            break
    beyond += _UNKNOWN * _unseen(endpoint, body)
    output = 0
    if endpoint.metering is not Metering.EMBEDDINGS:
        output = (body.output_cap() or DEFAULT_OUTPUT) * completions(endpoint, body)
    return Amounts(min(size + beyond, _MOST), min(output, _MOST), beyond)


def reserve_other(endpoint: Endpoint, body: Body, lines: Lines | None = None) -> Amounts:
    """The bound for a request that generates no text, or whose usage is known later; `lines`: of a batch that it makes."""
    if lines is not None:
        entry, output = min(lines.input_tokens, _MOST), min(lines.output_tokens, _MOST)
        return Amounts(entry, output, units=(tier("batch"),), fixed=True, priced_by=lines.candidates)
    fields = body.fields if isinstance(body, JsonBody) else body.texts() if isinstance(body, FormBody) else None
    if fields is None:
        return Amounts(0, 0)
    if endpoint.metering is Metering.IMAGES:
        files = body.file_bytes() if isinstance(body, FormBody) else ()
        count = images_asked(fields)
        entry = len(str(plain(fields.get("prompt")) or "").encode("utf-8", "replace")) + len(files) * _IMAGE_SENT
        return Amounts(entry, count * _IMAGE_MADE, units=((image_unit(fields), count),), fixed=True)
    if endpoint.metering is Metering.SPEECH:
        text = str(plain(fields.get("input")) or "") + str(plain(fields.get("instructions")) or "")
        spoken = len(text) * _AUDIO_TOKENS_A_CHARACTER
        size = len(text.encode("utf-8", "replace"))
        return Amounts(size, spoken, units=(("character", len(text)), ("audio_output_token", spoken)), fixed=True)
    if endpoint.metering is Metering.TRANSCRIPTION and isinstance(body, FormBody):
        length = sum(body.file_bytes()) * 1000 // _BYTES_A_SECOND
        heard = length // _MS_AN_AUDIO_TOKEN + 1
        units = (("audio_millisecond", length), ("audio_input_token", heard))
        return Amounts(heard, DEFAULT_OUTPUT, units=units, fixed=True)
    if endpoint.makes == "video":
        seconds = plain(fields.get("seconds"))
        known = str(seconds).isdecimal() and len(str(seconds)) <= 4
        length = int(seconds) * 1000 if known else _VIDEO_MS
        return Amounts(0, 0, units=((f"video_millisecond:{variant(plain(fields.get('size')) or _SIZE)}", length),))
    return Amounts(0, 0)


async def exact_input(tokenizer: Tokenizer, model: str, body: JsonBody, amounts: Amounts) -> int:
    """The input by the real tokenizer, where that is less than the bound: for calls near a cap or a limit.

    Tools and schemas are not counted but taken by their bytes: providers write them out in ways of their own.
    """
    counted = await tokenizer.count_exactly(model, body.data)
    if counted is None:
        return amounts.input_tokens
    fields = body.fields
    unseen = sum(
        len(bytes(fields[name])) for name in ("tools", "functions", "response_format", "text") if name in fields
    )
    return min(amounts.input_tokens, counted + unseen + amounts.beyond_text)


def completions(endpoint: Endpoint, body: JsonBody) -> int:
    """How many answers are generated; what is no number is the upstream's to refuse."""
    if endpoint.metering is Metering.CHAT:
        return body.count("n")
    if endpoint.metering is Metering.COMPLETIONS:
        return max(body.count("n"), body.count("best_of")) * body.prompts()
    return 1


def _beyond_text(body: JsonBody) -> tuple[int, int]:
    """The bytes that are no text, and the tokens for what is no text, in messages."""
    blobs = beyond = 0
    for name in ("messages", "input"):
        raw = body.fields.get(name)
        if raw is not None:
            found = _parts(body.read(name))
            blobs, beyond = blobs + found[0], beyond + found[1]
    return blobs, beyond


def _unseen(endpoint: Endpoint, body: JsonBody) -> int:
    """How much of the input only the provider knows: earlier turns, and what built-in tools find."""
    fields = body.fields
    count = 0
    if endpoint.metering is Metering.RESPONSES:
        for name in ("previous_response_id", "conversation", "prompt"):
            if name in fields and bytes(fields[name]) != b"null":
                count += 1
    if "tools" in fields or "web_search_options" in fields:
        count += sum(1 for kind in tool_types(body) if kind not in ("function", "custom"))
    return count


def tool_types(body: JsonBody) -> list[str]:
    """The tools that a request brings, by their `type`, older spellings included."""
    types = []
    for name, usual in (("tools", "function"), ("data_sources", "data_source")):  # Azure's: an index, a database
        given = body.read(name) if name in body.fields else None
        if isinstance(given, list):
            types += [str(tool.get("type", usual)) for tool in given if isinstance(tool, dict)]
    if "functions" in body.fields:
        types.append("function")
    if "web_search_options" in body.fields:
        types.append("web_search")
    return types


def nested_tool_types(value: Any) -> list[str]:
    """The tools that stand further within: an eval's samples, an item that brings tools into a conversation."""
    types = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            given = each.get("tools")
            if isinstance(given, list):
                types += [str(tool.get("type", "function")) for tool in given if isinstance(tool, dict)]
            waiting.extend(each.values())
    return types


def _parts(value: Any) -> tuple[int, int]:
    blobs = beyond = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            part = _part(each)
            if part is None:
                waiting.extend(each.values())
            else:
                blobs, beyond = blobs + part[0], beyond + part[1]
    return blobs, beyond


def _part(part: dict[str, Any]) -> tuple[int, int] | None:
    """Bytes and tokens of a part of a message that is no text; None for what is."""
    kind = part.get("type")
    if kind in ("image_url", "input_image"):
        url = part.get("image_url")
        url = url.get("url") if isinstance(url, dict) else url
        return (len(url) if isinstance(url, str) and url.startswith("data:") else 0), _IMAGE
    if kind == "input_audio":
        sound = _text(part.get("input_audio"), "data")
        return len(sound), len(sound) // _BASE64_PER_AUDIO_TOKEN + 1 if sound else _UNKNOWN
    if kind in ("file", "input_file"):
        holder = part.get("file") if kind == "file" else part
        data = _text(holder, "file_data")
        return len(data), len(data) // _BASE64_PER_FILE_TOKEN + 1 if data else _UNKNOWN
    return None


def _text(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""
