"""Agents, their sessions, and the vaults that they take credentials from."""

from typing import Any

from openai import OpenAI

from tests.simulators.operations.made import AT_ONCE, BEARER, MODEL, NOWHERE, Made, Operation


def _send(client: OpenAI, made: Made) -> Any:
    words: Any = [{"type": "input_text", "text": "write 5 tokens"}]
    events: Any = [{"type": "agent.session.input.message", "input": [{"role": "user", "content": words}]}]
    client.beta.agents.sessions.events.create(made.agent_session, events=events, extra_headers=AT_ONCE)
    return made.agent_session  # it answers nothing


AGENTS: dict[str, Operation] = {
    "agents.create": lambda client, made: client.beta.agents.create(
        model=MODEL, name="helper", tools=[{"type": "web_search"}]
    ),
    "agents.list": lambda client, made: client.beta.agents.list(limit=2),
    "agents.retrieve": lambda client, made: client.beta.agents.retrieve(made.agent),
    "agents.update": lambda client, made: client.beta.agents.update(made.agent, instructions="Be brief."),
    "agents.delete": lambda client, made: client.beta.agents.delete(made.new_agent()),
    "agents.sessions.create": lambda client, made: client.beta.agents.sessions.create(
        agent_id=made.agent, environment=NOWHERE, vault_ids=[made.vault]
    ),
    "agents.sessions.list": lambda client, made: client.beta.agents.sessions.list(agent_id=made.agent, limit=2),
    "agents.sessions.retrieve": lambda client, made: client.beta.agents.sessions.retrieve(made.agent_session),
    "agents.sessions.update": lambda client, made: client.beta.agents.sessions.update(
        made.agent_session, agent={"model": MODEL}, metadata={"of": "tests"}
    ),
    "agents.sessions.delete": lambda client, made: client.beta.agents.sessions.delete(made.new_agent_session()),
    "agents.sessions.events.create": _send,
    "agents.sessions.events.stream": lambda client, made: client.beta.agents.sessions.events.stream(
        made.agent_session, extra_headers=AT_ONCE
    ),
    "agents.sessions.items.list": lambda client, made: client.beta.agents.sessions.items.list(made.agent_session),
    "agents.sessions.turns.list": lambda client, made: client.beta.agents.sessions.turns.list(made.agent_session),
    "agents.sessions.turns.retrieve": lambda client, made: client.beta.agents.sessions.turns.retrieve(
        made.turn, session_id=made.agent_session
    ),
    "agents.sessions.turns.items.list": lambda client, made: client.beta.agents.sessions.turns.items.list(
        made.turn, session_id=made.agent_session
    ),
    "agents.sessions.subagents.list": lambda client, made: client.beta.agents.sessions.subagents.list(
        made.agent_session
    ),
    "agents.sessions.subagents.retrieve": lambda client, made: client.beta.agents.sessions.subagents.retrieve(
        made.subagent, session_id=made.agent_session
    ),
    "agents.sessions.subagents.items.list": lambda client, made: client.beta.agents.sessions.subagents.items.list(
        made.subagent, session_id=made.agent_session
    ),
    "agents.sessions.subagents.turns.list": lambda client, made: client.beta.agents.sessions.subagents.turns.list(
        made.subagent, session_id=made.agent_session
    ),
    "agents.sessions.subagents.turns.retrieve": (
        lambda client, made: client.beta.agents.sessions.subagents.turns.retrieve(
            made.subagent_turn, session_id=made.agent_session, subagent_id=made.subagent
        )
    ),
    "agents.sessions.subagents.turns.items.list": (
        lambda client, made: client.beta.agents.sessions.subagents.turns.items.list(
            made.subagent_turn, session_id=made.agent_session, subagent_id=made.subagent
        )
    ),
    "agents.sessions.traces.list": lambda client, made: client.beta.agents.sessions.traces.list(made.agent_session),
    "agents.vaults.create": lambda client, made: client.beta.agents.vaults.create(name="keys"),
    "agents.vaults.list": lambda client, made: client.beta.agents.vaults.list(limit=2),
    "agents.vaults.retrieve": lambda client, made: client.beta.agents.vaults.retrieve(made.vault),
    "agents.vaults.update": lambda client, made: client.beta.agents.vaults.update(made.vault, name="other"),
    "agents.vaults.delete": lambda client, made: client.beta.agents.vaults.delete(made.new_vault()),
    "agents.vaults.credentials.create": lambda client, made: client.beta.agents.vaults.credentials.create(
        made.vault, name="docs", auth=BEARER
    ),
    "agents.vaults.credentials.list": lambda client, made: client.beta.agents.vaults.credentials.list(made.vault),
    "agents.vaults.credentials.retrieve": lambda client, made: client.beta.agents.vaults.credentials.retrieve(
        made.vault_credential, vault_id=made.vault
    ),
    "agents.vaults.credentials.update": lambda client, made: client.beta.agents.vaults.credentials.update(
        made.vault_credential, vault_id=made.vault, metadata={"of": "tests"}
    ),
    "agents.vaults.credentials.delete": lambda client, made: client.beta.agents.vaults.credentials.delete(
        made.new_vault_credential(), vault_id=made.vault
    ),
}
