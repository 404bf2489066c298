"""What providers bill by: the units of prices and of the ledger, by one name each.

Text tokens are the plain case: an event's input, cached and output tokens. Everything else is a unit with a whole quantity:
audio, image and cache-write tokens, each a share of one of those three, and what is billed beside tokens. Time is counted in
milliseconds. A unit may have a variant, `image:1024x1024/hd`; one that begins with `tier:` says under which terms all of an
event was sold.
"""

import re
from dataclasses import dataclass
from enum import Enum

MILLION = 1_000_000

INPUT, CACHED_INPUT, OUTPUT = "input_token", "cached_input_token", "output_token"
"""Text tokens, as prices call them."""
TEXT = frozenset({INPUT, CACHED_INPUT, OUTPUT})


class Part(Enum):
    """Of which of an event's token counts a unit is a share."""

    INPUT = "input"  # that was not cached
    CACHED = "cached"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Unit:
    """Something that is billed."""

    name: str
    key: str  # of a price in the seed file
    per: int = MILLION  # so many cost what the seed file says
    part: Part | None = None  # None: it is billed beside the tokens
    instead: tuple[str, ...] = ()  # whose price holds where it has none of its own: the first that there is
    as_text: bool = False  # providers that name no price of its own sell it as text


_AS_INPUT, _AS_CACHED, _AS_OUTPUT = (INPUT,), (CACHED_INPUT, INPUT), (OUTPUT,)

TOKEN_UNITS = (
    Unit(INPUT, "input_per_million"),
    Unit(CACHED_INPUT, "cached_input_per_million", instead=_AS_INPUT),
    Unit(OUTPUT, "output_per_million"),
    # Reported by the models that bill them (https://developers.openai.com/api/docs/guides/prompt-caching).
    Unit("cache_write_token", "cache_write_per_million", part=Part.INPUT, instead=_AS_INPUT),
    Unit(
        "cache_write_12h_token",
        "cache_write_12h_per_million",
        part=Part.INPUT,
        instead=("cache_write_token", *_AS_INPUT),
    ),
    Unit("audio_input_token", "audio_input_per_million", part=Part.INPUT, instead=_AS_INPUT),
    Unit(
        "cached_audio_input_token",
        "cached_audio_input_per_million",
        part=Part.CACHED,
        instead=("audio_input_token", *_AS_CACHED),
    ),
    Unit("audio_output_token", "audio_output_per_million", part=Part.OUTPUT, instead=_AS_OUTPUT),
    Unit("image_input_token", "image_input_per_million", part=Part.INPUT, instead=_AS_INPUT, as_text=True),
    Unit(
        "cached_image_input_token",
        "cached_image_input_per_million",
        part=Part.CACHED,
        instead=("image_input_token", *_AS_CACHED),
        as_text=True,
    ),
    Unit("image_output_token", "image_output_per_million", part=Part.OUTPUT, instead=_AS_OUTPUT, as_text=True),
)
"""What the terms of a tier may name, too."""

PIECE_UNITS = (
    Unit("training_token", "training_per_million"),
    Unit("character", "characters_per_million"),
    Unit("audio_millisecond", "audio_per_minute", per=60_000),
    Unit("audio_file", "audio_file", per=1),  # an audio whose length nobody said
)

VARIED_UNITS = (
    Unit("image", "images", per=1),  # by size, or size/quality
    Unit("video_millisecond", "video_per_second", per=1000),  # by size
    Unit("container_millisecond", "container_per_minute", per=60_000),  # by memory
)
"""Units whose price may differ by variant."""

CALL_UNITS = tuple(
    Unit(name, name, per=1000)
    for name in ("request", "web_search_call", "file_search_call", "code_interpreter_session", "image_generation_call")
)
"""What is billed by the call, whatever it does."""

TOOLS = ("image_generation", "svg")
"""Models that work within a call of another one; what they used is reported apart: `image_generation.input_token`."""

TOOL_TOKEN_UNITS = tuple(unit for unit in TOKEN_UNITS if unit.name in TEXT or (unit.as_text and unit.part is not None))


def of_tool(tool: str, unit: str) -> str:
    """The name of a unit that a tool used."""
    return f"{tool}.{unit}"


UNITS = {
    unit.name: unit
    for unit in (
        *TOKEN_UNITS,
        *PIECE_UNITS,
        *VARIED_UNITS,
        *CALL_UNITS,
        *(
            Unit(of_tool(tool, unit.name), unit.key, instead=tuple(of_tool(tool, name) for name in unit.instead))
            for tool in TOOLS
            for unit in TOOL_TOKEN_UNITS
        ),
    )
}
"""By name, without variants."""

VARIED = frozenset(unit.name for unit in VARIED_UNITS)

_TIER = "tier:"


def tier(name: str) -> tuple[str, int]:
    """The unit that says under which terms an event was sold: batch, flex, priority, ..."""
    return (_TIER + name, 1)


def tier_of(unit: str) -> str | None:
    """The tier that a unit names; None for every other unit."""
    return unit[len(_TIER) :] if unit.startswith(_TIER) else None


def names_of(unit: str) -> tuple[str, ...]:
    """A unit's names from the narrowest to the widest: image:1024x1024/hd, image:1024x1024, image."""
    name, _, variant = unit.partition(":")
    if not variant:
        return (unit,)
    parts = variant.split("/")
    return (*(f"{name}:{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1)), name)


_STORED = re.compile(r"([^@>]+)(?:@([a-z][a-z_]*))?(?:>([0-9]{1,12}))?")


def stored(unit: str, tier: str | None = None, above: int | None = None) -> str:
    """A unit as the table of prices has it: `input_token@batch>272000`, in the tier batch, above so much input."""
    return unit + (f"@{tier}" if tier is not None else "") + (f">{above}" if above is not None else "")


def parse_stored(text: str) -> tuple[str, str | None, int | None]:
    """The unit, the tier and the tokens of input above which it holds. Raises `ValueError` for what is none."""
    match = _STORED.fullmatch(text)
    if match is None or match[1].partition(":")[0] not in UNITS:
        raise ValueError(f"not a unit of prices: {text[:100]!r}")
    return match[1], match[2], int(match[3]) if match[3] is not None else None
