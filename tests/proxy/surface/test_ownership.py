"""Nobody reaches another app's objects, by any id in any position: each row of the table, each field that may name one."""

import json
from collections.abc import Callable
from itertools import cycle
from typing import Any

import httpx
import openai
import pytest

from proxy.endpoints import Endpoint, Sends
from proxy.endpoints.table import ENDPOINTS, MADE
from proxy.references import FIELDS, WORDS
from tests.proxy.surface.estate import Estate
from tests.simulators.operations import Made

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SERVED = [row for row in ENDPOINTS if row.refused is None and row.sends is not Sends.SOCKET]
NAMING = [row for row in SERVED if row.kinds]
CARRYING = [row for row in SERVED if row.sends is not Sends.NOTHING]
PROMPTED = ("responses", "conversations", "realtime")  # elsewhere a prompt is a text
STRANGERS = ("bob", "eve")  # of another team, of another client

# How an object of each kind is made.
MAKE: dict[str, Callable[[openai.OpenAI, Made], str]] = {
    "agent": lambda sdk, made: made.agent,
    "agent_session": lambda sdk, made: made.agent_session,
    "assistant": lambda sdk, made: made.assistant,
    "batch": lambda sdk, made: made.batch,
    "character": lambda sdk, made: made.character,
    "chat_completion": lambda sdk, made: made.new_chat(),
    "container": lambda sdk, made: made.container,
    "conversation": lambda sdk, made: made.conversation,
    "eval": lambda sdk, made: made.evaluation,
    "file": lambda sdk, made: made.file,
    "fine_tuning_job": lambda sdk, made: made.new_job(),
    "response": lambda sdk, made: made.response,
    "skill": lambda sdk, made: made.skill,
    "thread": lambda sdk, made: made.thread,
    "upload": lambda sdk, made: made.new_upload(),
    "vault": lambda sdk, made: made.vault,
    "vector_store": lambda sdk, made: made.vector_store,
    "video": lambda sdk, made: made.video,
    "voice": lambda sdk, made: sdk.audio.voices.create(name="mine", type="prompt", prompt="a calm voice").id,
    "voice_consent": lambda sdk, made: made.voice_consent,
    # Parts of others.
    "container_file": lambda sdk, made: made.container_file,
    "eval_run": lambda sdk, made: made.eval_run,
    "file_batch": lambda sdk, made: made.file_batch,
    "item": lambda sdk, made: made.new_item(),
    "message": lambda sdk, made: made.new_message(),
    "output_item": lambda sdk, made: made.output_item,
    "run": lambda sdk, made: made.run.id,
    "step": lambda sdk, made: sdk.beta.threads.runs.steps.list(made.run.id, thread_id=made.run.thread_id).data[0].id,
    "subagent": lambda sdk, made: made.subagent,
    "turn": lambda sdk, made: made.turn,
    "vault_credential": lambda sdk, made: made.vault_credential,
    "version": lambda sdk, made: (
        sdk.skills.versions.create(made.skill, files=[("s/SKILL.md", b"---\nname: s\n---\n")]).version
    ),
}


class Belongings:
    """What a caller has, an object of a kind made at first use."""

    def __init__(self, sdk: openai.OpenAI) -> None:
        self._sdk = sdk
        self._made = Made(sdk)
        self._ids: dict[str, str] = {}

    def __getitem__(self, kind: str) -> str:
        if kind not in self._ids:
            self._ids[kind] = MAKE[kind](self._sdk, self._made)
        return self._ids[kind]


@pytest.fixture(scope="module")
def belongings(estate: Estate) -> dict[str, Belongings]:
    return {name: Belongings(estate.sdk(name)) for name in ("alice", *STRANGERS)}


@pytest.fixture(scope="module")
def call(estate: Estate) -> Any:
    """Sends a row's call as one of the callers."""
    with httpx.Client(base_url=f"{estate.stack.url}/v1/", trust_env=False, timeout=30) as http:

        def send(
            caller: str, row: Endpoint, ids: dict[str, str], fields: dict[str, Any] | None = None
        ) -> httpx.Response:
            body: dict[str, Any] = {}
            if row.sends is Sends.JSON:
                body = {"json": {"model": "gpt-4o", **(fields or {})}}
            elif row.sends is Sends.FORM:
                body = {"data": {"model": "gpt-4o", **(fields or {})}, "files": {"file": ("a.txt", b"text")}}
            headers = {"authorization": f"Bearer {estate.keys[caller]}"}
            return http.request(row.method, row.filled(ids), headers=headers, **body)

        yield send


def assert_not_found(answer: httpx.Response, id: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "object_not_found"), answer.text
    assert id in answer.json()["error"]["message"]


@pytest.mark.parametrize("row", NAMING, ids=lambda row: row.name)
def test_an_id_in_a_path_is_its_apps_alone(estate: Estate, belongings: Any, call: Any, row: Endpoint) -> None:
    alices = {kind: belongings["alice"][kind] for kind in row.kinds}
    for stranger in STRANGERS:
        before = estate.heard()
        told = set()
        for ids in (alices, {kind: id[:-4] + "0000" for kind, id in alices.items()}):  # somebody's, and nobody's
            refused = call(stranger, row, ids)
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "object_not_found"), refused.text
            (named,) = (kind for kind, id in ids.items() if f"'{id}'" in refused.text)
            told.add(refused.json()["error"]["message"].replace(ids[named], "ID"))
        assert len(told) == 1
        assert not estate.heard() - before


