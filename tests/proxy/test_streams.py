"""Streams pass as they come, by whole events; what their caller did not ask for is taken out, and nothing else."""

import json
import socket

import pytest

from tests.proxy.stack import Stack, eventually
from tests.simulators.fixtures import Simulator

ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "write 24 tokens"}], "stream": True}


def events_of(body: bytes) -> list[bytes]:
    return [event for event in body.split(b"\n\n") if event]


def ask_directly(simulator: Simulator, body: dict) -> bytes:
    import httpx

    path = f"/openai/deployments/{body['model']}/chat/completions?api-version=2024-10-21"
    return httpx.post(simulator.url + path, json=body, headers={"api-key": "x"}, trust_env=False, timeout=60).content


def without_times(event: bytes) -> bytes:
    """An event less what differs from one answer to the next."""
    if not event.startswith(b"data: {"):
        return event
    data = json.loads(event[6:])
    data.pop("id", None)
    data.pop("created", None)
    return json.dumps(data).encode()


@pytest.mark.parametrize("split", ["", "split-bytes=1", "split-bytes=7", "split-bytes=1000"])
@pytest.mark.parametrize("options", [None, {"include_usage": False}])
def test_a_stream_without_usage_is_what_the_provider_would_have_sent(tenant, simulator, split, options):
    asked = {**ASK, **({"stream_options": options} if options is not None else {})}
    with tenant.http() as http:
        passed = http.post("/v1/chat/completions", json=asked, headers={"x-simulate": split} if split else {})
    direct = ask_directly(simulator, ASK)
    assert passed.headers["content-type"].startswith("text/event-stream")
    assert [without_times(e) for e in events_of(passed.content)] == [without_times(e) for e in events_of(direct)]
    assert b'"usage"' not in passed.content
    assert b"prompt_filter_results" in events_of(passed.content)[0]


def test_a_stream_with_usage_is_passed_byte_for_byte(tenant, simulator):
    asked = {**ASK, "stream_options": {"include_usage": True, "include_obfuscation": False}}
    with tenant.http() as http:
        passed = http.post("/v1/chat/completions", json=asked)
    direct = ask_directly(simulator, asked)
    assert [without_times(e) for e in events_of(passed.content)] == [without_times(e) for e in events_of(direct)]
    assert b'"usage":null' in passed.content


def test_what_the_upstream_is_sent_is_what_the_caller_sent_but_for_model_and_usage(tenant, fresh_simulator):
    odd = {**ASK, "temperature": 1.10, "seed": 12345678901234567890123, "metadata": {"a": "b", "ü": "\u0001"}}
    with tenant.http() as http:
        http.post("/v1/chat/completions", json=odd)
    [seen] = fresh_simulator.requests(finished=1)
    assert seen["body"] == {**odd, "model": "gpt-4o", "stream_options": {"include_usage": True}}


def test_the_callers_credentials_go_nowhere(tenant, fresh_simulator):
    with tenant.http() as http:
        http.post(
            "/v1/embeddings",
            json={"model": "text-embedding-3-small", "input": "x"},
            headers={
                "api-key": tenant.key,
                "cookie": "a=b",
                "x-forwarded-for": "10.0.0.9",
                "openai-organization": "org-mine",
                "connection": "x-hop",
                "x-hop": "1",
                "x-stainless-lang": "python",
            },
        )
    [seen] = fresh_simulator.requests(finished=1)
    headers = dict(seen["headers"])
    assert tenant.key not in json.dumps(seen["headers"])
    assert not headers.keys() & {
        "authorization",
        "api-key",
        "cookie",
        "x-forwarded-for",
        "openai-organization",
        "x-hop",
    }
    assert headers["x-stainless-lang"] == "python"
    assert headers["accept-encoding"] == "identity"


def test_a_caller_who_hangs_up_stops_the_upstream_and_is_billed_for_what_came(tenant, fresh_simulator):
    asked = {**ASK, "messages": [{"role": "user", "content": "write 200 tokens"}]}
    with (
        tenant.http() as http,
        http.stream(
            "POST",
            "/v1/chat/completions",
            json=asked,
            headers={"x-simulate": "hang-after=17", "x-request-id": "hung-1"},
        ) as answer,
    ):
        events = 0
        for line in answer.iter_lines():
            events += line.startswith("data: ") and '"content":' in line and '"role"' not in line
            if events == 17:
                break
    [seen] = fresh_simulator.requests(finished=1)
    assert seen["hung_up"] is True
    row = tenant.row("hung-1")
    assert (row["cancelled"], row["usage_source"], row["error_code"]) == (True, "counted", "caller_hung_up")
    bill = fresh_simulator.usage()["gpt-4o"]
    assert (row["output_tokens"], row["input_tokens"]) == (17, bill["prompt_tokens"])
    assert row["output_tokens"] == bill["completion_tokens"]
    assert row["cost_usd"] * 10**9 == row["input_tokens"] * 2500 + 17 * 10000


