"""What careless and hostile callers send: a clear error each, in OpenAI's shape, and nothing forwarded."""

import json
import socket
import time

import httpx
import pytest

from tests.proxy.stack import Stack, eventually, seed_text
from tests.simulators.fixtures import Simulator

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def raw(tenant: Stack, data: bytes, *, within: float = 10.0) -> bytes:
    """What the proxy answers to these bytes, until it hangs up or a whole answer is there."""
    with socket.create_connection(("127.0.0.1", tenant.port), timeout=within) as caller:
        caller.sendall(data)
        answer = b""
        while True:
            piece = caller.recv(65536)
            answer += piece
            head, _, body = answer.partition(b"\r\n\r\n")
            if not piece or (
                b"content-length: " in head and len(body) >= int(head.split(b"content-length: ")[1].split()[0])
            ):
                return answer


def heard(simulator: Simulator) -> list[dict]:
    """What was asked of the provider, but for what other tenants look up of what they have there."""
    return [seen for seen in simulator.requests() if seen["method"] != "GET"]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, "invalid_json", None),
        (b"{", 400, "invalid_json", None),
        (b"[]", 400, "invalid_json", None),
        (b"null", 400, "invalid_json", None),
        (b'"gpt-4o"', 400, "invalid_json", None),
        (b"\xff\xfe{}", 400, "invalid_json", None),
        (b"[" * 100_000, 400, "invalid_json", None),
        (b'{"model":' + b"[" * 100_000, 400, "invalid_json", None),
        (b"{}", 400, "missing_model", "model"),
        (b'{"messages":[]}', 400, "missing_model", "model"),
        (b'{"model":null}', 400, "missing_model", "model"),
        (b'{"model":""}', 400, "invalid_model", "model"),
        (b'{"model":7}', 400, "invalid_model", "model"),
        (b'{"model":{"a":1}}', 400, "invalid_model", "model"),
        (b'{"model":"gpt-4o\xff"}', 400, "invalid_json", "model"),
        (b'{"model":"gpt-4o","tools":[{"type":"\xff"}]}', 400, "invalid_json", "tools"),
        (b'{"model":"gpt-4o","stream":1}', 400, "invalid_type", "stream"),
        (b'{"model":"gpt-4o","stream":"true"}', 400, "invalid_type", "stream"),
        (b'{"model":"nope"}', 404, "model_not_found", "model"),
        (b'{"model":"gpt-4o\\u0000"}', 404, "model_not_found", "model"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/openai/v1/responses"])
def test_a_body_that_cannot_be_served_is_a_clear_error(tenant, fresh_simulator, path, body, status, code, param):
    with tenant.http() as http:
        answer = http.post(path, content=body, headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["message"] and error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")
    assert heard(fresh_simulator) == []


def test_a_key_that_stands_twice_is_sent_once_as_it_was_checked(tenant, fresh_simulator):
    with tenant.http() as http:
        answer = http.post(
            "/v1/chat/completions",
            content=b'{"model":"nope","model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}',
        )
    assert answer.status_code == 200
    [seen] = fresh_simulator.requests(finished=1)
    assert "gpt-4o-mini" in seen["path"]
    assert seen["body"]["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Basic abc"}, {"api-key": ""}])
