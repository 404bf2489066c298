"""The lock files that `make lock` writes, read: which package in which version, by which hashes, on which platforms."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
IMAGES = ("proxy", "admin", "job")

# What the images run on: the Dockerfile's base, on Linux.
_IN_AN_IMAGE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "sys_platform": "linux",
}


@dataclass(frozen=True, slots=True)
class Locked:
    """One pinned package. `hashes`: SHA-256 in hex, of every file that may be installed."""

    name: str  # canonical
    version: str
    hashes: tuple[str, ...]
    marker: str | None = None

    def applies(self, python: str) -> bool:
        """Whether it is installed in an image with that Python, such as 3.11.14."""
        return self.marker is None or Marker(self.marker).evaluate(environment(python))


def environment(python: str) -> dict[str, str]:
    """The variables of environment markers (PEP 508) in an image with that Python."""
    return {
        **{name: str(value) for name, value in default_environment().items()},
        **_IN_AN_IMAGE,
        "python_full_version": python,
        "implementation_version": python,
        "python_version": python.rpartition(".")[0],
    }


_ENTRY = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]+?))? \\\n(?P<hashes>(?:    --hash=.*\n?)+)",
    re.M,
)


def lock_file(name: str) -> Path:
    """The lock file of an image (or of `build` or `dev`)."""
    return ROOT / f"requirements-{name}.lock"


def read_lock(lock: Path) -> list[Locked]:
    """Every package that a lock file pins, in its order. Raises `ValueError` where a line is none that `make lock` writes."""
    text = lock.read_text()
    found = [
        Locked(
            canonicalize_name(entry["name"]),
            entry["version"],
            tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry["hashes"])),
            entry["marker"],
        )
        for entry in _ENTRY.finditer(text)
    ]
    if _ENTRY.sub("", text).strip() or not all(one.hashes for one in found):
        raise ValueError(f"{lock.name} holds lines that `make lock` does not write")
    return found
