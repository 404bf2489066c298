"""Which prompts a model has seen, so that one that starts alike is charged as cached: from 1,024 tokens on, in steps of
128.

The provider's rule: https://platform.openai.com/docs/guides/prompt-caching. One memory a model and key; the oldest
prefixes are forgotten.
"""

import hashlib
from array import array
from collections import OrderedDict

SMALLEST = 1024
STEP = 128
_REMEMBERED = 100_000


class PromptCache:
    """Prefixes of prompts by the digest of their tokens."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def look_up(self, scope: str, tokens: list[int]) -> int:
        """The number of leading tokens that an earlier prompt of the same scope shares; remembers this one."""
        cached = 0
        digest = hashlib.blake2b(scope.encode(), digest_size=16)
        packed = array("I", tokens)
        for end in range(STEP, len(tokens) + 1, STEP):
            digest.update(packed[end - STEP : end].tobytes())
            if end < SMALLEST:
                continue
            prefix = digest.digest()
            if prefix in self._seen:
                cached = end
                self._seen.move_to_end(prefix)
            else:
                self._seen[prefix] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return cached
