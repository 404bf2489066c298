"""The usage object that a provider reports, under all the names that its endpoints have for the same figures.

Every figure is taken as what it is said to be a part of: cached tokens, audio, images and cache writes can never make the
share of text negative, whatever a provider says (tests/proxy/test_hostile_figures.py).
"""

import re
from collections.abc import Iterable
from math import isfinite

import msgspec
from msgspec import Raw, Struct

from core.units import tier, tier_of
from proxy.metering import Tokens

MOST = 2**31 - 1  # of anything in one call; a figure beyond it is no count, and would not fit the ledger's record

Units = tuple[tuple[str, int], ...]

ABSENT = Raw()
"""A field that is not there, where it is kept as JSON."""


class CachedDetails(Struct):
    """Of what the cached tokens are."""

    audio_tokens: int | None = 0
    image_tokens: int | None = 0


class CacheWrites(Struct):
    """How long what was written to the cache stays."""

    ttl_12h_tokens: int | None = 0


class InputDetails(Struct):
    """Shares of the input."""

    cached_tokens: int | None = 0
    audio_tokens: int | None = 0
    image_tokens: int | None = 0
    cache_write_tokens: int | None = 0
    cached_tokens_details: CachedDetails | None = None
    cache_write_tokens_details: CacheWrites | None = None


class OutputDetails(Struct):
    """Shares of the output."""

    reasoning_tokens: int | None = 0
    audio_tokens: int | None = 0
    image_tokens: int | None = 0


class Usage(Struct):
    """Chat's, completions' and embeddings' names, those of responses, and those of realtime; a provider sends one set."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    input_token_details: InputDetails | None = None
    output_token_details: OutputDetails | None = None
    prompt_token_details: InputDetails | None = None  # of assistants' runs

    def tokens(self) -> Tokens | None:
        """The figures, or None where the object holds none that can be true."""
        if self.prompt_tokens is not None:
            total, output = self.prompt_tokens, self.completion_tokens or 0
            before, after = self.prompt_tokens_details or self.prompt_token_details, self.completion_tokens_details
        elif self.input_tokens is not None:
            total, output = self.input_tokens, self.output_tokens or 0
            before = self.input_tokens_details or self.input_token_details
            after = self.output_tokens_details or self.output_token_details
        else:
            return None
        cached = (before.cached_tokens or 0) if before is not None else 0
        reasoning = (after.reasoning_tokens or 0) if after is not None else 0
        if not (0 <= total <= MOST and 0 <= output <= MOST and cached >= 0 and reasoning >= 0):
            return None
        cached = min(cached, total)
        units: Units = ()
        if before is not None and (before.audio_tokens or before.image_tokens or before.cache_write_tokens):
            found = _input_units(before, total, cached)
            if found is None:
                return None
            units = found
        if after is not None and (after.audio_tokens or after.image_tokens):
            audio, images = after.audio_tokens or 0, after.image_tokens or 0
            if audio < 0 or images < 0:
                return None
            audio = min(audio, output)
            units += positive(("audio_output_token", audio), ("image_output_token", min(images, output - audio)))
        return Tokens(total, cached, output, min(reasoning, output), units)


def _input_units(details: InputDetails, total: int, cached: int) -> Units | None:
    """Shares of an input, none of them twice: first what is said to be cached, then what is left; None for no figures."""
    audio, images, writes = details.audio_tokens or 0, details.image_tokens or 0, details.cache_write_tokens or 0
    known, kept = details.cached_tokens_details or CachedDetails(), details.cache_write_tokens_details or CacheWrites()
    cached_audio, cached_images, long = known.audio_tokens or 0, known.image_tokens or 0, kept.ttl_12h_tokens or 0
    if min(audio, images, writes, cached_audio, cached_images, long) < 0:
        return None
    left, left_cached = total - cached, cached
    cached_audio, left_cached = _take(min(cached_audio, audio), left_cached)
    cached_images, left_cached = _take(min(cached_images, images), left_cached)
    # A provider that does not say what was cached: text, as far as there is as much of it.
    fresh_audio, left = _take(audio - cached_audio, left)
    more, left_cached = _take(audio - cached_audio - fresh_audio, left_cached)
    cached_audio += more
    fresh_images, left = _take(images - cached_images, left)
    more, left_cached = _take(images - cached_images - fresh_images, left_cached)
    cached_images += more
    writes, left = _take(writes, left)
    long = min(long, writes)
    return positive(
        ("audio_input_token", fresh_audio),
        ("image_input_token", fresh_images),
        ("cache_write_token", writes - long),
        ("cache_write_12h_token", long),
        ("cached_audio_input_token", cached_audio),
        ("cached_image_input_token", cached_images),
    )


def _take(wanted: int, left: int) -> tuple[int, int]:
    taken = min(wanted, left)
    return taken, left - taken


def positive(*units: tuple[str, int]) -> Units:
    """Those of which there is any."""
    return tuple(unit for unit in units if unit[1] > 0)


def added(figures: Iterable[Tokens]) -> Tokens:
    """Several usages as one."""
    entry = cached = output = reasoning = 0
    units = dict[str, int]()
    for each in figures:
        entry, cached = entry + each.input, cached + each.cached
        output, reasoning = output + each.output, reasoning + each.reasoning
        for name, quantity in each.units:
            units[name] = units.get(name, 0) + quantity
    return Tokens(entry, cached, output, reasoning, tuple(units.items()))


def milliseconds(seconds: float) -> int | None:
    """A length of time as a unit's quantity; None for what is none."""
    if not isfinite(seconds) or not 0 <= seconds * 1000 <= MOST:
        return None
    return int(seconds * 1000 + 0.5)


# ── Under which terms it was served ──

_STANDARD = frozenset({b"", b"null", b'"auto"', b'"default"', b'"standard"'})
_NAME = re.compile(rb'"([a-z][a-z_]{0,31})"')


def under(tokens: Tokens | None, service_tier: Raw) -> Tokens | None:
    """The usage with the tier that the answer says it was served in, where that is not the standard one."""
    said = bytes(service_tier)
    if tokens is None or said in _STANDARD:
        return tokens
    name = _NAME.fullmatch(said)
    return tokens._replace(units=(*tokens.units, tier(name[1].decode() if name is not None else "unknown")))


def in_batch(tokens: Tokens) -> Tokens:
    """What a line of a batch used."""
    return tokens._replace(units=(*(unit for unit in tokens.units if tier_of(unit[0]) is None), tier("batch")))


_VARIANT = re.compile(r"[A-Za-z0-9._-]{1,32}")


def variant(*parts: object) -> str:
    """What a unit is a variant of, as prices say it: 1024x1024/hd."""
    return "/".join(part if isinstance(part, str) and _VARIANT.fullmatch(part) else "unknown" for part in parts)


decode_any = msgspec.json.Decoder().decode
"""JSON as plain values. Raises `UNREADABLE`."""
