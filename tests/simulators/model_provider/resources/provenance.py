"""Content provenance checks: nothing is ever found."""

from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import now, sent_file


async def _check(exchange: Exchange) -> None:
    sent_file(exchange.form(), "file")
    results = [
        {"type": "c2pa", "outcome": "not_detected", "validation_state": "not_present"},
        {"type": "synthid", "outcome": "not_detected"},
    ]
    await exchange.answer({"object": "content_provenance_check", "created_at": now(), "results": results})


PATHS = {"content_provenance_checks": {"POST": _check}}
