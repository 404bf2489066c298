"""Files, uploads and batches of the simulated provider."""

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.simulators.fixtures import Simulator

AT_ONCE = {"x-simulate": "ready-after=0"}


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def line(custom_id: str, model: str = "gpt-4o", **fields: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "write 5 tokens"}]}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body, **fields}


def batch_of(client: OpenAI, lines: list[Any], simulate: str = "ready-after=0") -> Any:
    written = b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
    file = client.files.create(file=("in.jsonl", written), purpose="batch")
    made = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        extra_headers={"x-simulate": simulate},
    )
    return client.batches.retrieve(made.id)


def read_lines(client: OpenAI, file_id: str) -> list[Any]:
    return [json.loads(one) for one in client.files.content(file_id).text.splitlines()]


# Files


def test_a_file_is_kept_until_it_is_deleted(client: OpenAI) -> None:
    file = client.files.create(file=("notes.txt", b"some notes"), purpose="user_data")

    assert (file.bytes, file.filename, file.purpose) == (10, "notes.txt", "user_data")
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).content == b"some notes"
    assert client.files.delete(file.id).deleted
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            gone(file.id)


@pytest.mark.parametrize("first", ["purpose", "file"])
def test_fields_may_come_before_the_file_or_after_it(fresh_simulator: Simulator, first: str) -> None:
    parts = {
        "purpose": b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch',
        "file": b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\n',
    }
    order = ["purpose", "file"] if first == "purpose" else ["file", "purpose"]
    body = b"".join(b"--edge\r\n" + parts[name] + b"\r\n" for name in order) + b"--edge--\r\n"

    answer = httpx.post(
        f"{fresh_simulator.url}/v1/files",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=edge"},
        timeout=60,
    ).json()

    assert (answer["purpose"], answer["bytes"], answer["filename"]) == ("batch", 3, "a.jsonl")


@pytest.mark.parametrize(
    ("files", "data", "said"),
    [
        ({"file": b"x"}, {}, "'purpose'"),
        ({"file": b"x"}, {"purpose": "fun"}, "Invalid value: 'fun'"),
        ({"file": b""}, {"purpose": "batch"}, "empty"),
        ({"other": b"x"}, {"purpose": "batch"}, "'file'"),
    ],
)
def test_what_is_no_upload_is_refused(fresh_simulator: Simulator, files: Any, data: Any, said: str) -> None:
    answer = httpx.post(f"{fresh_simulator.url}/v1/files", files=files, data=data, timeout=60)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_the_journal_tells_a_form_by_its_fields_and_a_file_by_its_digest(
    fresh_simulator: Simulator, client: OpenAI
) -> None:
    content = b"line\n" * 1000
    client.files.create(
        file=("in.jsonl", content), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )

    (seen,) = fresh_simulator.requests(finished=1)
    assert seen["body"] == {
        "purpose": "batch",
        "expires_after": {"anchor": "created_at", "seconds": "3600"},
        "file": {
            "filename": "in.jsonl",
            "content_type": "application/octet-stream",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        },
    }
    assert seen["body_bytes"] > len(content)


def test_a_large_file_is_counted_and_hashed_and_costs_no_memory(start_simulator: Callable[..., Simulator]) -> None:
    simulator = start_simulator()
    size = 96 << 20

    def resident() -> int:
        status = Path(f"/proc/{simulator.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

    with OpenAI(base_url=f"{simulator.url}/v1", api_key="k", max_retries=0) as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])  # loads its tables
        before = resident()
        file = client.files.create(file=("big.bin", io.BytesIO(bytes(size))), purpose="user_data")
        assert file.bytes == size
        digest = hashlib.sha256(bytes(size)).hexdigest()
        assert simulator.requests()[-1]["body"]["file"]["sha256"] == digest
        with client.files.with_streaming_response.content(file.id) as answer:
            assert sum(map(len, answer.iter_bytes())) == size
    assert resident() - before < 32 << 10


def test_lists_go_on_where_a_page_ended(client: OpenAI, fresh_simulator: Simulator) -> None:
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose="vision").id for n in range(5)]

    assert [file.id for file in client.files.list(purpose="vision", limit=2)][:5] == made[::-1]
    rising = client.files.list(purpose="vision", order="asc", after=made[-3])
    assert [file.id for file in rising.data] == made[-2:]
    page = client.files.list(purpose="vision", limit=2)
    assert (page.has_more, len(page.data)) == (True, 2)
    assert client.files.list(purpose="evals").data == []


# Uploads


def test_an_upload_is_the_parts_in_the_order_of_its_end(client: OpenAI) -> None:
    upload = client.uploads.create(bytes=6, filename="a.txt", mime_type="text/plain", purpose="user_data")
    second = client.uploads.parts.create(upload.id, data=b"def")
    first = client.uploads.parts.create(upload.id, data=b"abc")

    done = client.uploads.complete(
        upload.id, part_ids=[first.id, second.id], md5=hashlib.md5(b"abcdef", usedforsecurity=False).hexdigest()
    )

    assert done.status == "completed"
    assert done.file is not None
    assert client.files.content(done.file.id).content == b"abcdef"
    with pytest.raises(openai.BadRequestError, match="completed"):
        client.uploads.parts.create(upload.id, data=b"more")


def test_an_upload_of_another_size_than_announced_cannot_be_completed(client: OpenAI) -> None:
    upload = client.uploads.create(bytes=6, filename="a.txt", mime_type="text/plain", purpose="user_data")
    part = client.uploads.parts.create(upload.id, data=b"abc")

    with pytest.raises(openai.BadRequestError, match="3 bytes"):
        client.uploads.complete(upload.id, part_ids=[part.id])
    assert client.uploads.cancel(upload.id).status == "cancelled"


# Batches


