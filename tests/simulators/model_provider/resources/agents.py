"""Agents: a model with its instructions and tools, which sessions take up."""

from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import gone, metadata, now, objects
from tests.simulators.model_provider.shelf import Kept

_CHANGEABLE = ("model", "name", "instructions", "service_tier")
_TOOLS: dict[str, dict[str, Any]] = {
    "function": {"defer_loading": False, "description": "", "parameters": {}},
    "web_search": {"context_size": "medium", "mode": "live", "allowed_domains": None, "location": None},
    "mcp": {"connection_origin": "service", "request_metadata": {}, "required": False, "credential_id": None},
}


def settings(exchange: Exchange, body: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """How an agent works, as it is shown: what the body says, else as before.

    Raises:
        ApiError: 400, no model is named; 404, there is no such model.
    """
    shown = {
        "model": None,
        "instructions": None,
        "name": None,
        "service_tier": "auto",
        "multi_agent": {"enabled": False, "max_concurrent_subagents": None},
        "reasoning": {"effort": None, "summary": None},
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tools": [],
        "compaction": {"async": False},
        "experimental": {"time_awareness": False},
        **base,
    }
    shown |= {name: body[name] for name in _CHANGEABLE if name in body}
    exchange.model(shown)
    if "tools" in body:
        shown["tools"] = [_tool(exchange, tool) for tool in objects(body, "tools")]
    if isinstance(body.get("multi_agent"), dict):
        enabled = bool(body["multi_agent"].get("enabled"))
        shown["multi_agent"] = {"enabled": enabled, "max_concurrent_subagents": 6 if enabled else None}
    return shown


def _tool(exchange: Exchange, tool: dict[str, Any]) -> dict[str, Any]:
    wanted = tool.get("credential_id")
    vaults = exchange.provider.shelf("vault").all()
    if wanted is not None and not any(vault.part("vault_credential").get(wanted) for vault in vaults):
        raise errors.no_object("vault_credential", str(wanted), status=400, param="tools")
    return {**_TOOLS.get(str(tool.get("type")), {}), **tool}


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    shown = {
        "id": exchange.provider.new_id("agent_"),
        "object": "agent",
        "created_at": now(),
        "updated_at": now(),
        "metadata": metadata(body),
        **settings(exchange, body, {}),
    }
    await exchange.answer(exchange.provider.shelf("agent").add(Kept(shown)).shown)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("agent").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("agent").shown)


async def _update(exchange: Exchange) -> None:
    agent, body = exchange.kept("agent"), exchange.json()
    agent.shown |= {**settings(exchange, body, agent.shown), "updated_at": now()}
    if "metadata" in body:
        agent.shown["metadata"] = metadata(body)
    await exchange.answer(agent.shown)


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("agent").take(exchange.path_params["agent"])
    await exchange.answer(gone(exchange.path_params["agent"], "agent.deleted"))


PATHS = {
    "agents": {"POST": _create, "GET": _list},
    "agents/{agent}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
}
