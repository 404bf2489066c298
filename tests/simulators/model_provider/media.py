"""Sound and pictures that say nothing: small real files, of a length that follows from what was asked for."""

import hashlib
import io
import struct
import wave
import zlib
from collections.abc import Iterator

from tests.simulators.model_provider.forms import SentFile

# What a second of sound takes: (bytes, content type, how the file begins).
_FORMATS: dict[str, tuple[int, str, bytes]] = {
    "mp3": (16_000, "audio/mpeg", b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb"),
    "opus": (8_000, "audio/opus", b"OggS\x00\x02"),
    "aac": (16_000, "audio/aac", b"\xff\xf1"),
    "flac": (40_000, "audio/flac", b"fLaC"),
    "wav": (48_000, "audio/wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
    "pcm": (48_000, "audio/pcm", b""),
    "pcm16": (48_000, "audio/pcm", b""),
}
SOUNDS = tuple(_FORMATS)
_CHARACTERS_A_SECOND = 15
_ENCODED_BYTES_A_SECOND = 16_000
_PIECE = 16 << 10


def seconds_to_say(text: str) -> float:
    """How long it takes to say a text."""
    return max(len(text) / _CHARACTERS_A_SECOND, 0.1)


def seconds_of(sound: SentFile) -> float:
    """How long a sound lasts: as its header says where it is a WAV, else at 128 kbit/s."""
    try:
        with wave.open(io.BytesIO(sound.content)) as opened:
            return float(opened.getnframes() / opened.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return sound.size / _ENCODED_BYTES_A_SECOND


def sound(seconds: float, kind: str, at_least: int = 0) -> tuple[Iterator[bytes], int, str]:
    """A sound in pieces, its size and its content type."""
    rate, content_type, start = _FORMATS[kind]
    size = max(round(seconds * rate), len(start), at_least)

    def pieces() -> Iterator[bytes]:
        yield start
        left = size - len(start)
        silence = bytes(_PIECE)
        while left > 0:
            yield silence[:left]
            left -= _PIECE

    return pieces(), size, content_type


def picture(seed: bytes, at_least: int = 0) -> bytes:
    """A PNG of one colour; of at least so many bytes."""
    red, green, blue = hashlib.blake2b(seed, digest_size=3).digest()
    rows = (b"\x00" + bytes((red, green, blue)) * 8) * 8
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    padding = [_chunk(b"tEXt", b"Comment\x00" + b" " * at_least)] if at_least else []
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", head),
            *padding,
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
