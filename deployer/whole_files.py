"""Files that are written whole or not at all; those of `write_private` nobody but their owner may read."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text file, and its folder where there is none; a reader meets the old or the new one. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, text, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())


def write_private(path: Path, text: str) -> None:
    """Write a text file that its owner alone may read, in a folder that is there. Raises `OSError`."""
    _write(path, text, 0o600)


def _write(path: Path, text: str, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        fresh.chmod(mode)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
