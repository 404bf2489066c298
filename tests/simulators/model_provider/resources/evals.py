"""Evals, their runs and what came out of them. A run's samples are chats of the provider's own, billed like others."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources.fields import changed, metadata, now, objects, one_of
from tests.simulators.model_provider.resources.grading import Graded, ask, checked, grade, messages_of
from tests.simulators.model_provider.shelf import Kept

_SOURCES = ("custom", "logs", "stored_completions")
_RUNS = ("jsonl", "completions", "responses")
_ENDED = ("completed", "failed", "canceled")


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    source = body.get("data_source_config")
    if not isinstance(source, dict):
        raise errors.missing("data_source_config")
    one_of(source, "type", _SOURCES)
    criteria = [checked(grader) for grader in objects(body, "testing_criteria")]
    if not criteria:
        raise errors.missing("testing_criteria")
    for grader in criteria:
        if "model" in grader:
            exchange.model({"model": grader["model"]})
    schema = {"type": "object", "properties": {"item": source.get("item_schema") or {}}}
    shown = {
        "id": exchange.provider.new_id("eval_"),
        "object": "eval",
        "created_at": now(),
        "name": body.get("name") or "eval",
        "data_source_config": {"type": source["type"], "schema": schema, "metadata": source.get("metadata")},
        "testing_criteria": [{"id": exchange.provider.new_id("crit_"), **grader} for grader in criteria],
        "metadata": metadata(body),
    }
    await exchange.answer(exchange.provider.shelf("eval").add(Kept(shown)).shown)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("eval").page(exchange.query, order="asc"))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("eval").shown)


async def _update(exchange: Exchange) -> None:
    await exchange.answer(changed(exchange.kept("eval").shown, exchange.json(), "name", "metadata"))


async def _delete(exchange: Exchange) -> None:
    wanted = exchange.path_params["eval"]
    exchange.provider.shelf("eval").take(wanted)
    await exchange.answer({"object": "eval.deleted", "deleted": True, "eval_id": wanted})


async def _create_run(exchange: Exchange) -> None:
    evaluation, body = exchange.kept("eval"), exchange.json()
    source = body.get("data_source")
    if not isinstance(source, dict):
        raise errors.missing("data_source")
    one_of(source, "type", _RUNS)
    model = source.get("model") or ""
    if model:
        exchange.model({"model": model})
    items = _items(exchange.provider, source)
    shown = {
        "id": exchange.provider.new_id("evalrun_"),
        "object": "eval.run",
        "eval_id": evaluation.shown["id"],
        "created_at": now(),
        "status": "queued",
        "name": body.get("name") or "run",
        "model": model,
        "data_source": source,
        "report_url": "https://evals.simulated.invalid",
        "result_counts": {"total": 0, "passed": 0, "failed": 0, "errored": 0},
        "per_model_usage": [],
        "per_testing_criteria_results": [],
        "error": None,
        "metadata": metadata(body),
    }
    run = evaluation.part("eval_run").add(Kept(shown))
    at_first, surface, provider = dict(shown), exchange.surface, exchange.provider
    ends_as = exchange.faults.ends_as or "completed"

    async def work() -> None:
        if run.shown["status"] != "queued":
            return
        if ends_as == "completed":
            await _Work(provider, surface, evaluation, run).through(items)
        else:
            run.shown["status"] = ends_as

    await provider.later(exchange.ready_after, work)
    await exchange.answer(at_first)


def _items(provider: Provider, source: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items that are to be looked at.

    Raises:
        ApiError: 400, they are not where the source says.
    """
    given = source.get("source") or {}
    if given.get("type") == "file_id":
        file = provider.shelf("file").find(given.get("id"), status=400, param="data_source.source.id")
        try:
            lines = [msgspec.json.decode(line) for line in file.inside.content.splitlines() if line.strip()]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise errors.wrong_value("data_source.source.id", "The file is no JSONL.") from error
        return lines
    if given.get("type") == "file_content":
        return objects(given, "content")
    stored = provider.shelf("response" if source["type"] == "responses" else "chat_completion").all()
    return [{"item": {"id": kept.shown["id"]}, "sample": {}} for kept in stored[-10:]]


