"""The provider's rate limits a model, as its `x-ratelimit-*` headers tell them: buckets that refill over a minute."""

import time
from dataclasses import dataclass, field

from tests.simulators.model_provider.configuration import Limits
from tests.simulators.model_provider.errors import ApiError


@dataclass(slots=True)
class _Bucket:
    size: int
    level: float
    at: float = field(default_factory=time.monotonic)

    def refill(self) -> None:
        now = time.monotonic()
        self.level = min(self.size, self.level + (now - self.at) * self.size / 60)
        self.at = now

    def until_full(self) -> float:
        return (self.size - self.level) * 60 / self.size if self.size else 0.0


class RateLimits:
    """The buckets of every model."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[str, tuple[_Bucket, _Bucket]] = {}

    def take(self, model: str, tokens: int) -> dict[str, str]:
        """Count a request of so many prompt tokens; the headers that go with the answer.

        Raises:
            ApiError: 429, where limits are enforced and one is reached.
        """
        sizes = (self._limits.requests_per_minute, self._limits.tokens_per_minute)
        buckets = self._buckets.setdefault(model, (_Bucket(sizes[0], sizes[0]), _Bucket(sizes[1], sizes[1])))
        for (bucket, amount), unit in zip(zip(buckets, (1, tokens), strict=True), ("requests", "tokens"), strict=True):
            bucket.refill()
            if self._limits.enforce and bucket.level < amount:
                raise ApiError(
                    429,
                    f"Rate limit reached for {model} in organization org-simulated on {unit} per min: Limit "
                    f"{bucket.size}, "
                    f"Used {bucket.size - int(bucket.level)}, Requested {amount}. Please try again later.",
                    kind=unit,
                    code="rate_limit_exceeded",
                )
        headers: dict[str, str] = {}
        for (bucket, amount), unit in zip(zip(buckets, (1, tokens), strict=True), ("requests", "tokens"), strict=True):
            bucket.level = max(bucket.level - amount, 0)
            headers[f"x-ratelimit-limit-{unit}"] = str(bucket.size)
            headers[f"x-ratelimit-remaining-{unit}"] = str(int(bucket.level))
            headers[f"x-ratelimit-reset-{unit}"] = _duration(bucket.until_full())
        return headers


def _duration(seconds: float) -> str:
    """As the provider writes it: `6ms`, `1.2s`, `1m0s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.0f}s" if minutes else f"{rest:.3g}s"
