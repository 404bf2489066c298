"""Sessions of agents: made, told something, followed by their events, read turn by turn. What a turn does is `agent_turns`."""

import asyncio
from typing import Any

import msgspec

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources import agents
from tests.simulators.model_provider.resources.agent_turns import Session
from tests.simulators.model_provider.resources.fields import changed, flag, gone, metadata, now, objects, text
from tests.simulators.model_provider.shelf import Kept

_OFTEN = 0.02


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    given = body.get("agent")
    own: dict[str, Any] = given if isinstance(given, dict) else {}
    if body.get("agent_id") is not None:
        saved = exchange.provider.shelf("agent").find(body["agent_id"], status=400, param="agent_id").shown
    else:
        saved = {"id": exchange.provider.new_id("agent_")}
    base = {
        name: value for name, value in saved.items() if name not in ("object", "created_at", "updated_at", "metadata")
    }
    vaults = body.get("vault_ids") or []
    for vault in vaults:
        exchange.provider.shelf("vault").find(vault, status=400, param="vault_ids")
    environment = body.get("environment")
    if not isinstance(environment, dict) or environment.get("type") != "none":
        raise errors.wrong_value("environment", "This provider has no environments but 'none'.")
    shown = {
        "id": exchange.provider.new_id("ags_"),
        "object": "agent.session",
        "created_at": now(),
        "last_active_at": now(),
        "agent": agents.settings(exchange, own, base),
        "environment": environment,
        "error": None,
        "metadata": metadata(body),
        "required_actions": [],
        "status": "idle",
        "usage": None,
        "vault_ids": vaults,
    }
    session = Session(exchange.provider, exchange.surface, Kept(shown))
    session.kept.inside = session
    exchange.provider.shelf("agent_session").add(session.kept)
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    session.listeners.append(events)
    session.tell("agent.session.created", session=shown)
    await _say(exchange, session, body.get("input"))
    if not flag(body, "stream"):
        session.listeners.remove(events)
        await exchange.answer(shown)
        return
    await _follow(exchange, session, events, until_idle=True)


async def _say(exchange: Exchange, session: Session, given: Any) -> None:
    if given is None:
        return
    said = [{"role": "user", "content": given}] if isinstance(given, str) else given
    await session.say(said, exchange.ready_after, exchange.faults.ends_as)


async def _follow(
    exchange: Exchange, session: Session, events: "asyncio.Queue[dict[str, Any]]", *, until_idle: bool
) -> None:
    """The session's events as they come."""
    await exchange.start_stream()
    try:
        while True:
            while not events.empty():
                event = events.get_nowait()
                await exchange.write(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event)))
            if until_idle and session.kept.shown["status"] != "in_progress":
                break
            await exchange.pause(_OFTEN)
        await exchange.end_stream()
    finally:
        session.listeners.remove(events)


async def _stream_events(exchange: Exchange) -> None:
    session: Session = exchange.kept("agent_session").inside
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    session.listeners.append(events)
    # It is open until its reader goes; with ready-after=0 until the session rests.
    await _follow(exchange, session, events, until_idle=exchange.faults.ready_after == 0)


async def _send_events(exchange: Exchange) -> None:
    session: Session = exchange.kept("agent_session").inside
    for event in objects(exchange.json(), "events"):
        kind = text(event, "type").removeprefix("agent.session.input.")
        if kind == "message":
            await _say(exchange, session, event.get("input"))
        elif kind == "tool_result":
            await session.take_result(event, exchange.ready_after)
        elif kind == "cancel":
            session.cancel()
        else:
            raise errors.wrong_value("type", f"Invalid value: '{kind}'.")
    await exchange.answer({}, status=202)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("agent_session").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("agent_session").shown)


async def _update(exchange: Exchange) -> None:
    session, body = exchange.kept("agent_session"), exchange.json()
    if isinstance(body.get("agent"), dict):
        session.shown["agent"] = agents.settings(exchange, body["agent"], session.shown["agent"])
    await exchange.answer(changed(session.shown, body, "metadata"))


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("agent_session").take(exchange.path_params["agent_session"])
    await exchange.answer(gone(exchange.path_params["agent_session"], "agent.session.deleted"))


def _holder(exchange: Exchange) -> Kept:
    """What has the turns: the session, or a subagent of it."""
    session = exchange.kept("agent_session")
    subagent = exchange.path_params.get("subagent")
    return session if subagent is None else session.part("subagent").find(subagent)


async def _items(exchange: Exchange) -> None:
    await exchange.answer(_holder(exchange).part("item").page(exchange.query))


async def _turns(exchange: Exchange) -> None:
    await exchange.answer(_holder(exchange).part("turn").page(exchange.query))


async def _turn(exchange: Exchange) -> None:
    await exchange.answer(_holder(exchange).part("turn").find(exchange.path_params["turn"]).shown)


async def _items_of_turn(exchange: Exchange) -> None:
    turn = _holder(exchange).part("turn").find(exchange.path_params["turn"]).shown["id"]
    found = _holder(exchange).part("item").page(exchange.query, match=lambda shown: shown["turn_id"] == turn)
    await exchange.answer(found)


async def _subagents(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("agent_session").part("subagent").page(exchange.query))


async def _subagent(exchange: Exchange) -> None:
    await exchange.answer(_holder(exchange).shown)


async def _traces(exchange: Exchange) -> None:
    session = exchange.kept("agent_session")
    traces = [
        {
            "id": turn.shown["id"],
            "object": "agent.session.trace",
            "created_at": turn.shown["created_at"],
            "session_id": session.shown["id"],
            "otlp": {"resourceSpans": []},
        }
        for turn in session.part("turn").all()
    ]
    await exchange.answer({"object": "list", "data": traces[::-1], "has_more": False})


_SESSION = "agents/sessions/{agent_session}"
_SUBAGENT = f"{_SESSION}/subagents/{{subagent}}"
PATHS = {
    "agents/sessions": {"POST": _create, "GET": _list},
    _SESSION: {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    f"{_SESSION}/events": {"POST": _send_events, "GET": _stream_events},
    f"{_SESSION}/traces": {"GET": _traces},
    f"{_SESSION}/subagents": {"GET": _subagents},
    _SUBAGENT: {"GET": _subagent},
    **{
        path: {"GET": handler}
        for holder in (_SESSION, _SUBAGENT)
        for path, handler in (
            (f"{holder}/items", _items),
            (f"{holder}/turns", _turns),
            (f"{holder}/turns/{{turn}}", _turn),
            (f"{holder}/turns/{{turn}}/items", _items_of_turn),
        )
    },
}
