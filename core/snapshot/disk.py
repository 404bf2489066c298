"""The snapshot's copy on disk, so that a proxy starts while Postgres is away.

It holds HMACs and sealed ciphertext only, is readable by its owner alone, and is authenticated under a key derived
from a pepper: whoever can write the file but holds no pepper cannot let a key in.
"""

import contextlib
import hmac
import os
import stat
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.keys import Peppers
from core.snapshot.rows import FORMAT, Rows, decode

_NAME = "snapshot"
_MAGIC = b"aduana snapshot\n"
# The magic, the rows' format, the pepper's version, Unix seconds when Postgres last confirmed it; then the MAC.
_HEAD = struct.Struct(f">{len(_MAGIC)}sIId")
_MAC = 32
_LARGEST = 1 << 30
_ABANDONED = 600.0  # seconds after which a half-written copy is one that a killed process left


class DiskCopyError(Exception):
    """The copy on disk cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class DiskCopy:
    """What a proxy starts from when Postgres is away."""

    rows: Rows
    confirmed_at: float  # Unix seconds, when Postgres last said that this is the version


def write(state_dir: Path, encoded: bytes, confirmed_at: float, peppers: Peppers) -> None:
    """Replace the copy: `encoded` is `core.snapshot.rows.encode`'s. Blocks on the disk. Raises `OSError`."""
    head = _HEAD.pack(_MAGIC, FORMAT, peppers.newest, confirmed_at)
    mac = _mac(peppers[peppers.newest], head, encoded)
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name of its own: several processes of one proxy share the folder. mkstemp makes it 0600.
    descriptor, name = tempfile.mkstemp(prefix=f".{_NAME}-", dir=state_dir)
    temporary = Path(name)
    try:
        _remove_abandoned(state_dir)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines((head, mac, encoded))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(state_dir / _NAME)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(state_dir)


def read(state_dir: Path, peppers: Peppers) -> DiskCopy:
    """The copy, if it is whole, ours and of this version. Raises `DiskCopyError`."""
    path = state_dir / _NAME
    content = _read_private(path)
    if len(content) < _HEAD.size + _MAC or not content.startswith(_MAGIC):
        raise DiskCopyError(f"{path} is not a snapshot, or is cut short")
    _, format, pepper_version, confirmed_at = _HEAD.unpack_from(content)
    pepper = peppers.get(pepper_version)
    if pepper is None:
        raise DiskCopyError(f"{path} was made under pepper version {pepper_version}, which is not configured")
    body = memoryview(content)
    mac = body[_HEAD.size : _HEAD.size + _MAC]
    encoded = body[_HEAD.size + _MAC :]
    if not hmac.compare_digest(_mac(pepper, body[: _HEAD.size], encoded), mac):
        raise DiskCopyError(f"{path} was changed or cut short: its authentication code is wrong")
    if format != FORMAT:
        raise DiskCopyError(f"{path} was written by another version of Aduana (format {format}, ours is {FORMAT})")
    try:
        return DiskCopy(decode(encoded), confirmed_at)
    except msgspec.MsgspecError as error:
        raise DiskCopyError(f"{path} holds rows that this version cannot read: {error}") from None


def _mac(pepper: bytes, head: bytes | memoryview, encoded: bytes | memoryview) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"aduana snapshot").derive(pepper)
    mac = hmac.new(key, head, "sha256")
    mac.update(encoded)
    return mac.digest()


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise DiskCopyError(f"there is no snapshot at {path}") from None
    except OSError as error:
        raise DiskCopyError(f"{path} cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise DiskCopyError(f"{path} is not a regular file")
        if os.name == "posix" and about.st_mode & 0o077:
            raise DiskCopyError(f"{path} is open to others (mode {about.st_mode & 0o777:04o}); it must be 0600")
        if os.name == "posix" and about.st_uid not in (os.geteuid(), 0):
            raise DiskCopyError(f"{path} belongs to user {about.st_uid}, not to the one this proxy runs as")
        if about.st_size > _LARGEST:
            raise DiskCopyError(f"{path} is larger than any snapshot")
        try:
            return file.read()
        except OSError as error:
            raise DiskCopyError(f"{path} cannot be read: {error.strerror}") from None


def _remove_abandoned(folder: Path) -> None:
    for left in folder.glob(f".{_NAME}-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; where folders cannot be opened there is nothing to sync."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
