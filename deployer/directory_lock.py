"""The lock of a directory: one process at a time works in it, and the kernel releases it however that one ends."""

import os
import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class DirectoryLock:
    """Holds the file `lock`, which says who holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Whether it is ours now."""
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        if not _lock(file):
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Let another one have it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def holder(self) -> int | None:
        """The process that holds it; None where nobody does."""
        try:
            with self._path.open("r+") as file:
                if _lock(file):
                    return None
                return int(file.readline())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return 0  # somebody, who has not said so yet


def _lock(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            file.seek(1 << 30)  # beyond the text, which others read while it is locked
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
