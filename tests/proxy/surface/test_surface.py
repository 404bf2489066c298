"""Every row of the table, called by the stock SDKs through the proxy: synchronous and not, on each surface."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from proxy.endpoints import UNMETERED, Endpoint, Sends
from proxy.endpoints.table import ENDPOINTS
from tests.proxy.stack import eventually
from tests.proxy.surface.estate import Estate
from tests.proxy.surface.walking import SURFACES, Sent, walking
from tests.simulators.operations import OPERATIONS, WIDER_THAN_ITS_TYPE, Made

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SERVED = [row for row in ENDPOINTS if row.refused is None and row.sends is not Sends.SOCKET]
REFUSED = [row for row in ENDPOINTS if row.refused is not None and row.sends is not Sends.SOCKET]
SAID_NOWHERE = ("audio.speech", "audio.translations")  # what these cost: a unit of the request's is priced in its place
CATALOGUE = ("models.list", "models.retrieve")  # which no row says: the gateway answers itself


@pytest.fixture(scope="module", params=sorted(SURFACES))
def surface(request: Any, estate: Estate) -> Iterator[Any]:
    """A strict client with what it notes, a lenient one for what is wider than its type, and what they share."""
    url, key = estate.stack.url, estate.keys["alice"]
    with (
        walking(request.param, url, key) as strict,
        walking(request.param, url, key, strict=False, sent=strict.sent) as lenient,
    ):
        made = Made(lenient.client)
        yield lambda name: (lenient if name in WIDER_THAN_ITS_TYPE else strict, made)


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.name)
def test_the_sdk_completes_the_operation_and_the_ledger_says_so(estate: Estate, surface: Any, row: Endpoint) -> None:
    walker, made = surface(row.name)
    walker.sent.clear()
    # By id: the journal forgets its oldest requests.
    before = {seen["id"] for simulator in estate.simulators.values() for seen in simulator.requests()}

    assert OPERATIONS[row.name](walker.client, made) is not None

    rows = ledger(estate, walker.sent)
    assert all(each.status < 300 for each in walker.sent)
    assert row.name in {each["endpoint"] for each in rows}
    for each in rows:
        assert each["caller"] == "contoso/research/alice/key"
        assert each["status"] == next(sent.status for sent in walker.sent if sent.request_id == each["request_id"])
    if row.name in SAID_NOWHERE:
        assert [each["usage_source"] for each in rows if each["endpoint"] == row.name] == ["counted"]
        assert sum(amount for each in rows for amount in each["units"].values()) > 0
    elif row.metering not in UNMETERED:
        charges = [
            seen["charge"]
            for simulator in estate.simulators.values()
            for seen in simulator.requests()
            if seen["id"] not in before and seen["charge"] is not None
        ]
        assert used(rows) == billed(charges)


@pytest.mark.parametrize("name", CATALOGUE)
def test_models_are_listed(surface: Any, name: str) -> None:
    walker, made = surface(name)
    assert OPERATIONS[name](walker.client, made) is not None


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_a_row_that_is_refused_says_so(estate: Estate, row: Endpoint) -> None:
    path = "/" + row.filled(dict.fromkeys(row.kinds, "x1"))
    with walking("openai", estate.stack.url, estate.keys["alice"]) as walker:
        send = getattr(walker.client, row.method.lower())
        with pytest.raises(openai.PermissionDeniedError) as refused:
            send(path, cast_to=object)
    assert refused.value.code == "endpoint_not_served"
    assert row.refused in refused.value.message


def test_every_row_has_an_operation() -> None:
    assert {row.name for row in SERVED} - OPERATIONS.keys() == set()


def ledger(estate: Estate, sent: list[Sent]) -> list[dict[str, Any]]:
    """The rows of what was sent, as soon as all of them are written."""
    ids = [each.request_id for each in sent]
    return eventually(
        "all rows are written",
        lambda: (
            len(
                rows := estate.stack.rows(
                    "SELECT * FROM usage_events WHERE request_id = ANY(%s) AND kind = 'call'", ids
                )
            )
            == len(ids)
            and rows
        ),
    )


def used(rows: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Tokens that were sent and that were written, and pieces that are billed beside them."""
    pieces = sum(amount for each in rows for unit, amount in each["units"].items() if unit.split(":")[0] in PIECES)
    return sum(each["input_tokens"] for each in rows), sum(each["output_tokens"] for each in rows), pieces


def billed(charges: list[dict[str, Any]]) -> tuple[int, int, int]:
    """The same of what the provider bills."""
    pieces = sum(
        amount for each in charges for unit, amount in (each.get("units") or {}).items() if unit.split(":")[0] in PIECES
    )
    return (
        sum(each["prompt_tokens"] for each in charges),
        sum(each["completion_tokens"] for each in charges),
        round(pieces),
    )


PIECES = frozenset({"image", "character", "audio_millisecond", "video_second"})
