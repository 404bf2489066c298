"""`file:/path`: a small text file, as Kubernetes, Docker and the local tenant mount secrets."""

import asyncio
import os
import stat

from core.secrets import SecretError, SecretNotFound, SecretRef, SecretUnavailable

LARGEST = 64 * 1024
"""Bytes; no credential is longer, and a path given by mistake must not be read into memory."""


class FileSource:
    """Reads the file anew each time: a mounted secret is replaced in place when it is rotated."""

    async def read(self, ref: SecretRef) -> str:
        return await asyncio.to_thread(_read, ref)


def _read(ref: SecretRef) -> str:
    try:
        # Not blocking: opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(ref.name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SecretError(f"{ref}: not a regular file")
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise SecretNotFound(f"{ref}: there is no such file") from None
    except OSError as error:
        raise SecretUnavailable(f"{ref}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise SecretError(f"{ref}: larger than {LARGEST // 1024} KiB, which no secret is")
    try:
        value = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretError(f"{ref}: not UTF-8 text") from None
    if not value:
        raise SecretNotFound(f"{ref}: the file is empty")
    return value
