"""What goes on at the provider is billed when it has ended, for every kind: what the provider bills, once."""

import io
import json
from decimal import Decimal

import openai
import pytest

from tests.proxy.deferred.house import chat, in_background, lines, new_batch
from tests.proxy.stack import eventually

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

EXAMPLE = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]}


def streamed(stream):
    """The first event that names an object, its reader gone."""
    with stream as events:
        return next(iter(events))


def test_a_batch_is_billed_by_model_at_the_batchs_prices(house):
    batch = new_batch(house.sdk, lines(chat("4o", 5), chat("4o-mini", 7), chat("4o", 11)))
    events = house.events(batch, count=2)
    house.check_bill(events, batch=True)
    assert {event["kind"] for event in events} == {"batch"}
    assert all(event["units"] == {"tier:batch": 1} for event in events)
    (call,) = house.stack.rows("SELECT * FROM usage_events WHERE endpoint = 'batches.create' AND parent_id IS NULL")
    assert {event["parent_id"] for event in events} == {call["id"]}
    assert {event["key_id"] for event in events} == {call["key_id"]}
    assert (call["usage_source"], call["cost_usd"]) == ("none", 0)


def test_a_batch_of_embeddings_or_responses_is_read_by_its_endpoint(house):
    body = {"model": "4o", "input": "write 6 tokens"}
    batch = new_batch(house.sdk, lines(body, body, url="/v1/responses"), "/v1/responses")
    house.check_bill(house.events(batch), batch=True)


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_a_batch_that_ends_half_way_bills_what_it_did(house, end):
    house.simulator.faults({"path": "*/batches", "faults": {"ends-as": end}})
    batch = new_batch(house.sdk, lines(*(chat("4o", count) for count in range(1, 9))))
    events = house.events(batch)
    assert house.simulator.usage()["gpt-4o"]["requests"] == 4
    house.check_bill(events, batch=True)


def test_a_batch_that_fails_bills_nothing(house):
    house.simulator.faults({"path": "*/batches", "faults": {"ends-as": "failed"}})
    house.ended(new_batch(house.sdk, lines(chat())))
    assert house.stack.rows("SELECT * FROM usage_events WHERE parent_id IS NOT NULL") == []


def test_a_batch_whose_output_is_deleted_is_billed_by_its_own_sum_and_flagged(house):
    batch = new_batch(house.sdk, lines(chat("4o", 5), chat("4o", 7)))
    house.stack.execute("UPDATE deferred_usage SET due_at = now() + interval '1 hour'")
    done = eventually("the batch ends", lambda: (b := house.sdk.batches.retrieve(batch)).status == "completed" and b)
    house.known(batch)
    house.sdk.files.delete(done.output_file_id)
    (event,) = events = house.events(batch)
    house.check_bill(events, batch=True)
    assert event["error_code"] == "batch_output_unread"


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_in_the_background_is_billed_when_it_has_ended(house, stream):
    if stream:
        fields = {"model": "4o", "input": "write 9 tokens", "background": True, "stream": True}
        made = streamed(house.sdk.responses.create(**fields)).response.id
    else:
        made = in_background(house.sdk)
    (event,) = events = house.events(made)
    house.check_bill(events)
    assert event["kind"] == "response" and event["output_tokens"] == 9


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_run_is_billed_when_it_has_ended_though_its_caller_hung_up(house, stream, at_once):
    sdk = house.sdk
    assistant = sdk.beta.assistants.create(model="4o").id
    message = {"role": "user", "content": "write 8 tokens"}
    if at_once:
        made = sdk.beta.threads.create_and_run
        arguments = {"assistant_id": assistant, "thread": {"messages": [message]}}
    else:
        made = sdk.beta.threads.runs.create
        arguments = {"assistant_id": assistant, "thread_id": sdk.beta.threads.create(messages=[message]).id}
    answer = made(**arguments, stream=stream)
    if stream:
        with answer as events:
            run = next(event.data for event in events if event.event == "thread.run.created")
    else:
        run = answer
    (event,) = found = house.events(run.id)
    house.check_bill(found)
    assert event["kind"] == "run" and event["output_tokens"] == 8
    kinds = {row["kind"] for row in house.stack.rows("SELECT kind FROM deferred_usage")}
    assert kinds == {"run"} and len(house.stack.rows("SELECT 1 FROM deferred_usage")) == 1


