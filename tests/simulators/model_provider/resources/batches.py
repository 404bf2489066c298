"""Batches: a file of requests that are answered a little later (`ready_after`), each like a call of its own.

A file that cannot be read fails the batch, as the provider's validation does; a request that is refused (an unknown model, say)
is a line of the error file.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.simulators.model_provider import errors, inner
from tests.simulators.model_provider.chat import chat_completions
from tests.simulators.model_provider.completions import completions
from tests.simulators.model_provider.embeddings import embeddings
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.images import edit, generate
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources import files
from tests.simulators.model_provider.resources.fields import metadata, now, one_of, text
from tests.simulators.model_provider.resources.moderations import moderate
from tests.simulators.model_provider.responses import create as responses
from tests.simulators.model_provider.shelf import Kept

HANDLERS = {
    "/v1/chat/completions": chat_completions,
    "/v1/completions": completions,
    "/v1/embeddings": embeddings,
    "/v1/responses": responses,
    "/v1/moderations": moderate,
    "/v1/images/generations": generate,
    "/v1/images/edits": edit,
}
_DAY = 86400
_ENDED = ("completed", "failed", "cancelled", "expired")


@dataclass(slots=True)
class _Outcome:
    """What came of a batch's lines."""

    answered: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    model: str | None = None
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, answer: inner.Answer, custom_id: str, line_id: str) -> None:
        """Take in a line's answer."""
        told = {"status_code": answer.status, "request_id": answer.id, "body": answer.body}
        line = {"id": line_id, "custom_id": custom_id, "response": told, "error": None}
        if answer.status != 200:
            self.refused.append(line)
            return
        self.answered.append(line)
        self.model = self.model or answer.body.get("model")
        usage = answer.body.get("usage") or {}
        self.input_tokens += usage.get("prompt_tokens", usage.get("input_tokens", 0))
        self.output_tokens += usage.get("completion_tokens", usage.get("output_tokens", 0))
        inside = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
        self.cached_tokens += inside.get("cached_tokens", 0)
        outside = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
        self.reasoning_tokens += outside.get("reasoning_tokens", 0)

    def usage(self) -> dict[str, Any]:
        """The sum, as the batch tells it."""
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