def test_a_batch_answers_every_line_and_tells_its_usage(fresh_simulator: Simulator, client: OpenAI) -> None:
    batch = batch_of(client, [line("one"), line("two", "o3"), line("bad", body={"model": "gpt-4o"})])

    assert batch.status == "completed"
    assert batch.request_counts.to_dict() == {"total": 3, "completed": 2, "failed": 1}
    answered = read_lines(client, batch.output_file_id)
    assert [one["custom_id"] for one in answered] == ["one", "two"]
    usages = [one["response"]["body"]["usage"] for one in answered]
    assert batch.usage.total_tokens == sum(usage["total_tokens"] for usage in usages)
    assert batch.usage.output_tokens_details.reasoning_tokens > 0
    (refused,) = read_lines(client, batch.error_file_id)
    assert (refused["custom_id"], refused["response"]["status_code"]) == ("bad", 400)
    assert fresh_simulator.usage()["gpt-4o"]["completion_tokens"] == usages[0]["completion_tokens"]


def test_a_line_with_an_unknown_model_is_an_error_line(
    start_simulator: Callable[..., Simulator], tmp_path: Any
) -> None:
    configuration = tmp_path / "provider.yaml"
    configuration.write_text("models: [{name: gpt-4o}]\nready_after: 0")
    simulator = start_simulator("--config", str(configuration))
    with OpenAI(base_url=f"{simulator.url}/v1", api_key="k", max_retries=0) as client:
        batch = batch_of(client, [line("one"), line("two", "gpt-9")])
        (refused,) = read_lines(client, batch.error_file_id)

    assert (refused["custom_id"], refused["response"]["status_code"]) == ("two", 404)
    assert refused["response"]["body"]["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line("one"), b"{"], "invalid_json_line"),
        ([line("one"), line("one")], "duplicate_custom_id"),
        ([line("one", url="/v1/embeddings")], "mismatched_url"),
        ([line("one", method="GET")], "invalid_method"),
        ([{"custom_id": "one"}], "missing_required_parameter"),
        ([b"   "], "empty_file"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_batch(client: OpenAI, lines: list[Any], code: str) -> None:
    batch = batch_of(client, lines)

    assert batch.status == "failed"
    assert [error.code for error in batch.errors.data] == [code]
    assert batch.output_file_id is None


@pytest.mark.parametrize("state", ["expired", "cancelled", "failed"])
def test_a_batch_can_be_made_to_end_otherwise(fresh_simulator: Simulator, client: OpenAI, state: str) -> None:
    batch = batch_of(client, [line("one"), line("two")], f"ready-after=0; ends-as={state}")

    assert batch.status == state
    billed = fresh_simulator.usage().get("gpt-4o", {"requests": 0})["requests"]
    assert billed == (0 if state == "failed" else 1)
    assert (batch.output_file_id is None) == (state == "failed")


def test_a_batch_is_worked_on_for_a_while_and_can_be_cancelled(client: OpenAI) -> None:
    waiting = batch_of(client, [line("one")], "ready-after=0.2")
    assert waiting.status == "validating"
    assert client.batches.cancel(waiting.id).status == "cancelling"

    deadline = time.monotonic() + 20
    while client.batches.retrieve(waiting.id).status != "cancelled":
        assert time.monotonic() < deadline
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(waiting.id)


@pytest.mark.parametrize(
    ("purpose", "endpoint", "said"),
    [("assistants", "/v1/embeddings", "purpose 'batch'"), ("batch", "/v1/nothing", "Invalid value")],
)
def test_a_batch_that_cannot_be_is_refused(client: OpenAI, purpose: Any, endpoint: Any, said: str) -> None:
    file = client.files.create(file=("in.jsonl", b"{}"), purpose=purpose)

    with pytest.raises(openai.BadRequestError, match=said):
        client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")


def test_azure_names_a_batchs_endpoint_without_a_version(fresh_simulator: Simulator) -> None:
    from openai import AzureOpenAI

    with AzureOpenAI(azure_endpoint=fresh_simulator.url, api_key="k", api_version="v", max_retries=0) as azure:
        written = json.dumps(line("one", url="/chat/completions")).encode()
        file = azure.files.create(file=("in.jsonl", written), purpose="batch")
        endpoint: Any = "/chat/completions"
        batch = azure.batches.create(
            input_file_id=file.id, endpoint=endpoint, completion_window="24h", extra_headers=AT_ONCE
        )
        assert azure.batches.retrieve(batch.id).status == "completed"


# Which provider


def test_what_one_provider_made_another_does_not_know(
    fresh_simulator: Simulator, client: OpenAI, start_simulator: Callable[..., Simulator]
) -> None:
    other = start_simulator()
    made = client.files.create(file=("a.txt", b"x"), purpose="user_data").id

    marker = fresh_simulator.marker
    assert made.startswith(f"file-{marker}")
    assert httpx.get(f"{fresh_simulator.url}/v1/files/{made}", timeout=60).headers["x-simulator"] == marker
    assert httpx.get(f"{other.url}/v1/files/{made}", timeout=60).status_code == 404


# Faults befall them as they befall everything


@pytest.mark.parametrize("fault", ["cut-after=0", "reset"])
def test_a_download_that_breaks_off_is_told(client: OpenAI, fault: str) -> None:
    file = client.files.create(file=("a.bin", bytes(1 << 20)), purpose="user_data")

    with pytest.raises(openai.APIConnectionError):
        client.files.content(file.id, extra_headers={"x-simulate": fault})


def test_a_rule_strikes_uploads(fresh_simulator: Simulator, client: OpenAI) -> None:
    fresh_simulator.faults({"path": "*/files", "faults": {"status": 503}})

    with pytest.raises(openai.InternalServerError):
        client.files.create(file=("a.txt", b"x"), purpose="user_data")
