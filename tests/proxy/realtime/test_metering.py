"""What sessions used, as the ledger says it and as the provider bills it."""

from decimal import Decimal
from typing import Any

from tests.proxy.realtime.sessions import (
    CREATE,
    IN_TEXT,
    MODEL,
    SECOND_OF_SOUND,
    TRANSCRIBER,
    Estate,
    request_id,
    said,
    told,
)
from tests.proxy.stack import eventually


def billed(held: Estate) -> int:
    """The provider's bill for the model, when every session has ended: it charges then."""
    eventually("all sessions ended", lambda: all(request["done"] for request in held.simulator.requests()))
    usage: Any = held.simulator.usage()
    return int(usage.get(MODEL, {}).get("total_tokens", 0))


def test_each_response_and_transcript_is_a_share_and_all_shares_are_the_providers_bill(held: Estate) -> None:
    before = billed(held)
    with held.socket() as socket:
        told(socket, last="session.created")
        transcription = {"transcription": {"model": TRANSCRIBER}}
        told(
            socket,
            {"type": "session.update", "session": {"type": "realtime", "audio": {"input": transcription}}},
            last="session.updated",
        )
        told(
            socket,
            *[{"type": "input_audio_buffer.append", "audio": SECOND_OF_SOUND}] * 10,
            {"type": "input_audio_buffer.commit"},
            last="conversation.item.input_audio_transcription.completed",
        )
        aloud = told(socket, CREATE)[-1]["response"]["usage"]
        told(socket, IN_TEXT, last="session.updated")
        written = told(socket, said("write 7 tokens"), CREATE)[-1]["response"]["usage"]

    session = held.session_row(request_id(socket))
    transcript, first, second = held.shares(session["id"], 3)

    assert (session["status"], session["endpoint"], session["kind"]) == (101, "realtime", "call")
    assert session["input_tokens"] == session["output_tokens"] == 0
    assert session["error_code"] is None
    assert [share["kind"] for share in (transcript, first, second)] == ["realtime"] * 3
    assert {share["usage_source"] for share in (transcript, first, second)} == {"reported"}
    assert (transcript["endpoint"], transcript["requested_model"]) == ("realtime.transcription", TRANSCRIBER)
    assert (first["endpoint"], first["requested_model"]) == ("realtime.response", MODEL)
    for share, usage in ((first, aloud), (second, written)):
        assert share["input_tokens"] == usage["input_tokens"]
        assert share["output_tokens"] == usage["output_tokens"]
        assert share["cached_tokens"] == usage["input_token_details"]["cached_tokens"]
    heard, spoken = aloud["input_token_details"]["audio_tokens"], aloud["output_token_details"]["audio_tokens"]
    text_in = aloud["input_tokens"] - heard
    text_out = aloud["output_tokens"] - spoken
    assert first["cost_usd"] == Decimal(text_in * 4 + heard * 32 + text_out * 16 + spoken * 64) / 1_000_000
    assert billed(held) - before == sum(share["input_tokens"] + share["output_tokens"] for share in (first, second))


def test_a_session_that_only_listens_is_billed_by_its_transcripts(held: Estate) -> None:
    listening = {"type": "transcription", "audio": {"input": {"transcription": {"model": TRANSCRIBER}}}}
    with held.socket("/v1/realtime?intent=transcription") as socket:
        told(socket, {"type": "session.update", "session": listening}, last="session.updated")
        usage = told(
            socket,
            {"type": "input_audio_buffer.append", "audio": SECOND_OF_SOUND},
            {"type": "input_audio_buffer.commit"},
            last="conversation.item.input_audio_transcription.completed",
        )[-1]["usage"]

    session = held.session_row(request_id(socket))
    (share,) = held.shares(session["id"], 1)
    assert session["requested_model"] == ""
    assert (share["requested_model"], share["upstream"]) == (TRANSCRIBER, "sim")
    assert (share["input_tokens"], share["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert share["units"] == {"audio_input_token": usage["input_token_details"]["audio_tokens"]}


def test_a_response_whose_usage_the_provider_does_not_say_is_counted(held: Estate) -> None:
    with held.socket(**{"x-simulate": "no-usage"}) as socket:
        told(socket, IN_TEXT, last="session.updated")
        told(socket, said("write 9 tokens"), CREATE)

    (share,) = held.shares(held.session_row(request_id(socket))["id"], 1)
    assert (share["usage_source"], share["output_tokens"], share["cancelled"]) == ("counted", 9, False)


def test_a_response_that_its_caller_cancels_is_billed_for_what_was_sent(held: Estate) -> None:
    with held.socket(**{"x-simulate": "chunk-delay=0.02"}) as socket:
        told(socket, IN_TEXT, last="session.updated")
        told(socket, said("write 400 tokens"), CREATE, last="response.output_text.delta")
        usage = told(socket, {"type": "response.cancel"})[-1]["response"]["usage"]

    (share,) = held.shares(held.session_row(request_id(socket))["id"], 1)
    assert (share["usage_source"], share["cancelled"]) == ("reported", True)
    assert share["output_tokens"] == usage["output_tokens"] < 400


def test_what_the_provider_refuses_to_begin_costs_nothing(held: Estate) -> None:
    with held.socket(**{"x-simulate": "chunk-delay=0.05"}) as socket:
        told(socket, IN_TEXT, last="session.updated")
        told(socket, said("write 20 tokens"), CREATE, last="response.output_text.delta")
        error = told(socket, {**CREATE, "event_id": "too-early"}, last="error")[-1]["error"]
        told(socket)

    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "too-early")
    first, second = held.shares(held.session_row(request_id(socket))["id"], 2)
    assert (first["usage_source"], first["output_tokens"]) == ("reported", 20)
    assert (second["usage_source"], second["status"], second["cost_usd"]) == ("none", 400, 0)
