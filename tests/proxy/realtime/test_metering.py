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


def test_each_response_and_transcript_is_a_share_and_all_shares_are_the_providers_bill(held: Estate) -> None:
    before: Any = held.simulator.usage()
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
    held.simulator.requests(finished=1)
    after: Any = held.simulator.usage()
    billed = after[MODEL]["total_tokens"] - before.get(MODEL, {}).get("total_tokens", 0)
    assert billed == sum(share["input_tokens"] + share["output_tokens"] for share in (first, second))
