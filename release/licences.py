"""`python -m release.licences`: fails when a package that is shipped has a licence that would bind its customers.

Shipped is what the lock files of the local tenant and of the images name. The GNU GPL and AGPL, SSPL and BUSL are refused;
the LGPL is not: psycopg is used as the library that it is, unmodified and replaceable.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from release.locks import IMAGES, ROOT, lock_file, read_lock

_REFUSED = re.compile(
    r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License|Affero|SSPL|Server Side Public|BUSL|Business Source",
    re.I,
)
_NOT_GPL = re.compile(r"LGPL[\w.+-]*|(GNU )?Lesser General Public License[^,;|]*|GNU Library[^,;|]*", re.I)


def licences_of(name: str) -> tuple[str, ...]:
    """What a package says of its licence: its expression, else its classifiers, else the first line of the field.

    Nothing where it is not installed (it is for another platform); `unknown` where it says nothing.
    """
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return ()
    if "License-Expression" in said:
        return (said["License-Expression"],)
    classifiers = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or [] if c.startswith("License ::")]
    text = said["License"] if "License" in said else ""  # noqa: SIM401 - it has no `get` by its type
    return tuple(classifiers) or (text.strip().split("\n")[0] or "unknown",)


def refused(licence: str) -> bool:
    """Whether a licence may not be shipped. A choice (OR) may be, when one side of it may."""
    choices = re.split(r"\bOR\b", licence)
    return all(_REFUSED.search(_NOT_GPL.sub("", choice)) for choice in choices) or licence == "unknown"


def shipped() -> list[str]:
    """The names in the lock files of all that is shipped."""
    locks: list[Path] = [ROOT / "requirements.lock", *(lock_file(image) for image in IMAGES)]
    return sorted({locked.name for lock in locks for locked in read_lock(lock)})


def main() -> int:
    """The exit code: 1 names what must not be shipped."""
    names = shipped()
    bad = [(name, said) for name in names if (said := " | ".join(licences_of(name))) and refused(said)]
    for name, said in bad:
        print(f"{name} is shipped and has the licence {said!r}: replace it, or record why it may stay")
    if not bad:
        print(f"{len(names)} shipped packages, none under GPL, AGPL, SSPL or BUSL")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
