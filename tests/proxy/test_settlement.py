"""How a call that has ended becomes its row: what it used, how that is known, what it cost, and what has no price."""

import json
from dataclasses import replace
from time import monotonic, time
from uuid import UUID

import pytest

from core.ledger.records import Settled
from core.prices import GRAIN, Price
from proxy.endpoints.table import ENDPOINTS
from proxy.metering import Tokens
from proxy.metering.tokenizer import Tokenizer
from proxy.metrics import Metrics
from proxy.routing import Candidate
from proxy.settlement import Outcome, Settlement
from tests.proxy.ledger.calls import a_call, a_claim
from tests.proxy.routing.tenants import caller, route, serving, target

ROWS = {row.name: row for row in ENDPOINTS}
TEXT = Price(0.0, 2_000_000_000, 1_000_000_000, 8_000_000_000)
SOUND = Price(0.0, 0, 0, 0, {"character": 15 * 1000 * GRAIN}, sells_tokens=False)


class Rows:
    """Keeps what the ledger is told."""

    def __init__(self) -> None:
        self.settled: list[Settled] = []

    def settle(self, record: Settled, claim: object) -> None:
        self.settled.append(record)


def candidate(*prices: Price) -> Candidate:
    routes = serving(route("m", target("sim", prices=prices)))
    return routes.route(caller(refuse_unpriced=False), "m", ROWS["chat.completions"], time())[1][0]


async def settled(name: str, body: dict, *prices: Price, **fields) -> Settled:
    rows, tokenizer = Rows(), Tokenizer()
    call = a_call(UUID(int=7).bytes)
    outcome = Outcome(call, a_claim(call), ROWS[name], json.dumps(body).encode(), time(), monotonic(), status=200)
    for field, value in {"candidate": candidate(*prices), "worked": True, **fields}.items():
        setattr(outcome, field, value)
    settlement = Settlement(rows, tokenizer, Metrics())
    try:
        settlement.settle(outcome)
        await settlement.finish(30)
    finally:
        await tokenizer.close()
    (row,) = rows.settled
    return row


SPEECH = {"model": "tts-1", "input": "hello", "voice": "alloy"}
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello world"}]}


@pytest.mark.parametrize(
    ("name", "body", "prices", "fields", "row"),
    [
        (
            "chat.completions",
            CHAT,
            (TEXT,),
            {"usage": Tokens(1000, 500, 100)},
            {"usage_source": "reported", "units": (), "cost_nano_usd": 2_300_000, "unpriced": False},
        ),
        (
            "chat.completions",
            CHAT,
            (TEXT,),
            {"usage": Tokens(1000, 0, 0, 0, (("audio_input_token", 1000),))},
            {"units": (("audio_input_token", 1000),), "cost_nano_usd": 2_000_000, "unpriced": True},
        ),
        (
            "chat.completions",
            CHAT,
            (),
            {"usage": Tokens(1000, 0, 0)},
            {"input_tokens": 1000, "cost_nano_usd": 0, "unpriced": True},
        ),
        # Speech that came as sound, or whose caller hung up: what was asked for.
        (
            "audio.speech",
            SPEECH,
            (SOUND,),
            {"cancelled": True},
            {"usage_source": "counted", "units": (("character", 5),), "cost_nano_usd": 75_000, "unpriced": False},
        ),
        ("audio.speech", SPEECH, (TEXT,), {}, {"units": (("character", 5),), "cost_nano_usd": 0, "unpriced": True}),
        (
            "audio.transcriptions",
            {},
            (TEXT,),
            {"fields": {"model": "whisper-1"}, "received": ["Hello."]},
            {"usage_source": "counted", "units": (("audio_file", 1),), "input_tokens": 0, "unpriced": True},
        ),
        (
            "images.generate",
            {"n": 2, "size": "512x512"},
            (TEXT,),
            {"cancelled": True},
            {"usage_source": "counted", "units": (("image:512x512/standard", 2),), "unpriced": True},
        ),
        # Calls of tools that were seen before a stream broke off are billed with the text that was counted.
        (
            "responses",
            {"model": "gpt-4o", "input": "hello world"},
            (TEXT,),
            {"received": ["hello world"], "units": (("web_search_call", 1),)},
            {
                "usage_source": "counted",
                "input_tokens": 2,
                "output_tokens": 2,
                "units": (("web_search_call", 1),),
                "unpriced": True,
            },
        ),
        # What bills nothing, or later, is not counted as if it were text.
        (
            "files.list",
            {},
            (),
            {},
            {"usage_source": "none", "input_tokens": 0, "cost_nano_usd": 0, "unpriced": False},
        ),
        ("batches.create", {"input_file_id": "file-1"}, (), {}, {"usage_source": "none", "input_tokens": 0}),
        (
            "responses",
            {"model": "gpt-4o", "input": "hello", "background": True},
            (TEXT,),
            {"pending": True},
            {"usage_source": "none", "input_tokens": 0, "cost_nano_usd": 0},
        ),
        ("responses", {"model": "gpt-4o", "input": "hello"}, (TEXT,), {"worked": False}, {"usage_source": "none"}),
    ],
)
async def test_a_call_becomes_its_row(name, body, prices, fields, row):
    written = await settled(name, body, *prices, **fields)
    assert {field: getattr(written, field) for field in row} == row
    assert (written.kind, written.parent_id) == ("call", None)


async def test_an_event_is_priced_at_the_time_of_its_admission():
    later = replace(TEXT, effective_from=time() + 3600, input=10**12)
    row = await settled("chat.completions", CHAT, later, TEXT, usage=Tokens(1000))
    assert row.cost_nano_usd == 2_000_000