def test_a_call_without_a_key_says_how_to_send_one(tenant, headers):
    answer = httpx.post(f"{tenant.url}/v1/chat/completions", json=CHAT, headers=headers, trust_env=False, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")


def test_a_body_is_sent_on_as_the_json_that_it_is(tenant, fresh_simulator):
    with tenant.http() as http:
        http.post("/v1/chat/completions", json=CHAT, headers={"content-type": "application/x-www-form-urlencoded"})
    [seen] = fresh_simulator.requests(finished=1)
    assert [value for name, value in seen["headers"] if name == "content-type"] == ["application/json"]


@pytest.mark.parametrize("header", ["api-key", "authorization"])
def test_a_key_is_taken_from_either_header(tenant, header):
    value = tenant.key if header == "api-key" else f"bearer {tenant.key}"
    answer = httpx.post(
        f"{tenant.url}/v1/chat/completions", json=CHAT, headers={header: value}, trust_env=False, timeout=60
    )
    assert answer.status_code == 200


def test_a_request_id_is_kept_when_it_is_sane_and_made_when_not(tenant):
    with tenant.http() as http:
        kept = http.post("/v1/chat/completions", json=CHAT, headers={"x-request-id": "my.id-1:2_3"})
        made = http.post("/v1/chat/completions", json=CHAT, headers={"x-request-id": b"a b\xe9" + b"x" * 200})
        listed = http.get("/v1/models", headers={"x-request-id": "mine"})
        lost = http.get("/nowhere")
    assert kept.headers["x-request-id"] == "my.id-1:2_3"
    assert made.headers["x-request-id"].startswith("req_")
    assert listed.headers["x-request-id"] == "mine"
    assert lost.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/v1/chat/completions/", 404, "unknown_url"),
        ("POST", "/openai/deployments/gpt-4o/responses", 404, "unknown_url"),
        ("GET", "/v1/embeddings", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ],
)
def test_a_path_in_no_row_is_a_clear_error(tenant, method, path, status, code):
    with tenant.http() as http:
        answer = http.request(method, path, json=CHAT if method == "POST" else None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_body_over_the_limit_is_refused_and_its_caller_reads_why(new_stack, simulator):
    stack: Stack = new_stack(max_body_bytes="100000")
    stack.seed_simulator(simulator.url)
    stack.start_proxy()
    large = json.dumps({**CHAT, "user": "x" * 200_000}).encode()
    with stack.http() as http:
        declared = http.post("/v1/chat/completions", content=large)
        chunked = http.post("/v1/chat/completions", content=iter([large[:60_000], large[60_000:]]))
        small = http.post("/v1/chat/completions", json=CHAT)
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert small.status_code == 200
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stack.key}\r\ncontent-length: 200000\r\n"
    asked_first = raw(stack, head.encode() + b"expect: 100-continue\r\n\r\n")
    assert asked_first.startswith(b"HTTP/1.1 413 ")  # and not 100: its body is not wanted


def test_a_caller_that_stops_in_its_body_is_told_so(tenant):
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenant.key}\r\n"
    answer = raw(tenant, head.encode() + b'content-length: 100\r\n\r\n{"model"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"


def test_a_caller_that_drips_its_body_is_told_so(tenant):
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenant.key}\r\n"
    head += "content-length: 100000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", tenant.port), timeout=20) as caller:
        caller.sendall(head.encode())
        caller.settimeout(0.2)
        answer, deadline = b"", time.monotonic() + 20
        while not answer and time.monotonic() < deadline:
            caller.sendall(b" ")
            try:
                answer = caller.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_caller_that_stops_in_its_head_is_told_so(tenant):
    assert raw(tenant, b"POST /v1/chat/completions HTTP/1.1\r\nhost:").startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_refused(tenant):
    answer = raw(tenant, b"POST /v1/chat/completions HTTP/1.1\r\n" + b"x-padding: " + b"y" * 200_000)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"headers_too_large"' in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"not http at all\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_what_could_smuggle_a_request_is_refused_in_our_shape(tenant, fresh_simulator, request_bytes):
    answer = raw(tenant, request_bytes)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"\r\nx-request-id: req_" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2].splitlines()[0])["error"]["type"] == "invalid_request_error"
    assert heard(fresh_simulator) == []


def test_a_trailer_is_no_header(tenant, fresh_simulator):
    body = json.dumps(CHAT).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\nauthorization: Bearer %b\r\n\r\n" % (len(body), body, tenant.key.encode())
    assert raw(tenant, head + chunks).startswith(b"HTTP/1.1 401 ")
    assert heard(fresh_simulator) == []


