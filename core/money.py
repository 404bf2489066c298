"""Money: `Decimal` dollars at the edges, whole nano-dollars (10⁻⁹ USD) where sums are made in Redis and on the hot path."""

from decimal import Decimal

NANO_PER_USD = 1_000_000_000


def nano_usd(amount: Decimal) -> int:
    """Dollars as whole nano-dollars. Raises `ValueError` for what is not a whole number of them."""
    scaled = amount * NANO_PER_USD
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} USD is finer than a nano-dollar (nine decimals)")
    return int(scaled)


def usd(nano: int) -> Decimal:
    """Nano-dollars as dollars, exactly."""
    return Decimal(nano).scaleb(-9)
