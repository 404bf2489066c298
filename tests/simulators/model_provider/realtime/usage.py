"""What a realtime session costs: text by its tokens, sound by the second; what an earlier response has read is cached."""

from dataclasses import dataclass
from typing import Any

from tests.simulators.model_provider.bill import Charge

HEARD_A_SECOND = 10
SAID_A_SECOND = 20
_CACHED_STEP = 64


@dataclass(frozen=True, slots=True)
class Read:
    """The input of a response, in tokens."""

    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.text + self.audio + self.image

    def cached_by(self, earlier: "Read") -> "Read":
        """What of this an earlier response has read."""
        return Read(_stepped(min(self.text, earlier.text)), _stepped(min(self.audio, earlier.audio)))


def _stepped(tokens: int) -> int:
    return tokens // _CACHED_STEP * _CACHED_STEP


@dataclass(slots=True)
class Bill:
    """One response's usage, added to while it is sent."""

    read: Read
    cached: Read
    text: int = 0
    audio: int = 0

    def told(self) -> dict[str, Any]:
        """As `response.done` tells it."""
        return {
            "total_tokens": self.read.total + self.text + self.audio,
            "input_tokens": self.read.total,
            "output_tokens": self.text + self.audio,
            "input_token_details": {
                "text_tokens": self.read.text,
                "audio_tokens": self.read.audio,
                "image_tokens": self.read.image,
                "cached_tokens": self.cached.total,
                "cached_tokens_details": {
                    "text_tokens": self.cached.text,
                    "audio_tokens": self.cached.audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": self.text, "audio_tokens": self.audio},
        }

    def charge(self, model: str) -> Charge:
        """As it is billed."""
        units: dict[str, float] = {
            "audio_input_token": self.read.audio - self.cached.audio,
            "cached_audio_input_token": self.cached.audio,
            "audio_output_token": self.audio,
            "image_input_token": self.read.image,
        }
        charge = Charge(model, self.read.total, self.cached.total, self.text + self.audio)
        charge.units = {unit: amount for unit, amount in units.items() if amount}
        return charge
