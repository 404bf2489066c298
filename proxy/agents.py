"""What the agents API asks of the gateway: a session's model, which is its agent's, and what would work past the meter.

A session works by turns, each of which the provider reports (proxy.deferred.turns). What it would do where nobody is asked, or
in a place whose time nobody tells, is refused (docs/decisions/0021-agents.md).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from core.snapshot import Caller
from proxy.addressing import Named
from proxy.bodies import Body, JsonBody
from proxy.endpoints import Endpoint
from proxy.errors import Refusal
from proxy.routing import Candidate, RouteTable

_ANEW = ("agent", "environment", "multi_agent", "tools")
_encode = msgspec.json.Encoder().encode


class Chosen(NamedTuple):
    """Who serves a session."""

    model: str  # as the caller asks for it
    route: str
    candidates: Sequence[Candidate]


def choose(
    routes: RouteTable, caller: Caller, endpoint: Endpoint, body: Body, named: Named, now: float
) -> Chosen | None:
    """By the agent's model, which goes on by the upstream's name for it; None where nobody knows it: a session that the
    gateway has not seen made. Raises `Refusal`."""
    agent = body.read("agent") if isinstance(body, JsonBody) and "agent" in body.fields else None
    own = agent.get("model") if isinstance(agent, dict) else None
    model = own if isinstance(own, str) and own else named.model_of("agent") or named.model_of("agent_session")
    if not model:
        if endpoint.kinds:
            return None
        raise Refusal(
            400,
            "missing_model",
            "You must provide a model: name it in 'agent', or an 'agent_id' that has one.",
            param="agent.model",
        )
    route, candidates = routes.route(caller, model, endpoint, now, upstream=named.upstream)
    deployment = candidates[0].deployment
    if isinstance(body, JsonBody) and isinstance(agent, dict) and own:
        body.fields["agent"] = msgspec.Raw(_encode({**agent, "model": deployment}))
    # What a route sets of a request it sets at its top level, where a session has none of it.
    same = [replace(each, model=b"", parameters=None) for each in candidates if each.deployment == deployment]
    return Chosen(model, route.model, same)


def check_agents(caller: Caller, body: JsonBody) -> None:
    """Raises `Refusal` (403) for what would work unmetered. What was judged is what is sent on."""
    fields: dict[str, Any] = {}
    for name in _ANEW:
        if name in body.fields:
            fields[name] = body.read(name)
            body.fields[name] = msgspec.Raw(_encode(fields[name]))
    environment = fields.get("environment")
    if isinstance(environment, dict) and environment.get("type") != "none":
        raise _refused(
            "environment_not_metered",
            "Nobody tells the gateway how long an environment has run, or it would connect to the model provider directly. "
            'Use the environment {"type": "none"}; functions and MCP servers work there.',
            "environment",
        )
    for holder in (fields, fields.get("agent")):
        if not isinstance(holder, dict):
            continue
        tools = holder.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and tool.get("type") == "automations":
                raise _refused(
                    "automations_not_served",
                    "With the tool 'automations' an agent would wake when nobody asks it, past limits and budgets.",
                    "tools",
                )
        helpers = holder.get("multi_agent")
        if (
            caller.policy.allowed_models is not None
            and isinstance(helpers, dict)
            and helpers.get("enabled") is not False
        ):
            raise _refused(
                "subagents_choose_models",
                "Your policy allows certain models alone (allowed_models), and subagents choose theirs by themselves.",
                "multi_agent",
            )


def _refused(code: str, message: str, param: str) -> Refusal:
    return Refusal(403, code, f"{message} Ask your Aduana administrator.", kind="permission_error", param=param)
