"""Moderations: free of charge, and moved by nothing but the word "violence"."""

from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.tokens import parts_of

_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
_DEFAULT = "omni-moderation-latest"


async def moderate(exchange: Exchange) -> None:
    """POST .../moderations."""
    body = exchange.json()
    model = exchange.model({"model": _DEFAULT, **body})
    given = body.get("input")
    if given is None:
        raise errors.missing("input")
    if isinstance(given, str):
        texts = [given]
    elif isinstance(given, list) and all(isinstance(one, str) for one in given):
        texts = given
    elif isinstance(given, list) and all(isinstance(one, dict) for one in given):
        texts = [parts_of(given)[0]]  # its parts are judged together
    else:
        raise errors.wrong_type("input", "a string, an array of strings or an array of parts")
    await exchange.answer(
        {"id": exchange.provider.new_id("modr-"), "model": model.name, "results": [_judged(text) for text in texts]}
    )


def _judged(text: str) -> dict[str, Any]:
    flagged = "violence" in text.lower()
    found = {name: flagged and name == "violence" for name in _CATEGORIES}
    return {
        "flagged": flagged,
        "categories": found,
        "category_scores": {name: 0.98 if bad else 0.0001 for name, bad in found.items()},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }


PATHS = {"moderations": {"POST": moderate}}
