"""The prices of a seed file, and as the table has them: a row a unit.

`price_values` reads an entry, `stored_amounts` says which rows that makes, `values_of` reads rows as a file would say them;
the last two undo each other.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from core.seed.document import Fields
from core.seed.reading import Entry, Findings
from core.units import (
    CALL_UNITS,
    PIECE_UNITS,
    TEXT,
    TOKEN_UNITS,
    TOOL_TOKEN_UNITS,
    TOOLS,
    VARIED_UNITS,
    Unit,
    of_tool,
    parse_stored,
    stored,
)

_OF_TEXT = tuple(unit.key for unit in TOKEN_UNITS if unit.name in TEXT)
_REQUIRED = tuple(key for key in _OF_TEXT if not key.startswith("cached"))
_NAMED = ("provider", "model", "effective_from")

TOKEN_KEYS = tuple(unit.key for unit in TOKEN_UNITS)
_PIECE_KEYS = tuple(unit.key for unit in (*PIECE_UNITS, *VARIED_UNITS))
PRICE_KEYS = (
    *_NAMED,
    *TOKEN_KEYS,
    "long_context",
    "tiers",
    *_PIECE_KEYS,
    "calls_per_thousand",
    *TOOLS,
)
TIER_KEYS = (*TOKEN_KEYS, "long_context")
LONG_CONTEXT_KEYS = ("above", *TOKEN_KEYS)
CALL_KEYS = tuple(unit.key for unit in CALL_UNITS)
TOOL_KEYS = tuple(unit.key for unit in TOOL_TOKEN_UNITS)

OTHERWISE = "other"
"""The variant that stands for all that are not named."""

_TIER = re.compile(r"[a-z][a-z_]{0,31}")
_VARIANT = re.compile(r"[A-Za-z0-9._-]{1,32}(/[A-Za-z0-9._-]{1,32})?")
_MOST_INPUT = 10**9

Stored = Mapping[str, tuple[Decimal, int]]  # by unit: so many dollars for so many


def price_values(entry: Entry, findings: Findings) -> dict[str, Any]:
    """What an entry of `prices` says, as JSON: the text prices, set or null, and what else is set."""
    pieces: dict[str, Any] = {unit.key: _amount(entry, unit.key) for unit in PIECE_UNITS}
    pieces |= {unit.key: _by_variant(entry, unit.key, findings) for unit in VARIED_UNITS}
    pieces["calls_per_thousand"] = _mapping(entry, "calls_per_thousand", CALL_KEYS)
    pieces |= {tool: _mapping(entry, tool, TOOL_KEYS, required=_REQUIRED) for tool in TOOLS}
    pieces = {key: value for key, value in pieces.items() if value is not None}
    # A model that is sold by the piece alone has no prices of tokens. Of all others both are required, even where a model has
    # no output: a price that is left out must not become zero unnoticed.
    given = {key for key in PRICE_KEYS if key not in _NAMED and entry.node(key) is not None}
    by_piece = bool(given) and given.isdisjoint(TIER_KEYS) and "tiers" not in given
    if by_piece and not pieces:
        findings.wrong(entry.place, "a price needs an amount")
    tokens = _tokens(entry, required=() if by_piece else _REQUIRED)
    values = {key: tokens.get(key) for key in _OF_TEXT} | tokens | pieces
    long = _long_context(entry)
    if long is not None:
        values["long_context"] = long
    tiers = entry.node("tiers")
    if isinstance(tiers, Fields):
        values |= {"tiers": named} if (named := _tiers(entry, tiers, findings)) else {}
    elif tiers is not None:
        findings.wrong(tiers.place, "tiers must be a mapping of tiers, such as {batch: {input_per_million: ...}}")
    return values


def _tiers(entry: Entry, node: Fields, findings: Findings) -> dict[str, Any]:
    tiers = {}
    names = Entry(findings, node, "tiers", tuple(node.values))
    for name in node.values:
        if _TIER.fullmatch(name) is None:
            findings.wrong(
                node.key_places[name], "a tier is called batch, flex, priority or as the provider's service_tier says"
            )
            continue
        tier = names.entry(name, f"the tier {name}", TIER_KEYS)
        if tier is not None:
            long = _long_context(tier)
            tiers[name] = _tokens(tier, required=_REQUIRED) | ({"long_context": long} if long is not None else {})
    return tiers


def _long_context(entry: Entry) -> dict[str, Any] | None:
    long = entry.entry("long_context", "long_context", LONG_CONTEXT_KEYS)
    if long is None:
        return None
    above = long.whole("above", low=1, high=_MOST_INPUT)
    if long.node("above") is None:
        long.missing("above")
    return {"above": above, **_tokens(long, required=_REQUIRED)}


def _tokens(entry: Entry, required: Collection[str]) -> dict[str, str]:
    return _set_ones({key: _amount(entry, key, required=key in required) for key in TOKEN_KEYS})


def _mapping(entry: Entry, key: str, keys: tuple[str, ...], required: Collection[str] = ()) -> dict[str, str] | None:
    inner = entry.entry(key, key, keys)
    if inner is None:
        return None
    return _set_ones({each: _amount(inner, each, required=each in required) for each in keys}) or None


def _by_variant(entry: Entry, key: str, findings: Findings) -> str | dict[str, str] | None:
    """One amount, or amounts by variant."""
    node = entry.node(key)
    if not isinstance(node, Fields):
        return _amount(entry, key)
    variants = Entry(findings, node, key, tuple(node.values))
    for name in node.values:
        if _VARIANT.fullmatch(name) is None:
            findings.wrong(node.key_places[name], f"{key} are by size, or size/quality, such as 1024x1024/hd")
    amounts = _set_ones({name: _amount(variants, name, required=True) for name in sorted(node.values)})
    return amounts[OTHERWISE] if list(amounts) == [OTHERWISE] else amounts or None


def _amount(entry: Entry, key: str, *, required: bool = False) -> str | None:
    amount = entry.money(key, required=required)
    return decimal_text(amount) if amount is not None else None


def _set_ones(amounts: Mapping[str, str | None]) -> dict[str, str]:
    return {key: amount for key, amount in amounts.items() if amount is not None}


def decimal_text(amount: Decimal) -> str:
    """An amount in its one plain spelling, so that 2.50 and 2.5 are no difference."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