class _Work:
    """A run at work."""

    def __init__(self, provider: Provider, surface: str, evaluation: Kept, run: Kept) -> None:
        self._provider = provider
        self._surface = surface
        self._criteria: list[dict[str, Any]] = evaluation.shown["testing_criteria"]
        self._run = run
        self._usage: dict[str, dict[str, Any]] = {}
        self._passed = {criterion["name"]: [0, 0] for criterion in self._criteria}  # failed, passed

    async def through(self, items: list[dict[str, Any]]) -> None:
        """Look at every item."""
        shown = self._run.shown
        shown["status"] = "in_progress"
        for number, one in enumerate(items):
            passed = await self._item(number, one)
            shown["result_counts"]["total"] += 1
            shown["result_counts"]["passed" if passed else "failed"] += 1
        shown |= {
            "status": "completed",
            "per_model_usage": list(self._usage.values()),
            "per_testing_criteria_results": [
                {"testing_criteria": name, "failed": counts[0], "passed": counts[1]}
                for name, counts in self._passed.items()
            ],
        }

    async def _item(self, number: int, one: dict[str, Any]) -> bool:
        source = self._run.shown["data_source"]
        item = one.get("item", one)
        said, sampled = "", (one.get("sample") or {}).get("output_text", "")
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cached_tokens": 0}
        messages: list[dict[str, Any]] = []
        if source["type"] != "jsonl" and source.get("model"):
            template = (source.get("input_messages") or {}).get("template")
            messages = messages_of(template, {"item": item})
            answer, usage = await ask(self._provider, self._surface, source["model"], messages)
            if answer.status == 200:
                said = answer.body["choices"][0]["message"]["content"] or ""
            self._add(source["model"], usage)
        values = {"item": item, "sample": {"output_text": said or sampled}}
        found: list[tuple[dict[str, Any], Graded]] = []
        for criterion in self._criteria:
            graded = await grade(self._provider, self._surface, criterion, values)
            self._passed[criterion["name"]][graded.passed] += 1
            for model, used in graded.usage.items():
                self._add(model, used)
            found.append((criterion, graded))
        passed = all(graded.passed for _, graded in found)
        shown = {
            "id": self._provider.new_id("outputitem_"),
            "object": "eval.run.output_item",
            "created_at": now(),
            "run_id": self._run.shown["id"],
            "eval_id": self._run.shown["eval_id"],
            "status": "pass" if passed else "fail",
            "datasource_item_id": number,
            "datasource_item": item,
            "results": [
                {"name": criterion["name"], "type": criterion["type"], "passed": graded.passed, "score": graded.score}
                for criterion, graded in found
            ],
            "sample": {
                "input": messages,
                "output": [{"role": "assistant", "content": said or sampled}],
                "finish_reason": "stop",
                "model": source.get("model") or "",
                "usage": usage,
                "error": None,
                "temperature": 1.0,
                "top_p": 1.0,
                "max_completion_tokens": 2048,
                "seed": 42,
            },
        }
        self._run.part("output_item").add(Kept(shown))
        return passed

    def _add(self, model: str, usage: Mapping[str, int]) -> None:
        total = self._usage.setdefault(
            model,
            {
                "model_name": model,
                "invocation_count": 0,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "total_tokens": 0,
                "cached_tokens": 0,
            },
        )
        total["invocation_count"] += 1
        for name, amount in usage.items():
            total[name] += amount


def _run(exchange: Exchange) -> Kept:
    return exchange.kept("eval").part("eval_run").find(exchange.path_params["eval_run"])


async def _list_runs(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("eval").part("eval_run").page(exchange.query, order="asc"))


async def _retrieve_run(exchange: Exchange) -> None:
    await exchange.answer(_run(exchange).shown)


async def _cancel_run(exchange: Exchange) -> None:
    run = _run(exchange)
    if run.shown["status"] in _ENDED:
        raise ApiError(400, f"The run is {run.shown['status']} already.")
    run.shown["status"] = "canceled"
    await exchange.answer(run.shown)


async def _delete_run(exchange: Exchange) -> None:
    wanted = exchange.path_params["eval_run"]
    exchange.kept("eval").part("eval_run").take(wanted)
    await exchange.answer({"object": "eval.run.deleted", "deleted": True, "run_id": wanted})


async def _list_output(exchange: Exchange) -> None:
    status = exchange.query.get("status", [""])[0]
    items = _run(exchange).part("output_item")
    await exchange.answer(
        items.page(exchange.query, match=lambda shown: not status or shown["status"] == status, order="asc")
    )


async def _retrieve_output(exchange: Exchange) -> None:
    await exchange.answer(_run(exchange).part("output_item").find(exchange.path_params["output_item"]).shown)


_RUN = "evals/{eval}/runs/{eval_run}"
PATHS = {
    "evals": {"POST": _create, "GET": _list},
    "evals/{eval}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    "evals/{eval}/runs": {"POST": _create_run, "GET": _list_runs},
    _RUN: {"GET": _retrieve_run, "DELETE": _delete_run},
    f"{_RUN}/cancel": {"POST": _cancel_run},
    f"{_RUN}/output_items": {"GET": _list_output},
    f"{_RUN}/output_items/{{output_item}}": {"GET": _retrieve_output},
}
