"""The meters of streams that bring images, speech and transcripts: typed events, whose last one reports the usage."""

from typing import ClassVar

import msgspec
from msgspec import Struct

from proxy.metering import Tokens
from proxy.metering.figures import Usage, added, positive
from proxy.metering.meters import EventMeter
from proxy.metering.requests import Request, fields_of, image_unit, images_asked
from proxy.metering.usage import Images, Transcript, tokens_of_images


class _ImageEvent(Images):
    type: str = ""


_decode_image = msgspec.json.Decoder(_ImageEvent).decode


class ImagesMeter(EventMeter):
    """Images as they are made: parts of them, and each as a whole with its usage ("the number of image tokens in the output
    image": https://platform.openai.com/docs/api-reference/images-streaming)."""

    __slots__ = ("_fields", "_left")

    limit: ClassVar[int] = 64 * 1024 * 1024  # an image in base64 is one event

    def __init__(self, request: Request = None) -> None:
        super().__init__()
        self._fields = fields_of(request)
        self._left = images_asked(self._fields)  # images that are to come

    def _read(self, data: bytes) -> None:
        event = _decode_image(data)
        if event.type == "error":
            self.finished = True
        if not event.type.endswith(".completed"):
            return
        self._left -= 1
        self.finished = self._left <= 0
        made = Tokens(units=((image_unit(self._fields, event.size, event.quality), 1),))
        if event.usage is not None:
            made = tokens_of_images(event, self._fields) or made
        self.usage = added((self.usage, made)) if self.usage is not None else made


class _SpeechEvent(Struct):
    type: str = ""
    usage: Usage | None = None


_decode_speech = msgspec.json.Decoder(_SpeechEvent).decode


class SpeechMeter(EventMeter):
    """Speech as events: all of its output is audio."""

    __slots__ = ()

    def _read(self, data: bytes) -> None:
        event = _decode_speech(data)
        if event.type in ("speech.audio.done", "error"):
            self.finished = True
            tokens = event.usage.tokens() if event.usage is not None else None
            if tokens is not None:
                self.usage = tokens._replace(units=positive(("audio_output_token", tokens.output)))


class _TranscriptEvent(Transcript):
    type: str = ""
    delta: str | None = None


_decode_transcript = msgspec.json.Decoder(_TranscriptEvent).decode


class TranscriptMeter(EventMeter):
    """A transcript as it is written."""

    __slots__ = ()

    def _read(self, data: bytes) -> None:
        event = _decode_transcript(data)
        if event.type == "transcript.text.delta":
            self._texts.add(0, event.delta or "")
        elif event.type in ("transcript.text.done", "error"):
            self.finished = True
            self.usage = event.tokens()