@pytest.mark.parametrize("flood", [b"x: " + b"a" * 300_000, b"x: a\r\n" * 60_000])
def test_trailers_without_end_are_refused(tenant, flood):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    with socket.create_connection(("127.0.0.1", tenant.port), timeout=10) as caller:
        try:
            caller.sendall(head + flood)
            answer = caller.recv(65536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    with tenant.http() as http:
        assert http.get("/livez").status_code == 200


def test_head_is_answered_without_a_body_and_the_connection_goes_on(tenant):
    ask = b" /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    answer = raw_until_close(
        tenant, b"HEAD" + ask + b"\r\n" + b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: GET, POST" in head
    assert rest.startswith(b"HTTP/1.1 200 ")


def raw_until_close(tenant: Stack, data: bytes) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", tenant.port), timeout=10) as caller:
        caller.sendall(data)
        while piece := caller.recv(65536):
            answer += piece
    return answer


def test_every_hop_by_hop_header_stays_here(tenant, fresh_simulator):
    from proxy.upstream.head import HOP_BY_HOP

    names = sorted(name.decode() for name in HOP_BY_HOP - {b"connection", b"transfer-encoding", b"upgrade"})
    headers = [
        *((name, "1") for name in names),
        ("connection", "x-one"),
        ("connection", "x-two"),
        ("x-one", "1"),
        ("x-two", "2"),
    ]
    with tenant.http() as http:
        answer = http.post("/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status_code == 200
    [seen] = fresh_simulator.requests(finished=1)
    assert not {name for name, _ in seen["headers"]} & {*names, "x-one", "x-two"}


def test_pipelined_calls_are_answered_in_order(tenant):
    body = json.dumps({**CHAT, "messages": [{"role": "user", "content": "echo one"}]}).encode()
    other = body.replace(b"echo one", b"echo two")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenant.key}\r\n"
    head += f"content-length: {len(body)}\r\n"
    answers = b""
    with socket.create_connection(("127.0.0.1", tenant.port), timeout=10) as caller:
        caller.sendall(head.encode() + b"\r\n" + body + head.encode() + b"connection: close\r\n\r\n" + other)
        while piece := caller.recv(65536):
            answers += piece
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.index(b'"one"') < answers.index(b'"two"')


@pytest.mark.parametrize("wrong", [0, 1])
def test_pipelined_calls_are_judged_by_their_own_heads(tenant, wrong):
    body = json.dumps(CHAT).encode()
    requests = [
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nx-request-id: call-{number}\r\n"
        f"content-length: {len(body)}\r\n".encode()
        for number, key in enumerate([tenant.key[:-1] + "!" if number == wrong else tenant.key for number in range(2)])
    ]
    answers = b""
    with socket.create_connection(("127.0.0.1", tenant.port), timeout=10) as caller:
        caller.sendall(requests[0] + b"\r\n" + body + requests[1] + b"connection: close\r\n\r\n" + body)
        while piece := caller.recv(65536):
            answers += piece
    statuses = [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"401" if number == wrong else b"200" for number in range(2)]
    assert [answers.count(b"x-request-id: call-%d\r\n" % number) for number in range(2)] == [1, 1]


def test_an_upstreams_secret_never_reaches_the_caller(new_stack, start_simulator):
    secret = "sk-upstream-0123456789abcdef"
    stack: Stack = new_stack()
    simulator = start_simulator("--api-key", "sk-another-key")
    stack.seed(
        json.dumps(
            {
                "upstreams": [
                    {
                        "name": "sim",
                        "provider": "openai",
                        "endpoint": simulator.url,
                        "auth": {"secret_ref": "env:UPSTREAM_KEY"},
                    }
                ],
                "routes": [{"model": "gpt-4o", "targets": [{"upstream": "sim", "deployment": "gpt-4o"}]}],
                "policies": [{"name": "p", "unpriced_models": "allow"}],
                "clients": [
                    {
                        "name": "c",
                        "policy": "p",
                        "teams": [
                            {"name": "t", "apps": [{"name": "a", "keys": [{"name": "k", "secret_ref": "env:KEY"}]}]}
                        ],
                    }
                ],
            }
        ),
        UPSTREAM_KEY=secret,
    )
    stack.start_proxy()
    stack.start_writer()
    with stack.http() as http:
        refused = http.post("/v1/chat/completions", json=CHAT)
        echoed = http.post(
            "/v1/chat/completions", json=CHAT, headers={"x-simulate": f"status=400; error-message=you sent {secret}"}
        )
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "upstream_credential_refused")
    for answer in (refused, echoed):
        assert secret not in answer.text
        assert "sk-ups" not in answer.text
    row = stack.row(refused.headers["x-request-id"])
    assert (row["status"], row["unpriced"]) == (502, False)
    assert secret not in stack.log("proxy-0")