@pytest.mark.parametrize("row", [row for row in NAMING if len(row.kinds) > 1], ids=lambda row: row.name)
def test_a_part_of_anothers_object_is_not_found_in_ones_own(
    estate: Estate, belongings: Any, call: Any, row: Endpoint
) -> None:
    for stranger in STRANGERS:
        for at in range(1, len(row.kinds)):
            mine = {kind: belongings[stranger][kind] for kind in row.kinds[:at]}
            theirs = {kind: belongings["alice"][kind] for kind in row.kinds[at:]}
            if row.kinds[at] == "version":
                theirs["version"] = "7"  # versions are numbers of their own skill
            answer = call(stranger, row, mine | theirs)
            assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("row", CARRYING, ids=lambda row: row.name)
def test_an_id_in_a_body_is_its_apps_alone(estate: Estate, belongings: Any, call: Any, row: Endpoint) -> None:
    id = belongings["alice"]["file"]
    own = {stranger: {kind: belongings[stranger][kind] for kind in row.kinds} for stranger in STRANGERS}
    before = estate.heard()
    for stranger, fields in zip(cycle(STRANGERS), positions(row, id), strict=False):
        assert_not_found(call(stranger, row, own[stranger], fields), id)
    assert not estate.heard() - before


def positions(row: Endpoint, id: str) -> list[dict[str, Any]]:
    """Where a body may name an object."""
    if row.sends is Sends.FORM:
        plain = sorted(FIELDS - WORDS)
        return [*({name: id} for name in plain), *({f"x[{name}]": id} for name in plain), {"video[id]": id}]
    found: list[dict[str, Any]] = []
    for name in sorted(FIELDS if row.scope in PROMPTED else FIELDS - {"prompt"}):
        found.append({"x": [{"y": {name: [{"id": id}]}}]})
        if name not in WORDS:
            found += [{name: [id]}, {"x": [{"y": {name: id}}]}]
    if row.scope == "realtime":  # items and responses are a session's own, and the provider's to know
        found = [fields for fields in found if "response_id" not in str(fields)]
    else:
        found += [{"x": [{"type": kind, "id": id}]} for kind in ("item_reference", "file_id", "skill_reference")]
    found.append({"prompt": {"variables": {"of": {"type": "input_file", "file_id": id}}}})
    return found


def test_of_a_key_that_stands_twice_an_upstream_gets_what_was_judged(estate: Estate, belongings: Any) -> None:
    mine, theirs = belongings["bob"]["file"], belongings["alice"]["file"]
    part = f'{{"type": "file", "file": {{"file_id": "{theirs}", "file_id": "{mine}"}}}}'
    body = f'{{"model": "gpt-4o", "messages": [{{"role": "user", "content": [{part}]}}]}}'
    headers = {"authorization": f"Bearer {estate.keys['bob']}", "content-type": "application/json"}
    url = f"{estate.stack.url}/v1/chat/completions"
    assert httpx.post(url, content=body, headers=headers, trust_env=False, timeout=30).status_code == 200
    sent = [each["body"] for each in estate.asked()]
    assert any(mine in json.dumps(each) for each in sent)
    lengths = [each for each in estate.asked() if mine in str(each["body"])]
    assert all(each["body_bytes"] < len(body) - len(theirs) for each in lengths)


@pytest.mark.parametrize(
    "fields",
    [
        {"data_source_config": {"type": "logs"}},
        {"data_source_config": {"type": "stored_completions", "metadata": {"of": "alice"}}},
        {"data_source": {"type": "completions", "source": {"type": "stored_completions"}}},
        {"data_source": {"type": "responses", "source": {"type": "responses", "users": ["alice"]}}},
    ],
)
def test_an_eval_of_what_the_account_holds_is_refused(estate: Estate, belongings: Any, call: Any, fields: Any) -> None:
    rows = {row.name: row for row in ENDPOINTS}
    before = estate.heard()
    own = {"eval": belongings["bob"]["eval"]}
    before = estate.heard()
    for name in ("evals.create", "evals.runs.create"):
        answer = call("bob", rows[name], own, fields)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "shared_source")
    assert not estate.heard() - before


def test_parts_of_an_upload_are_its_apps_alone(estate: Estate) -> None:
    alice, bob = estate.sdk("alice"), estate.sdk("bob")
    part = alice.uploads.parts.create(Made(alice).new_upload(), data=b"12345").id
    with pytest.raises(openai.NotFoundError) as refused:
        bob.uploads.complete(Made(bob).new_upload(), part_ids=[part])
    assert refused.value.code == "object_not_found"


def test_a_call_may_not_name_more_objects_than_can_be_looked_up(estate: Estate) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        estate.sdk("bob").vector_stores.create(file_ids=[f"file-{number}" for number in range(10_001)])
    assert refused.value.code == "too_many_objects"


@pytest.mark.parametrize("cursor", ["after", "before"])
def test_a_cursor_that_is_not_in_the_list_is_named(estate: Estate, cursor: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        estate.sdk("bob").files.list(extra_query={cursor: "file-none"})
    assert (refused.value.code, refused.value.param) == ("invalid_cursor", cursor)


def test_every_kind_of_a_path_is_tried() -> None:
    assert {kind for row in NAMING for kind in row.kinds} <= MAKE.keys()
    assert {row.kinds[0] for row in NAMING} <= MADE