# ── Rows ──


def stored_amounts(values: Mapping[str, Any]) -> dict[str, tuple[Decimal, int]]:
    """The rows that a price makes: by unit, so many dollars for so many."""
    return {name: (Decimal(usd), per) for name, usd, per in _rows(values)}


def _rows(values: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    yield from _token_rows(values, None)
    for tier, terms in values.get("tiers", {}).items():
        yield from _token_rows(terms, tier)
    for unit in PIECE_UNITS:
        if unit.key in values:
            yield unit.name, values[unit.key], unit.per
    for unit in VARIED_UNITS:
        amounts = values.get(unit.key, {})
        for variant, usd in amounts.items() if isinstance(amounts, dict) else ((OTHERWISE, amounts),):
            yield unit.name if variant == OTHERWISE else f"{unit.name}:{variant}", usd, unit.per
    for section, units in _SECTIONS.items():
        for key, usd in values.get(section, {}).items():
            yield units[key].name, usd, units[key].per


def _token_rows(values: Mapping[str, Any], tier: str | None) -> Iterator[tuple[str, str, int]]:
    long = values.get("long_context", {})
    for unit in TOKEN_UNITS:
        if values.get(unit.key) is not None:
            yield stored(unit.name, tier), values[unit.key], unit.per
        if unit.key in long:
            yield stored(unit.name, tier, long["above"]), long[unit.key], unit.per


_SECTIONS: Mapping[str, Mapping[str, Unit]] = {
    "calls_per_thousand": {unit.key: unit for unit in CALL_UNITS},
    **{tool: {unit.key: Unit(of_tool(tool, unit.name), unit.key) for unit in TOOL_TOKEN_UNITS} for tool in TOOLS},
}
_OF_SECTIONS = {unit.name: (section, unit) for section, units in _SECTIONS.items() for unit in units.values()}
_OF_TOKENS = {unit.name: unit for unit in TOKEN_UNITS}
_OF_PIECES = {unit.name: unit for unit in PIECE_UNITS}
_OF_VARIED = {unit.name: unit for unit in VARIED_UNITS}


def values_of(rows: Stored) -> dict[str, Any]:
    """Rows in the seed file's words. A price that somebody wrote for another count of units shows as what the file's count
    costs; what the file has no word for is left out."""
    values: dict[str, Any] = dict.fromkeys(_OF_TEXT)
    for name in sorted(rows):
        try:
            unit, tier, above = parse_stored(name)
        except ValueError:
            continue
        base, _, variant = unit.partition(":")
        if base in _OF_TOKENS:
            terms = values if tier is None else values.setdefault("tiers", {}).setdefault(tier, {})
            if above is not None:
                terms = terms.setdefault("long_context", {"above": above})
            terms[_OF_TOKENS[base].key] = _shown(*rows[name], _OF_TOKENS[base])
        elif base in _OF_PIECES:
            values[_OF_PIECES[base].key] = _shown(*rows[name], _OF_PIECES[base])
        elif base in _OF_VARIED:
            values.setdefault(_OF_VARIED[base].key, {})[variant or OTHERWISE] = _shown(*rows[name], _OF_VARIED[base])
        elif base in _OF_SECTIONS:
            section, known = _OF_SECTIONS[base]
            values.setdefault(section, {})[known.key] = _shown(*rows[name], known)
    for varied in VARIED_UNITS:
        if list(values.get(varied.key, ())) == [OTHERWISE]:
            values[varied.key] = values[varied.key][OTHERWISE]
    return values


def _shown(usd: Decimal, per: int, unit: Unit) -> str:
    return decimal_text((usd * unit.per / per).quantize(Decimal("1e-9"), ROUND_HALF_UP))
