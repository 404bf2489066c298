"""Ledger records of calls that nobody made, with figures that can be told apart."""

from uuid import UUID

from core.ids import new_event_id
from core.ledger.records import Admitted, Attempt, Call, Settled
from proxy.limits import Claim, Plan

TEAM = UUID("00000000-0000-7000-8000-00000000000a").bytes
APP = UUID("00000000-0000-7000-8000-00000000000b").bytes


def a_call(client: bytes, number: int = 0) -> Call:
    return Call(
        id=new_event_id(),
        client_id=client,
        team_id=TEAM,
        app_id=APP,
        key_id="Abcd1234",
        caller="contoso/research/chatbot/prod",
        request_id=f"req-{number}",
        endpoint="chat.completions",
        requested_model="gpt-4o",
        route="gpt-4o",
        streamed=bool(number % 2),
    )


NO_LIMITS = Plan(checks=(), encoded=b"\x90", counters=b"\x90", families=b"", since=float("-inf"), until=float("inf"))


def a_claim(call: Call, tokens: int = 520, cost: int = 5_050_000, plan: Plan = NO_LIMITS) -> Claim:
    return Claim(call.id, tokens, cost, plan)


def array(records: list[bytes]) -> bytes:
    """Encoded records as one MessagePack array, as apply.lua appends them."""
    count = len(records)
    head = (0x90 | count).to_bytes(1, "big") if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(records)


def admitted(call: Call) -> Admitted:
    return Admitted(
        call=call,
        upstream="aoai-uksouth",
        deployment="gpt-4o",
        input_tokens=20,
        output_tokens=500,
        cost_nano_usd=5_050_000,
        unpriced=False,
    )


def settled(call: Call, number: int = 0) -> Settled:
    return Settled(
        call=call,
        upstream="aoai-uksouth",
        deployment="gpt-4o",
        status=200,
        error_code=None,
        cancelled=False,
        input_tokens=10 + number % 7,
        cached_tokens=number % 3,
        output_tokens=100 + number,
        reasoning_tokens=number % 5,
        usage_source="reported",
        cost_nano_usd=1_000_001 + number,
        unpriced=False,
        time_to_first_byte_ms=12.5,
        duration_ms=340.25,
        attempts=[Attempt("aoai-uksouth", "gpt-4o", 200, None, f"up-{number}", 330.0)],
    )
