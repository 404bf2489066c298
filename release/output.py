"""Where a release's commands put what they made."""

import sys
from pathlib import Path


def deliver(text: str, file: Path | None) -> None:
    """Write a whole text to a file, or to standard output where none is named; a file is replaced at once or not at all."""
    if file is None:
        sys.stdout.write(text)
        return
    fresh = file.with_name(f".{file.name}.new")
    try:
        fresh.write_text(text)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
