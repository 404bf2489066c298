"""Runs of an assistant on a thread: made, streamed, listed, cancelled, told what their tools said.

What a run does is `run_work`; a run whose caller has gone away goes on.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from tests.simulators.model_provider import errors, references
from tests.simulators.model_provider.bodies import ClientGone
from tests.simulators.model_provider.errors import ApiError
from tests.simulators.model_provider.exchange import Cut, Exchange
from tests.simulators.model_provider.resources import threads
from tests.simulators.model_provider.resources.fields import changed, flag, metadata, now, number, objects, text
from tests.simulators.model_provider.resources.run_work import Event, Work
from tests.simulators.model_provider.shelf import Kept
from tests.simulators.model_provider.stream import EventStream, Failed

_MINUTES_10 = 600


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    await _start(exchange, exchange.kept("thread"), body, [])


async def _create_with_thread(exchange: Exchange) -> None:
    body = exchange.json()
    _assistant(exchange, body)
    references.check(exchange.provider, body.get("tool_resources"))
    asked = body.get("thread")
    thread = threads.make(exchange.provider, asked if isinstance(asked, dict) else {})
    await _start(exchange, thread, body, [Event("thread.created", dict(thread.shown))])


def _assistant(exchange: Exchange, body: Mapping[str, Any]) -> Kept:
    wanted = text(body, "assistant_id")
    return exchange.provider.shelf("assistant").find(wanted, param="assistant_id")


async def _start(exchange: Exchange, thread: Kept, body: dict[str, Any], first: list[Event]) -> None:
    assistant = _assistant(exchange, body)
    busy = threads.busy_run(thread)
    if busy is not None:
        raise ApiError(400, f"Thread {thread.shown['id']} already has an active run {busy.shown['id']}.")
    model = body.get("model") or assistant.shown["model"]
    exchange.model({"model": model})
    stream = flag(body, "stream")
    for message in objects(body, "additional_messages"):
        threads.add_message(exchange.provider, thread, message)
    instructions = body.get("instructions") or assistant.shown["instructions"] or ""
    if body.get("additional_instructions"):
        instructions = f"{instructions} {body['additional_instructions']}".strip()
    created = now()
    shown = {
        "id": exchange.provider.new_id("run_"),
        "object": "thread.run",
        "created_at": created,
        "thread_id": thread.shown["id"],
        "assistant_id": assistant.shown["id"],
        "status": "queued",
        "required_action": None,
        "last_error": None,
        "expires_at": created + _MINUTES_10,
        "started_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "incomplete_details": None,
        "model": model,
        "instructions": instructions,
        "tools": objects(body, "tools") or assistant.shown["tools"],
        "tool_resources": {},
        "metadata": metadata(body),
        "temperature": body.get("temperature", assistant.shown["temperature"]),
        "top_p": body.get("top_p", assistant.shown["top_p"]),
        "max_completion_tokens": number(body, "max_completion_tokens", 0) or None,
        "max_prompt_tokens": number(body, "max_prompt_tokens", 0) or None,
        "truncation_strategy": body.get("truncation_strategy") or {"type": "auto", "last_messages": None},
        "response_format": body.get("response_format") or assistant.shown["response_format"],
        "tool_choice": body.get("tool_choice") or "auto",
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "usage": None,
    }
    run = thread.part("run").add(Kept(shown))
    run.inside = Work(exchange.provider, exchange.surface, thread, run)
    events = [*first, Event("thread.run.created", dict(shown)), Event("thread.run.queued", dict(shown))]
    await _drive(exchange, run, events, stream)


async def _drive(exchange: Exchange, run: Kept, first: list[Event], stream: bool) -> None:
    """Let the run work: into a stream, or in the background."""
    going_on = run.inside.events(exchange.faults.ends_as)
    if stream:
        await _stream(exchange, first, going_on)
        return
    answer = dict(run.shown)

    async def work() -> None:
        async for _ in going_on:
            pass

    await exchange.provider.later(exchange.ready_after, work)
    await exchange.answer(answer)


async def _stream(exchange: Exchange, first: list[Event], going_on: AsyncIterator[Event]) -> None:
    stream = EventStream(exchange)
    try:
        await stream.start()
        for event in first:
            await stream.event(_framed(event))
        async for event in going_on:
            if event.carries_text:
                await stream.chunk(_framed(event), 0)
            else:
                await stream.event(_framed(event))
        await stream.event(b"event: done\ndata: [DONE]\n\n")
        await stream.end()
    except Failed:
        problem = {"code": "server_error", "message": "The run's stream failed.", "param": None, "type": "server_error"}
        await stream.fail(_framed(Event("error", problem)))
    except (ClientGone, Cut):
        async for _ in going_on:
            pass
        raise


def _framed(event: Event) -> bytes:
    return b"event: " + event.name.encode() + b"\ndata: " + msgspec.json.encode(event.data) + b"\n\n"


def _run(exchange: Exchange) -> Kept:
    return exchange.kept("thread").part("run").find(exchange.path_params["run"])


async def _submit(exchange: Exchange) -> None:
    run, body = _run(exchange), exchange.json()
    if run.shown["status"] != "requires_action":
        raise ApiError(400, f'Runs in status "{run.shown["status"]}" do not accept tool outputs.')
    outputs = {one.get("tool_call_id"): one.get("output") for one in objects(body, "tool_outputs")}
    calls = run.shown["required_action"]["submit_tool_outputs"]["tool_calls"]
    missing = {call["id"] for call in calls} ^ set(outputs)
    if missing:
        raise errors.wrong_value(
            "tool_outputs", f"Expected tool outputs for call_ids {[call['id'] for call in calls]}, got {list(outputs)}"
        )
    run.inside.take_outputs(outputs)
    await _drive(exchange, run, [Event("thread.run.queued", dict(run.shown))], flag(body, "stream"))


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("thread").part("run").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(_run(exchange).shown)


async def _update(exchange: Exchange) -> None:
    await exchange.answer(changed(_run(exchange).shown, exchange.json(), "metadata"))


async def _cancel(exchange: Exchange) -> None:
    run = _run(exchange)
    if run.shown["status"] not in ("queued", "in_progress", "requires_action"):
        raise ApiError(400, f"Cannot cancel run with status '{run.shown['status']}'.")
    run.shown["status"] = "cancelling"
    answer = dict(run.shown)

    async def cancelled() -> None:
        run.inside.cancel()

    await exchange.provider.later(exchange.ready_after, cancelled)
    await exchange.answer(answer)


async def _list_steps(exchange: Exchange) -> None:
    await exchange.answer(_run(exchange).part("step").page(exchange.query))


async def _retrieve_step(exchange: Exchange) -> None:
    await exchange.answer(_run(exchange).part("step").find(exchange.path_params["step"]).shown)


_RUN = "threads/{thread}/runs/{run}"
PATHS = {
    "threads/runs": {"POST": _create_with_thread},
    "threads/{thread}/runs": {"POST": _create, "GET": _list},
    _RUN: {"GET": _retrieve, "POST": _update},
    f"{_RUN}/cancel": {"POST": _cancel},
    f"{_RUN}/submit_tool_outputs": {"POST": _submit},
    f"{_RUN}/steps": {"GET": _list_steps},
    f"{_RUN}/steps/{{step}}": {"GET": _retrieve_step},
}
