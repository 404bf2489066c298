"""Prices: what a provider asks for a model's tokens, exactly.

An event is priced once, in the proxy, in whole nano-dollars; that value is stored everywhere.
"""

from dataclasses import dataclass

# A price is USD for so many units; per million tokens that is whole nano-dollars (the seed file allows nine decimals).
_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars per million tokens, from a moment on."""

    effective_from: float  # Unix seconds; a date's midnight in UTC
    input: int
    cached_input: int  # the input price where the provider names none
    output: int

    def cost(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """Whole nano-dollars, rounded half up once. `cached_tokens` are part of `input_tokens`."""
        return (
            (input_tokens - cached_tokens) * self.input
            + cached_tokens * self.cached_input
            + output_tokens * self.output
            + _TOKENS // 2
        ) // _TOKENS


def price_at(prices: tuple[Price, ...], at: float) -> Price | None:
    """The price in force at a time (Unix seconds), of prices sorted newest first. None: there is none."""
    for price in prices:
        if price.effective_from <= at:
            return price
    return None
