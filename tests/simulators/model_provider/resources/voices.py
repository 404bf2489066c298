"""Voices of a caller's own, and the recordings in which their owners consent."""

from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import changed, gone, now, sent_file, text
from tests.simulators.model_provider.shelf import Kept


async def _create(exchange: Exchange) -> None:
    form = exchange.form()
    kind = form.get("type") or "audio_sample"
    if kind == "prompt":
        text(form, "prompt")
    else:
        sent_file(form, "audio_sample")
        exchange.provider.shelf("voice_consent").find(text(form, "consent"), status=400, param="consent")
    shown = {
        "id": exchange.provider.new_id("voice_"),
        "object": "audio.voice",
        "created_at": now(),
        "name": text(form, "name"),
        "type": kind,
        "prompt": form.get("prompt"),
    }
    await exchange.answer(exchange.provider.shelf("voice").add(Kept(shown)).shown)


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("voice").take(exchange.path_params["voice"])
    await exchange.answer(gone(exchange.path_params["voice"], "audio.voice.deleted"))


async def _create_consent(exchange: Exchange) -> None:
    form = exchange.form()
    sent_file(form, "recording")
    shown = {
        "id": exchange.provider.new_id("cons_"),
        "object": "audio.voice_consent",
        "created_at": now(),
        "name": text(form, "name"),
        "language": text(form, "language"),
    }
    await exchange.answer(exchange.provider.shelf("voice_consent").add(Kept(shown)).shown)


async def _list_consents(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("voice_consent").page(exchange.query))


async def _retrieve_consent(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("voice_consent").shown)


async def _update_consent(exchange: Exchange) -> None:
    await exchange.answer(changed(exchange.kept("voice_consent").shown, exchange.json(), "name"))


async def _delete_consent(exchange: Exchange) -> None:
    exchange.provider.shelf("voice_consent").take(exchange.path_params["voice_consent"])
    await exchange.answer(gone(exchange.path_params["voice_consent"], "audio.voice_consent"))


PATHS = {
    "audio/voices": {"POST": _create},
    "audio/voices/{voice}": {"DELETE": _delete},
    "audio/voice_consents": {"POST": _create_consent, "GET": _list_consents},
    "audio/voice_consents/{voice_consent}": {
        "GET": _retrieve_consent,
        "POST": _update_consent,
        "DELETE": _delete_consent,
    },
}