def test_a_fine_tuning_job_bills_the_tokens_that_it_trained(house):
    content = "\n".join(json.dumps(EXAMPLE) for _ in range(12)).encode()
    file = house.sdk.files.create(file=("a.jsonl", io.BytesIO(content)), purpose="fine-tune").id
    job = house.sdk.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file).id
    (event,) = events = house.events(job)
    house.check_bill(events)
    assert event["kind"] == "job" and event["units"]["training_token"] > 0


def test_a_video_bills_its_seconds(house):
    video = house.sdk.videos.create(model="sora-2", prompt="a harbor", seconds="4").id
    (event,) = events = house.events(video)
    house.check_bill(events)
    assert event["kind"] == "video" and event["cost_usd"] == Decimal("0.40")


def test_an_extended_video_bills_the_seconds_that_are_new(house):
    longer = house.sdk.videos.extend(video=("four-seconds.mp4", b"mp4"), prompt="on", seconds="8")
    (event,) = house.events(longer.id)
    assert (longer.seconds, event["cost_usd"]) == ("12", Decimal("0.80"))


def test_a_container_bills_its_time_by_its_memory_when_it_is_deleted(house):
    large, small = (house.sdk.containers.create(name="box", memory_limit=memory).id for memory in ("4g", "16g"))
    for container in (large, small):
        house.known(container)
        house.sdk.containers.delete(container)
    events = house.events(large, small, count=2)
    assert [(event["kind"], event["requested_model"]) for event in events] == [("container", "container")] * 2
    found = sorted((*event["units"].items(), event["cost_usd"], event["unpriced"]) for event in events)
    assert found == [
        (("container_millisecond:16g", 300_000), 0, True),  # of five minutes at least
        (("container_millisecond:4g", 300_000), Decimal("0.03"), False),
    ]


def test_a_container_that_is_gone_before_anybody_saw_its_end_is_flagged(house):
    house.simulator.faults({"path": "*/containers/*", "faults": {"status": 404}})
    container = house.sdk.containers.create(name="box").id
    (event,) = house.events(container)
    assert (event["error_code"], event["unpriced"]) == ("usage_unreported", True)


def test_an_evals_run_bills_its_models(house):
    sdk = house.sdk
    grader = {"type": "string_check", "name": "same", "input": "{{sample.output_text}}", "reference": "{{item.a}}"}
    made = sdk.evals.create(
        data_source_config={"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True},
        testing_criteria=[{**grader, "operation": "eq"}],
    )
    source = {
        "type": "completions",
        "model": "4o",
        "source": {"type": "file_content", "content": [{"item": {"q": "echo 7", "a": "7"}}] * 2},
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.q}}"}]},
    }
    run = sdk.evals.runs.create(made.id, data_source=source).id
    (event,) = events = house.events(run)
    house.check_bill(events)
    assert event["kind"] == "run"


def test_what_its_caller_deletes_is_billed_before_it_is_gone(house):
    made = in_background(house.sdk)
    house.known(made)
    house.stack.execute("UPDATE deferred_usage SET due_at = now() + interval '1 hour'")
    eventually("it ends", lambda: house.sdk.responses.retrieve(made).status == "completed")
    house.sdk.responses.delete(made)
    house.check_bill(house.events(made))


def test_what_is_gone_at_the_provider_ends_and_says_so(house):
    house.simulator.faults({"path": "*/responses/*", "faults": {"status": 404}})
    made = in_background(house.sdk)
    assert "404" in house.ended(made)["problem"]
    assert house.stack.rows("SELECT * FROM usage_events WHERE parent_id IS NOT NULL") == []


def test_an_upstream_that_is_away_for_a_while_is_asked_again(house):
    made = in_background(house.sdk)
    house.simulator.faults({"path": "*/responses/*", "faults": {"status": 503}})
    house.known(made)

    def problem():
        house.hurry()
        return house.known(made)["problem"]

    assert "503" in eventually("a problem is said", problem)
    assert house.known(made)["ended_at"] is None
    house.simulator.faults()
    events = house.events(made)
    house.check_bill(events)
    assert house.known(made)["problem"] is None


def test_the_sums_by_hour_have_it(house):
    before = house.stack.rows("SELECT coalesce(sum(cost_usd), 0) AS cost FROM usage_rollups")[0]["cost"]
    (event,) = house.events(in_background(house.sdk, 30))
    after = house.stack.rows("SELECT sum(cost_usd) AS cost FROM usage_rollups")[0]["cost"]
    assert after - before == event["cost_usd"] > 0


def test_a_response_without_storage_in_the_background_is_billed_or_refused(house):
    try:
        made = in_background(house.sdk, store=False)
    except openai.BadRequestError:
        return
    house.check_bill(house.events(made))
