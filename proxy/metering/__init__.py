"""What a call used: read from the provider's own figures where it gives them, counted with its tokenizer where it does not.

It looks at bytes that pass; it changes a stream only to take out the usage that its caller did not ask for.
"""

from typing import NamedTuple


class Tokens(NamedTuple):
    """One call's tokens. Cached ones are part of the input, reasoning ones of the output.

    `units` is what is billed apart from text tokens, by the names that prices have (core.prices): tokens among them are
    part of the input or output.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    units: tuple[tuple[str, int], ...] = ()
