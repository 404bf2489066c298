"""Objects live where they were made, and are their app's alone."""

import io
import json

import httpx
import openai
import pytest

from tests.proxy.stack import eventually
from tests.simulators.operations import SOUND


def upload(sdk: openai.OpenAI, text: str = "hello", purpose: str = "assistants") -> str:
    return sdk.files.create(file=("a.txt", io.BytesIO(text.encode())), purpose=purpose).id


def batch_lines(*bodies: dict, url: str = "/v1/chat/completions") -> str:
    lines = [{"custom_id": str(at), "method": "POST", "url": url, "body": body} for at, body in enumerate(bodies)]
    return "\n".join(map(json.dumps, lines)) + "\n"


def chat(model: str = "gpt-4o", **body) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": "write 5 tokens"}], **body}


@pytest.mark.parametrize("surface", ["/v1", "/openai/v1", "azure"])
def test_a_file_is_read_listed_and_deleted_by_its_app(estate, surface):
    sdk = estate.sdk("alice", surface)
    file = upload(sdk, "the content")
    assert sdk.files.retrieve(file).bytes == len("the content")
    assert sdk.files.content(file).read() == b"the content"
    assert file in {each.id for each in sdk.files.list()}
    assert sdk.files.delete(file).deleted
    assert file not in {each.id for each in sdk.files.list()}
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(file)


@pytest.mark.parametrize("stranger", ["bob", "eve"])
def test_another_teams_or_clients_file_is_not_found_in_any_position(estate, stranger):
    mine, theirs = estate.sdk("alice"), estate.sdk(stranger)
    file = upload(mine)
    store = mine.vector_stores.create(name="mine").id
    response = mine.responses.create(model="gpt-4o", input="echo hi")
    item = response.output[0].id
    attempts = [
        lambda: theirs.files.retrieve(file),
        lambda: theirs.files.content(file),
        lambda: theirs.files.delete(file),
        lambda: theirs.vector_stores.retrieve(store),
        lambda: theirs.vector_stores.search(store, query="x"),
        lambda: theirs.vector_stores.files.list(store),
        lambda: theirs.responses.retrieve(response.id),
        lambda: theirs.responses.input_items.list(response.id),
        lambda: theirs.responses.delete(response.id),
        lambda: theirs.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"),
        lambda: theirs.vector_stores.create(file_ids=[file]),
        lambda: theirs.vector_stores.files.create(vector_store_id=theirs.vector_stores.create().id, file_id=file),
        lambda: theirs.responses.create(model="gpt-4o", input="x", previous_response_id=response.id),
        lambda: theirs.responses.create(
            model="gpt-4o", input="x", tools=[{"type": "file_search", "vector_store_ids": [store]}]
        ),
        lambda: theirs.responses.create(model="gpt-4o", input=[{"type": "item_reference", "id": item}]),
        lambda: theirs.responses.create(
            model="gpt-4o",
            input=[{"id": item, "type": "message", "role": "assistant", "status": "completed", "content": []}],
        ),
        lambda: theirs.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": file}}]}]
        ),
        lambda: theirs.fine_tuning.jobs.create(model="gpt-4o", training_file=file),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError) as refused:
            attempt()
        assert refused.value.code == "object_not_found"
    assert mine.files.retrieve(file).id == file
    assert {file, store, response.id}.isdisjoint({each.id for each in theirs.files.list()})
    assert store not in {each.id for each in theirs.vector_stores.list()}


def test_an_id_that_nobody_has_and_one_that_somebody_else_has_look_alike(estate):
    file = upload(estate.sdk("alice"))
    told = []
    for id in (file, file[:-4] + "0000"):
        with pytest.raises(openai.NotFoundError) as refused:
            estate.sdk("bob").files.retrieve(id)
        told.append(refused.value.message.replace(id, "ID"))
    assert told[0] == told[1]


def test_a_call_that_names_an_object_goes_where_the_object_is(estate):
    sdk = estate.sdk("alice")
    for _ in range(6):  # gpt-4o is on both
        first = sdk.responses.create(model="gpt-4o", input="echo one")
        then = sdk.responses.create(model="gpt-4o", input="echo two", previous_response_id=first.id)
        assert estate.home_of(then.id) == estate.home_of(first.id)
        assert sdk.responses.retrieve(then.id).output_text == "two"


def test_a_streamed_response_is_its_apps_before_its_id_arrives(estate):
    sdk = estate.sdk("alice")
    with sdk.responses.create(model="gpt-4o", input="echo streamed", stream=True) as stream:
        events = iter(stream)
        id = next(event.response.id for event in events if event.type == "response.created")
        final = next(event for event in events if event.type == "response.completed").response
    assert sdk.responses.retrieve(id).output_text == "streamed"
    again = sdk.responses.create(model="gpt-4o", input=[{"type": "item_reference", "id": final.output[0].id}])
    assert estate.home_of(again.id) == estate.home_of(id)


def test_objects_of_two_resources_cannot_be_used_in_one_call(estate):
    sdk = estate.sdk("alice")
    home = estate.home_of(upload(sdk))
    elsewhere = next(
        response.id
        for response in (sdk.responses.create(model="gpt-4o", input="echo x") for _ in range(64))
        if estate.home_of(response.id) != home
    )
    store = sdk.vector_stores.create().id
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.responses.create(
            model="gpt-4o",
            input="x",
            previous_response_id=elsewhere,
            tools=[{"type": "file_search", "vector_store_ids": [store]}],
        )
    assert refused.value.code == "objects_on_several_upstreams"


def test_a_response_that_is_not_stored_leaves_no_owner(estate):
    sdk = estate.sdk("alice")
    response = sdk.responses.create(model="gpt-4o", input="echo x", store=False)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(response.id)


