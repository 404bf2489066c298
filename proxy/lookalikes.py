"""Fields of a request that differ from those that the gateway acts on in their case alone.

Servers written in Go read JSON's names whatever their case (https://pkg.go.dev/encoding/json#Unmarshal): "Model" behind "model"
would be the model that is served, and not the one that was judged. What folds to a name (U+017F to s, U+212A to k) counts.
"""

from collections.abc import Iterable

from proxy.errors import Refusal

ACTED_ON = frozenset(
    {
        "agent",
        "background",
        "best_of",
        "data_source",
        "data_source_config",
        "data_sources",
        "endpoint",
        "environment",
        "functions",
        "input",
        "instructions",
        "items",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "metadata",
        "model",
        "multi_agent",
        "n",
        "prompt_cache_key",
        "purpose",
        "quality",
        "seconds",
        "service_tier",
        "session",
        "size",
        "store",
        "stream",
        "stream_format",
        "stream_options",
        "testing_criteria",
        "tools",
        "web_search_options",
    }
)
"""Names at a body's top level that the gateway reads or writes, beside those that name objects."""


def plain(names: Iterable[str]) -> bool:
    """Whether no name can be another one in disguise: one pass over all of them, as nearly all requests pass it."""
    joined = "".join(names)
    return joined.isascii() and joined.islower()


def refuse_lookalikes(names: Iterable[str]) -> None:
    """Raises `Refusal` (400) for a name that an upstream may take for one that was judged."""
    from proxy.references import FIELDS  # which reads bodies

    taken = set(names)
    for name in taken:
        folded = name.casefold()
        if folded != name and (folded in ACTED_ON or folded in FIELDS or folded in taken):
            raise Refusal(
                400,
                "field_in_other_case",
                f"The field '{name[:64]}' is '{folded[:64]}' in other letters, which some model providers read as the same. "
                "Write it in small letters.",
                param=name[:64],
            )
