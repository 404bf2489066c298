"""Fine-tuning jobs: they read their training file, and a little later (`ready_after`) there is a model."""

import hashlib
from typing import Any

import msgspec

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.bill import Charge
from tests.simulators.model_provider.drafting import tokenizer_of
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources import files
from tests.simulators.model_provider.resources.fields import metadata, now, text
from tests.simulators.model_provider.shelf import Kept
from tests.simulators.model_provider.tokens import Tokenizer, prompt_texts

_EPOCHS = 3
_WAITING = ("validating_files", "queued", "running", "paused")


class _Untrainable(Exception):
    """The training file cannot be used."""


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    provider = exchange.provider
    model = exchange.model(body)
    for name in ("training_file", "validation_file"):
        if name == "training_file" or body.get(name) is not None:
            file = provider.shelf("file").find(text(body, name), status=400, param=name)
            if file.shown["purpose"] != "fine-tune":
                raise errors.wrong_value(name, f"The file '{file.shown['id']}' must have the purpose 'fine-tune'.")
    training = provider.shelf("file").find(body["training_file"])
    epochs = _epochs(body)
    shown = {
        "id": provider.new_id("ftjob-"),
        "object": "fine_tuning.job",
        "created_at": now(),
        "model": body["model"],
        "fine_tuned_model": None,
        "finished_at": None,
        "estimated_finish": None,
        "hyperparameters": {"n_epochs": epochs, "batch_size": 1, "learning_rate_multiplier": 1.8},
        "method": body.get("method") or {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": epochs}}},
        "organization_id": "org-simulated",
        "result_files": [],
        "status": "validating_files",
        "training_file": training.shown["id"],
        "validation_file": body.get("validation_file"),
        "trained_tokens": None,
        "error": None,
        "seed": body.get("seed") or 42,
        "integrations": body.get("integrations") or [],
        "metadata": metadata(body) or None,
    }
    job = provider.shelf("fine_tuning_job").add(Kept(shown, inside=body.get("suffix") or ""))
    _tell(provider, job, f"Created fine-tuning job: {shown['id']}")
    at_first, ends_as = dict(shown), exchange.faults.ends_as or "succeeded"
    tokenizer = await tokenizer_of(model)

    async def train() -> None:
        if job.shown["status"] != "paused":
            _train(provider, job, training.inside, tokenizer, ends_as)

    await provider.later(exchange.ready_after, train)
    await exchange.answer(at_first)


def _epochs(body: dict[str, Any]) -> int:
    method = body.get("method") or {}
    inner = method.get(method.get("type", ""), {}) if isinstance(method, dict) else {}
    for hyperparameters in (inner.get("hyperparameters"), body.get("hyperparameters")):
        epochs = (hyperparameters or {}).get("n_epochs")
        if isinstance(epochs, int):
            return epochs
    return _EPOCHS


def _train(provider: Provider, job: Kept, sent: SentFile, tokenizer: Tokenizer, ends_as: str) -> None:
    shown = job.shown
    if shown["status"] not in _WAITING:
        return
    try:
        tokens = _tokens(sent, tokenizer)
        if ends_as == "failed":
            raise _Untrainable("The job was to fail.")
    except _Untrainable as problem:
        error = {"code": "invalid_training_file", "message": str(problem), "param": "training_file"}
        shown |= {"status": "failed", "finished_at": now(), "error": error}
        _tell(provider, job, str(problem), "error")
        return
    if ends_as == "cancelled":
        shown |= {"status": "cancelled", "finished_at": now()}
        return
    trained = tokens * shown["hyperparameters"]["n_epochs"]
    made = f"ft:{shown['model']}:simulated:{job.inside}:{hashlib.sha256(shown['id'].encode()).hexdigest()[:8]}"
    metrics = b"step,train_loss,train_accuracy\n1,0.5,0.9\n"
    result = SentFile("step_metrics.csv", "text/csv", len(metrics), hashlib.sha256(metrics).hexdigest(), metrics)
    shown |= {
        "status": "succeeded",
        "finished_at": now(),
        "fine_tuned_model": made,
        "trained_tokens": trained,
        "result_files": [files.keep(provider, result, "fine-tune-results").shown["id"]],
    }
    checkpoint = {
        "id": provider.new_id("ftckpt_"),
        "object": "fine_tuning.job.checkpoint",
        "created_at": now(),
        "fine_tuned_model_checkpoint": f"{made}:ckpt-step-1",
        "fine_tuning_job_id": shown["id"],
        "step_number": 1,
        "metrics": {"step": 1, "train_loss": 0.5, "train_mean_token_accuracy": 0.9},
    }
    job.part("checkpoint").add(Kept(checkpoint))
    _tell(provider, job, f"New fine-tuned model created: {made}")
    _tell(provider, job, "The job has successfully completed")
    provider.bill.add(Charge(shown["model"], 0, units={"training_token": trained}), broken_off=False)


def _tokens(sent: SentFile, tokenizer: Tokenizer) -> int:
    """The tokens of one epoch."""
    tokens = 0
    for number, raw in enumerate(sent.content.splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            line = msgspec.json.decode(raw)
            said, extra = prompt_texts(line["messages"])
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise _Untrainable(f"Invalid file format. Line {number} is no example with 'messages'.") from error
        tokens += sum(map(tokenizer.count, said)) + extra
    if not tokens:
        raise _Untrainable("The training file has no examples.")
    return tokens


def _tell(provider: Provider, job: Kept, message: str, level: str = "info") -> None:
    event = {
        "id": provider.new_id("ftevent-"),
        "object": "fine_tuning.job.event",
        "created_at": now(),
        "level": level,
        "message": message,
        "type": "message",
        "data": {},
    }
    job.part("event").add(Kept(event))


def _job(exchange: Exchange) -> Kept:
    return exchange.kept("fine_tuning_job")


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("fine_tuning_job").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(_job(exchange).shown)


async def _change(exchange: Exchange, state: str, allowed: tuple[str, ...]) -> None:
    job = _job(exchange)
    if job.shown["status"] not in allowed:
        raise ApiError(400, f"The job has the status '{job.shown['status']}', and cannot become '{state}'.")
    job.shown["status"] = state
    await exchange.answer(job.shown)


async def _cancel(exchange: Exchange) -> None:
    await _change(exchange, "cancelled", _WAITING)


async def _pause(exchange: Exchange) -> None:
    await _change(exchange, "paused", ("validating_files", "queued", "running"))


async def _resume(exchange: Exchange) -> None:
    job, provider = _job(exchange), exchange.provider
    if job.shown["status"] != "paused":
        raise ApiError(400, f"The job has the status '{job.shown['status']}', and cannot be resumed.")
    job.shown["status"] = "queued"
    answer = dict(job.shown)
    training = provider.shelf("file").find(job.shown["training_file"])
    tokenizer = await tokenizer_of(exchange.model({"model": job.shown["model"]}))

    async def train() -> None:
        _train(provider, job, training.inside, tokenizer, "succeeded")

    await provider.later(exchange.ready_after, train)
    await exchange.answer(answer)


async def _events(exchange: Exchange) -> None:
    await exchange.answer(_job(exchange).part("event").page(exchange.query))


async def _checkpoints(exchange: Exchange) -> None:
    await exchange.answer(_job(exchange).part("checkpoint").page(exchange.query))


_JOB = "fine_tuning/jobs/{fine_tuning_job}"
PATHS = {
    "fine_tuning/jobs": {"POST": _create, "GET": _list},
    _JOB: {"GET": _retrieve},
    f"{_JOB}/cancel": {"POST": _cancel},
    f"{_JOB}/pause": {"POST": _pause},
    f"{_JOB}/resume": {"POST": _resume},
    f"{_JOB}/events": {"GET": _events},
    f"{_JOB}/checkpoints": {"GET": _checkpoints},
}
