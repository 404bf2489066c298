"""What an agent's session uses is billed turn by turn, whoever listens; what would work past the meter is refused."""

import openai
import pytest

from tests.proxy.deferred.house import cost
from tests.proxy.stack import eventually

NOWHERE = {"type": "none"}
SEARCHING = {"model": "4o", "tools": [{"type": "web_search"}]}


def told(text):
    words = [{"type": "input_text", "text": text}]
    return {"type": "agent.session.input.message", "input": [{"role": "user", "content": words}]}


def turns(house, count):
    """The events of so many turns, as soon as they are in the ledger."""

    def found():
        house.hurry()
        rows = house.stack.rows("SELECT * FROM usage_events WHERE parent_id IS NOT NULL ORDER BY admitted_at, id")
        return len(rows) >= count and rows

    return eventually(f"{count} turns are accounted for", found)


def rested(house):
    """A session that has taken a turn, of which nobody has asked yet."""
    sessions = house.sdk.beta.agents.sessions
    session = sessions.create(agent={"model": "4o"}, environment=NOWHERE, input="write 5 tokens").id
    house.known(session)
    house.stack.execute("UPDATE deferred_usage SET due_at = now() + interval '1 hour'")
    eventually("it rests", lambda: sessions.retrieve(session).status == "idle")
    return session


def check_bill(house, events):
    (total,) = (each for each in house.simulator.usage().values() if each["requests"])
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
    said = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    assert [sum(event[name] for event in events) for name in said] == [total[name] for name in names]
    assert sum(event["cost_usd"] for event in events) == cost("gpt-4o", total, batch=False)
    assert {(event["kind"], event["requested_model"], event["deployment"]) for event in events} == {
        ("run", "4o", "gpt-4o")
    }


@pytest.mark.parametrize("saved", [True, False])
def test_each_turn_of_a_session_is_an_event_of_its_own(house, saved):
    agents = house.sdk.beta.agents
    session = agents.sessions.create(
        **({"agent_id": agents.create(model="4o").id} if saved else {"agent": {"model": "4o"}}),
        environment=NOWHERE,
        input="write 5 tokens",
    )
    assert session.agent.model == "gpt-4o"  # as the upstream knows it
    (first,) = turns(house, 1)
    assert house.ended(session.id)["problem"] is None
    agents.sessions.events.create(session.id, events=[told("write 7 tokens")])
    eventually("it works on", lambda: house.known(session.id)["ended_at"] is None)
    second = next(event for event in turns(house, 2) if event["id"] != first["id"])
    house.ended(session.id)
    assert (first["output_tokens"], second["output_tokens"]) == (5, 7)
    check_bill(house, turns(house, 2))
    calls = {row["id"]: row["endpoint"] for row in house.stack.rows("SELECT id, endpoint FROM usage_events")}
    assert calls[first["parent_id"]] == "agents.sessions.create"
    assert calls[second["parent_id"]] == "agents.sessions.events.create"
    house.stack.execute("UPDATE deferred_usage SET ended_at = NULL, due_at = now()")  # asked for once more
    house.ended(session.id)
    assert len(turns(house, 2)) == 2


def test_a_turn_is_billed_though_its_reader_hung_up(house):
    with house.sdk.beta.agents.sessions.create(
        agent={"model": "4o"}, environment=NOWHERE, input="write 8 tokens", stream=True
    ) as events:
        session = next(event for event in events if event.type == "agent.session.created").session
    (event,) = turns(house, 1)
    assert event["output_tokens"] == 8
    assert house.known(session.id)["kind"] == "agent_session"


def test_a_stream_of_events_begins_before_there_is_one(house):
    sessions = house.sdk.beta.agents.sessions
    session = sessions.create(agent={"model": "4o"}, environment=NOWHERE).id
    with sessions.stream(session, input="write 6 tokens") as events:
        kinds = [event.type for event in events]
    assert kinds[-1] == "agent.session.idle" and "agent.session.turn.completed" in kinds
    (event,) = turns(house, 1)
    assert event["output_tokens"] == 6


def test_a_turn_that_waits_for_a_function_is_billed_as_a_whole_when_it_has_ended(house):
    sessions = house.sdk.beta.agents.sessions
    function = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
    session = sessions.create(agent={"model": "4o", "tools": [function]}, environment=NOWHERE, input="call look").id
    waits = lambda: (seen := sessions.retrieve(session)).status == "requires_action" and seen  # noqa: E731
    (action,) = eventually("it waits", waits).required_actions
    house.ended(session)
    result = {"type": "agent.session.input.tool_result", "call_id": action.call_id, "turn_id": action.turn_id}
    sessions.events.create(session, events=[{**result, "success": True, "output": "a sail"}])
    check_bill(house, turns(house, 1))


def test_searches_and_the_terms_of_an_agent_are_billed(house):
    house.sdk.beta.agents.sessions.create(
        agent={**SEARCHING, "service_tier": "flex"}, environment=NOWHERE, input="search for the harbor"
    )
    (event,) = turns(house, 1)
    assert event["units"] == {"web_search_call": 1, "tier:flex": 1}
    assert event["unpriced"]


def test_a_subagents_turn_is_billed_by_its_sessions_model_and_flagged(house):
    house.sdk.beta.agents.sessions.create(
        agent={"model": "4o", "multi_agent": {"enabled": True}}, environment=NOWHERE, input="delegate: write 5 tokens"
    )
    events = turns(house, 2)
    check_bill(house, events)
    assert sorted((event["error_code"] or "", event["unpriced"]) for event in events) == [
        ("", False),
        ("model_unreported", True),
    ]


def test_a_session_is_billed_by_the_model_that_it_had(house):
    sessions = house.sdk.beta.agents.sessions
    session = rested(house)
    sessions.update(session, agent={"model": "4o-mini"})
    sessions.events.create(session, events=[told("write 7 tokens")])
    events = turns(house, 2)
    assert {(each["requested_model"], each["output_tokens"]) for each in events} == {("4o", 5), ("4o-mini", 7)}
    bill = house.simulator.usage()
    assert sum(each["cost_usd"] for each in events) == sum(cost(model, bill[model], batch=False) for model in bill)


def test_a_session_that_is_deleted_is_billed_before_it_is_gone(house):
    sessions = house.sdk.beta.agents.sessions
    session = rested(house)
    sessions.delete(session)
    check_bill(house, turns(house, 1))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"environment": {"type": "openai_hosted"}}, "environment_not_metered"),
        ({"environment": {"type": "self_hosted", "workspace_directory": "/w"}}, "environment_not_metered"),
        ({"agent": {"model": "4o", "tools": [{"type": "automations"}]}}, "automations_not_served"),
    ],
)
def test_what_would_work_past_the_meter_is_refused(house, fields, code):
    with pytest.raises(openai.PermissionDeniedError) as refused:
        house.sdk.beta.agents.sessions.create(**{"agent": {"model": "4o"}, "environment": NOWHERE, **fields})
    assert refused.value.code == code
    assert not [seen for seen in house.simulator.requests() if seen["path"].endswith("/agents/sessions")]
