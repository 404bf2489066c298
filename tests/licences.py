"""`python -m tests.licences`: fails when a package that is shipped has a licence that would bind its customers.

Shipped is what `requirements.lock` names. The GNU GPL and AGPL, SSPL and BUSL are refused; the LGPL is not: psycopg is used
as the library that it is, unmodified and replaceable.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

_REFUSED = re.compile(
    r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License|Affero|SSPL|Server Side Public|BUSL|Business Source",
    re.I,
)
_NOT_GPL = re.compile(r"LGPL[\w.+-]*|(GNU )?Lesser General Public License[^,;|]*|GNU Library[^,;|]*", re.I)


def licence_of(name: str) -> str | None:
    """What a package says of its licence: its expression, else its classifiers, else the first line of the field."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return None  # of another platform
    if said.get("License-Expression"):
        return str(said["License-Expression"])
    classifiers = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or [] if c.startswith("License ::")]
    return " | ".join(classifiers) or (said.get("License") or "").strip().split("\n")[0] or "unknown"


def refused(licence: str) -> bool:
    """Whether a licence may not be shipped. A choice (OR) may be, when one side of it may."""
    choices = re.split(r"\bOR\b", licence)
    return all(_REFUSED.search(_NOT_GPL.sub("", choice)) for choice in choices) or licence == "unknown"


def shipped(lock: Path) -> list[str]:
    """The names in a lock file."""
    return re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock.read_text(), re.M)


def main() -> int:
    """The exit code: 1 names what must not be shipped."""
    names = shipped(Path(__file__).parents[1] / "requirements.lock")
    bad = [(name, said) for name in names if (said := licence_of(name)) is not None and refused(said)]
    for name, said in bad:
        print(f"{name} is shipped and has the licence {said!r}: replace it, or record why it may stay")
    if not bad:
        print(f"{len(names)} shipped packages, none under GPL, AGPL, SSPL or BUSL")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