def test_a_caller_who_hangs_up_before_the_first_byte_stops_the_upstream(tenant, fresh_simulator):
    body = json.dumps({**ASK, "stream": False}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenant.key}\r\n"
        f"x-request-id: hung-2\r\nx-simulate: hang\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", tenant.port)) as caller:
        caller.sendall(head.encode() + body)
        eventually("the upstream has the call", fresh_simulator.requests)
    [seen] = fresh_simulator.requests(finished=1)
    assert seen["hung_up"] is True
    row = tenant.row("hung-2")
    assert (row["cancelled"], row["status"], row["output_tokens"]) == (True, None, 0)


def test_a_provider_that_reports_no_usage_is_counted(tenant, fresh_simulator):
    for streamed in (False, True):
        with tenant.http() as http:
            answer = http.post(
                "/v1/chat/completions",
                json={**ASK, "stream": streamed},
                headers={"x-simulate": "no-usage", "x-request-id": f"no-usage-{streamed}"},
            )
        assert answer.status_code == 200
        row = tenant.row(f"no-usage-{streamed}")
        assert row["usage_source"] == "counted"
        assert row["output_tokens"] == 24
    assert fresh_simulator.usage()["gpt-4o"]["prompt_tokens"] == 2 * row["input_tokens"]


def test_an_idle_stream_is_kept_alive_by_comments(new_stack, simulator):
    stack: Stack = new_stack(keep_alive_interval="0.2")
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    with (
        stack.http() as http,
        http.stream("POST", "/v1/chat/completions", json=ASK, headers={"x-simulate": "hang-after=2"}) as answer,
    ):
        comments = 0
        for line in answer.iter_lines():
            comments += line.startswith(":")
            if comments == 3:
                break
    assert comments == 3


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("garbage", 502, "upstream_bad_answer"),
        ("reset", 502, "upstream_connection_reset"),
        ("cut-after=0", 502, "upstream_cut_short"),
        ("huge-header", 502, "upstream_bad_answer"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_upstream_that_breaks_before_the_first_byte_is_a_clear_error(tenant, fault, status, code, streamed):
    request_id = f"broken-{fault}-{streamed}".replace("=", "-")
    with tenant.http() as http:
        answer = http.post(
            "/v1/chat/completions",
            json={**ASK, "stream": streamed},
            headers={"x-simulate": fault, "x-request-id": request_id},
        )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    row = tenant.row(request_id)
    assert (row["status"], row["error_code"]) == (status, code)
    assert [(a["error_code"]) for a in tenant.attempts(row)] == [code]


def test_a_stream_of_garbage_ends_with_an_error_event(tenant):
    with tenant.http() as http:
        answer = http.post(
            "/v1/chat/completions", json=ASK, headers={"x-simulate": "garbage-stream", "x-request-id": "garbled"}
        )
    assert "upstream_bad_answer" in answer.text
    assert tenant.row("garbled")["error_code"] == "upstream_bad_answer"


def test_an_upstream_that_hangs_is_given_up_on_in_time(new_stack, simulator):
    stack: Stack = new_stack(first_byte_timeout="0.3", answer_timeout="0.3", idle_timeout="0.3")
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    stack.start_writer()
    with stack.http() as http:
        whole = http.post("/v1/chat/completions", json={**ASK, "stream": False}, headers={"x-simulate": "hang"})
        # Another target: a hang opens the circuit of its own.
        other = {**ASK, "model": "gpt-4o-mini"}
        idle = http.post("/v1/chat/completions", json=other, headers={"x-simulate": "hang-after=3"})
        stream = http.post("/v1/chat/completions", json=other, headers={"x-simulate": "hang"})
    assert (whole.status_code, stream.status_code) == (504, 504)
    assert idle.status_code == 200
    assert "upstream_idle_timeout" in idle.text
    codes = [stack.row(a.headers["x-request-id"])["error_code"] for a in (whole, stream, idle)]
    assert codes[1:] == ["upstream_first_byte_timeout", "upstream_idle_timeout"]
    assert codes[0] in ("upstream_answer_timeout", "upstream_first_byte_timeout")
    assert stack.row(idle.headers["x-request-id"])["output_tokens"] == 3


def test_many_streams_at_once_are_each_whole(tenant, simulator):
    from concurrent.futures import ThreadPoolExecutor

    def one(number: int) -> bytes:
        with tenant.http() as http:
            asked = {**ASK, "messages": [{"role": "user", "content": f"echo stream {number}"}]}
            return http.post("/v1/chat/completions", json=asked, headers={"x-simulate": "chunk-delay=0.01"}).content

    with ThreadPoolExecutor(40) as pool:
        for number, body in enumerate(pool.map(one, range(80))):
            events = events_of(body)
            assert events[-1] == b"data: [DONE]"
            chunks = [json.loads(e[6:]) for e in events[:-1]]
            text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
            assert text == f"stream {number}"


def test_a_large_answer_streams_through_and_is_metered(tenant):
    with tenant.http() as http:
        answer = http.post(
            "/v1/chat/completions",
            json={**ASK, "stream": False},
            headers={"x-simulate": f"body-bytes={12 * 1024 * 1024}", "x-request-id": "large"},
        )
    assert len(answer.content) >= 12 * 1024 * 1024
    assert answer.json()["usage"]["completion_tokens"] == tenant.row("large")["output_tokens"]
    assert tenant.row("large")["usage_source"] == "reported"
