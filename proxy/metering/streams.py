"""Which meter reads which endpoint's streams."""

from proxy.endpoints import Endpoint, Metering
from proxy.metering.chat import ChatMeter
from proxy.metering.media import ImagesMeter, SpeechMeter, TranscriptMeter
from proxy.metering.meters import GarbledStream, StreamMeter
from proxy.metering.requests import Request
from proxy.metering.responses import ResponsesMeter
from proxy.metering.runs import RunMeter
from proxy.metering.unmetered import UnmeteredStream

__all__ = ["ChatMeter", "GarbledStream", "ResponsesMeter", "StreamMeter", "stream_meter"]


def stream_meter(endpoint: Endpoint, *, hide_usage: bool, request: Request = None) -> StreamMeter:
    """The meter of an endpoint's streams. `hide_usage`: its caller did not ask for the usage that the gateway forced.
    `request`: what was asked for, where the events do not say what they bring."""
    metering = endpoint.metering
    if metering is Metering.CHAT or metering is Metering.COMPLETIONS:
        return ChatMeter(hide_usage)
    if metering is Metering.IMAGES:
        return ImagesMeter(request)
    return _METERS.get(metering, UnmeteredStream)()


_METERS = {
    Metering.RESPONSES: ResponsesMeter,
    Metering.SPEECH: SpeechMeter,
    Metering.TRANSCRIPTION: TranscriptMeter,
    Metering.RUN: RunMeter,
}
