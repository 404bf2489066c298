"""What Azure's content filter adds to answers: it finds nothing, and says so everywhere that Azure says so."""

from typing import Any

_SAFE = {"filtered": False, "severity": "safe"}
_UNDETECTED = {"filtered": False, "detected": False}

OF_CHOICE: dict[str, Any] = {"hate": _SAFE, "self_harm": _SAFE, "sexual": _SAFE, "violence": _SAFE}
OF_PROMPT: list[dict[str, Any]] = [
    {"prompt_index": 0, "content_filter_results": {**OF_CHOICE, "jailbreak": _UNDETECTED}}
]

# The first event of an Azure stream: no choice, no usage, no id.
FIRST_EVENT: dict[str, Any] = {
    "choices": [],
    "created": 0,
    "id": "",
    "model": "",
    "object": "",
    "prompt_filter_results": OF_PROMPT,
}