def test_a_secret_that_cannot_be_read_takes_out_its_upstream_alone(new_stack, simulator):
    stack: Stack = new_stack()
    text = json.loads(seed_text(simulator.url))
    text["upstreams"].append(
        {"name": "other", "provider": "openai", "endpoint": simulator.url, "auth": {"secret_ref": "env:MISSING"}}
    )
    text["routes"].append({"model": "lost", "targets": [{"upstream": "other", "deployment": "gpt-4o"}]})
    text["policies"][0]["unpriced_models"] = "allow"
    stack.seed(json.dumps(text))
    stack.start_proxy()
    with stack.http() as http:
        lost = http.post("/v1/chat/completions", json={**CHAT, "model": "lost"})
        found = http.post("/v1/chat/completions", json=CHAT)
    assert (lost.status_code, lost.json()["error"]["code"]) == (503, "upstream_credential_unavailable")
    assert found.status_code == 200


def test_a_model_without_a_price_is_refused_or_flagged_as_the_policy_says(new_stack, simulator):
    stack: Stack = new_stack()
    text = json.loads(seed_text(simulator.url))
    text["routes"].append({"model": "mystery", "targets": [{"upstream": "sim", "deployment": "mystery"}]})
    stack.seed(json.dumps(text))
    stack.start_proxy()
    stack.start_writer()
    with stack.http() as http:
        refused = http.post("/v1/chat/completions", json={**CHAT, "model": "mystery"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_unpriced")
        text["policies"][0]["unpriced_models"] = "allow"
        stack.seed(json.dumps(text))
        allowed = eventually(
            "the policy is in force",
            lambda: (
                (a := http.post("/v1/chat/completions", json={**CHAT, "model": "mystery"})).status_code == 200 and a
            ),
        )
    row = stack.row(allowed.headers["x-request-id"])
    assert (row["unpriced"], row["cost_usd"]) == (True, 0)
    assert row["output_tokens"] > 0


def test_a_policy_hides_models_and_closes_endpoints(new_stack, simulator):
    stack: Stack = new_stack()
    stack.seed_simulator(
        simulator.url, allowed_models=["gpt-4o", "text-embedding-3-small"], allowed_endpoints=["chat.completions"]
    )
    stack.start_proxy()
    with stack.http() as http:
        assert [m["id"] for m in http.get("/v1/models").json()["data"]] == ["gpt-4o", "text-embedding-3-small"]
        assert http.get("/v1/models/o3-mini").status_code == 404
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
        hidden = http.post("/v1/chat/completions", json={**CHAT, "model": "o3-mini"})
        closed = http.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": "x"})
    assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "model_not_found")
    assert (closed.status_code, closed.json()["error"]["code"]) == (403, "endpoint_not_allowed")


def test_metrics_and_health_are_answered_without_a_key(tenant):
    with httpx.Client(base_url=tenant.url, trust_env=False, timeout=60) as http:
        assert http.get("/livez").json() == {"live": True}
        assert http.get("/readyz").json() == {"ready": True, "missing": {}}
        text = http.get("/metrics").text
    for name in (
        "aduana_calls_total",
        "aduana_ledger_unacknowledged",
        "aduana_snapshot_version",
        "aduana_ledger_buffer_calls",
    ):
        assert name in text