def test_a_batch_of_chat_calls_runs_and_its_output_is_its_apps(estate):
    mine, theirs = estate.sdk("alice"), estate.sdk("bob")
    file = upload(mine, batch_lines(chat("gpt-4o-mini"), chat("gpt-4o")), "batch")
    assert estate.home_of(file) == "two"  # where the first line's model is
    batch = mine.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
    done = eventually(
        "the batch ends", lambda: (found := mine.batches.retrieve(batch.id)).status == "completed" and found
    )
    assert done.request_counts.failed == 0
    lines = [json.loads(line) for line in mine.files.content(done.output_file_id).read().splitlines()]
    assert [line["response"]["body"]["usage"]["completion_tokens"] for line in lines] == [5, 5]
    with pytest.raises(openai.NotFoundError):
        theirs.files.content(done.output_file_id)
    assert batch.id in {each.id for each in mine.batches.list()}


@pytest.mark.parametrize(
    ("lines", "number", "code"),
    [
        (batch_lines(chat("gpt-4o"), chat("no-such-model")), 2, "model_not_found"),
        (batch_lines(chat("gpt-4o-mini"), chat("dall-e-3")), 2, "model_not_on_upstream"),
        ("not json\n", 1, "invalid_batch_line"),
        (batch_lines(chat(), url="/v1/files"), 1, "invalid_batch_line"),
        (batch_lines(chat(stream=True)), 1, "invalid_batch_line"),
        ("\n\n", 1, "invalid_batch_line"),
        (batch_lines(*(chat(f"many-{number}") for number in range(17))), 17, "invalid_batch_line"),
        (batch_lines(chat("many-" + "x" * 200)), 1, "invalid_batch_line"),
    ],
)
def test_a_batchs_lines_face_policy_and_mapping_like_calls(estate, lines, number, code):
    before = estate.heard()
    with pytest.raises(openai.APIStatusError) as refused:
        upload(estate.sdk("alice"), lines, "batch")
    assert refused.value.code == code and f"Line {number} " in refused.value.message
    assert not estate.heard() - before


def test_a_list_goes_on_from_an_id_in_either_order(estate):
    sdk = estate.sdk("eve")
    made = [sdk.vector_stores.create(name=f"store {at}").id for at in range(5)]
    assert [each.id for each in sdk.vector_stores.list(limit=2, order="asc")][-5:] == made
    assert [each.id for each in sdk.vector_stores.list(limit=2)][:5] == made[::-1]
    page = sdk.vector_stores.list(limit=2, order="asc", after=made[1])
    assert [each.id for each in page.data] == made[2:4] and page.has_more


def test_an_upload_in_parts_becomes_a_file_of_its_app(estate):
    sdk = estate.sdk("alice")
    made = sdk.uploads.create(bytes=10, filename="a.txt", mime_type="text/plain", purpose="assistants")
    parts = [sdk.uploads.parts.create(made.id, data=data).id for data in (b"01234", b"56789")]
    with pytest.raises(openai.NotFoundError):
        estate.sdk("bob").uploads.complete(made.id, part_ids=parts)
    done = sdk.uploads.complete(made.id, part_ids=parts)
    assert sdk.files.content(done.file.id).read() == b"0123456789"


def test_a_batchs_file_in_parts_is_refused_and_says_what_to_do(estate):
    with pytest.raises(openai.BadRequestError, match=r"files\.create"):
        estate.sdk("alice").uploads.create(bytes=10, filename="a", mime_type="application/jsonl", purpose="batch")


def test_calls_to_objects_are_in_the_ledger_with_no_tokens(estate):
    sdk = estate.sdk("alice")
    raw = sdk.files.with_raw_response.create(file=("a.txt", io.BytesIO(b"x")), purpose="assistants")
    row = estate.stack.row(raw.headers["x-request-id"])
    assert (row["endpoint"], row["status"], row["usage_source"]) == ("files.create", 200, "none")
    assert (row["input_tokens"], row["output_tokens"], row["cost_usd"], row["unpriced"]) == (0, 0, 0, False)


@pytest.mark.parametrize("purpose", ["x" * 9000, {"x": "y" * 9000}])
def test_what_an_upload_is_for_is_the_providers_to_judge(estate, purpose):
    with pytest.raises(openai.BadRequestError):  # the provider's own answer
        estate.sdk("alice").uploads.create(bytes=1, filename="a", mime_type="text/plain", purpose=purpose)


def test_an_assistant_lives_where_threads_do_so_that_one_may_run_on_the_other(estate):
    sdk = estate.sdk("alice").beta
    for _ in range(6):  # gpt-4o is on both
        assistant, thread = sdk.assistants.create(model="gpt-4o"), sdk.threads.create()
        assert sdk.threads.runs.create(thread.id, assistant_id=assistant.id).thread_id == thread.id


def test_an_object_may_be_named_behind_a_file(estate):
    consent = estate.sdk("alice").audio.voice_consents.create(name="x", language="en", recording=("a.wav", SOUND)).id
    sound = b"--b\r\ncontent-disposition: form-data; name=audio_sample; filename=a.wav\r\n\r\n%b\r\n" % bytes(1_000_000)
    fields = (("name", "mine"), ("consent", consent))
    text = "".join(f"--b\r\ncontent-disposition: form-data; name={name}\r\n\r\n{said}\r\n" for name, said in fields)
    for caller, status in (("alice", 200), ("bob", 404)):
        headers = {"authorization": f"Bearer {estate.keys[caller]}", "content-type": "multipart/form-data; boundary=b"}
        content = sound + text.encode() + b"--b--\r\n"
        url = f"{estate.stack.url}/v1/audio/voices"
        assert httpx.post(url, content=content, headers=headers, trust_env=False, timeout=30).status_code == status