class _Invalid(Exception):
    """The input file cannot be used."""

    def __init__(self, code: str, message: str, line: int | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.told = {"code": code, "message": message, "line": line, "param": param}


def endpoint_of(named: str) -> str:
    """An endpoint as OpenAI names it; Azure leaves the version out."""
    return named if named.startswith("/v1/") else f"/v1{named}"


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    provider = exchange.provider
    if endpoint_of(text(body, "endpoint")) not in HANDLERS:
        raise errors.wrong_value(
            "endpoint", f"Invalid value: '{body['endpoint']}'. Supported values are: {', '.join(map(repr, HANDLERS))}."
        )
    one_of(body, "completion_window", ("24h",))
    file = provider.shelf("file").find(text(body, "input_file_id"), status=400, param="input_file_id")
    if file.shown["purpose"] != "batch":
        raise errors.wrong_value(
            "input_file_id", "The input file must have the purpose 'batch'.", "invalid_file_purpose"
        )
    created = now()
    shown = {
        "id": provider.new_id("batch_"),
        "object": "batch",
        "endpoint": body["endpoint"],
        "model": None,
        "errors": None,
        "input_file_id": file.shown["id"],
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": created,
        "in_progress_at": None,
        "expires_at": created + _DAY,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": metadata(body) or None,
    }
    batch = provider.shelf("batch").add(Kept(shown, inside=body))
    at_first = dict(shown)
    surface, ends_as = exchange.surface, exchange.faults.ends_as or "completed"

    async def run() -> None:
        await _run(provider, surface, batch, file.inside, ends_as)

    await provider.later(exchange.ready_after, run)
    await exchange.answer(at_first)


async def _run(provider: Provider, surface: str, batch: Kept, sent: SentFile, ends_as: str) -> None:
    if batch.shown["status"] in _ENDED:
        return
    try:
        lines = _lines(sent, batch.shown["endpoint"])
        if ends_as == "failed":
            raise _Invalid("simulated", "The batch was to fail.")
    except _Invalid as invalid:
        batch.shown |= {"status": "failed", "failed_at": now(), "errors": {"object": "list", "data": [invalid.told]}}
        return
    if batch.shown["status"] == "validating":
        batch.shown |= {"status": "in_progress", "in_progress_at": now()}
    batch.shown["request_counts"]["total"] = len(lines)
    outcome = _Outcome()
    handler = HANDLERS[endpoint_of(batch.shown["endpoint"])]
    # A batch that ends early has done the half of it, and that is billed.
    worked_on = lines if ends_as == "completed" else lines[: (len(lines) + 1) // 2]
    for line in worked_on:
        if batch.shown["status"] == "cancelling":
            break
        answer = await inner.ask(provider, surface, line["url"], line["body"], handler)
        outcome.add(answer, line["custom_id"], provider.new_id("batch_req_"))
        batch.shown["request_counts"] |= {"completed": len(outcome.answered), "failed": len(outcome.refused)}
    ended = "cancelled" if batch.shown["status"] == "cancelling" else ends_as
    _end(provider, batch, outcome, ended)


def _end(provider: Provider, batch: Kept, outcome: _Outcome, ended: str) -> None:
    shown = batch.shown
    expires = batch.inside.get("output_expires_after")
    for name, lines in (("output", outcome.answered), ("error", outcome.refused)):
        if lines:
            written = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            digest = hashlib.sha256(written).hexdigest()
            sent = SentFile(f"{shown['id']}_{name}.jsonl", "application/jsonl", len(written), digest, written)
            shown[f"{name}_file_id"] = files.keep(provider, sent, "batch_output", expires).shown["id"]
    shown |= {
        "status": ended,
        "finalizing_at": now(),
        f"{ended}_at": now(),
        "usage": outcome.usage(),
        "model": outcome.model,
    }


def _lines(sent: SentFile, endpoint: str) -> list[dict[str, Any]]:
    if not sent.whole:
        raise _Invalid("file_too_large", "The simulator reads no batch of more than 8 MiB.")
    found: list[dict[str, Any]] = []
    for number, raw in enumerate(sent.content.splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            line = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _Invalid("invalid_json_line", "This line is not parseable as valid JSON.", number) from error
        found.append(_checked(line, number, endpoint))
    if not found:
        raise _Invalid("empty_file", "The input file is empty.")
    repeated = len(found) - len({line["custom_id"] for line in found})
    if repeated:
        raise _Invalid("duplicate_custom_id", "The custom_id of each request must be unique.", None, "custom_id")
    return found


def _checked(line: Any, number: int, endpoint: str) -> dict[str, Any]:
    if not isinstance(line, dict):
        raise _Invalid("invalid_request", "Each line must be a JSON object.", number)
    for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
        if not isinstance(line.get(name), kind):
            raise _Invalid("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    if line["method"] != "POST":
        raise _Invalid("invalid_method", f"Invalid method: '{line['method']}'. Expected 'POST'.", number, "method")
    if endpoint_of(line["url"]) != endpoint_of(endpoint):
        raise _Invalid("mismatched_url", "The URL provided for this request does not match the batch's.", number, "url")
    return line


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("batch").shown)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("batch").page(exchange.query))


async def _cancel(exchange: Exchange) -> None:
    batch = exchange.kept("batch")
    if batch.shown["status"] in _ENDED:
        raise ApiError(409, f"Cannot cancel a batch with status '{batch.shown['status']}'.")
    batch.shown |= {"status": "cancelling", "cancelling_at": now()}
    await exchange.answer(batch.shown)


PATHS = {
    "batches": {"POST": _create, "GET": _list},
    "batches/{batch}": {"GET": _retrieve},
    "batches/{batch}/cancel": {"POST": _cancel},
}
