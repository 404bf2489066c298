"""What the errors of Azure and of the engines mean, and what to do about each: tables, and the look-up in them.

A row is found by what its provider prints. Rows are looked through in order, so that the narrower one stands first; what no
row knows keeps the provider's own words and is never tried again.
"""

import re

from deployer.engines.problems import Problem, Severity
from deployer.engines.remedies.arm import ARM
from deployer.engines.remedies.entra import ENTRA
from deployer.engines.remedies.network import NETWORK
from deployer.engines.remedies.row import Remedy
from deployer.engines.remedies.terraform import TERRAFORM
from deployer.engines.remedies.vault import VAULT

__all__ = ["REMEDIES", "Remedy", "diagnose"]

REMEDIES: tuple[Remedy, ...] = (*TERRAFORM, *ENTRA, *VAULT, *NETWORK, *ARM)

_LONGEST_TEXT = (
    10_000  # characters of an error that are looked at; the patterns are bounded, so that no text takes long
)

_UNKNOWN = (
    "Read what the provider says; where it names a request or correlation id, Azure's activity log has the rest. "
    "Applying the "
    "same plan again goes on from here."
)


def diagnose(severity: Severity, summary: str, detail: str, address: str = "") -> Problem:
    """What an error means. `summary` and `detail` are free of secrets already."""
    text = f"{summary}\n{detail}"[:_LONGEST_TEXT]
    for row in REMEDIES if severity is Severity.ERROR else ():
        found = row.search(text)
        if found is not None:
            words = {name: value or "?" for name, value in found.groupdict().items()}
            return Problem(
                id=row.id,
                severity=severity,
                summary=summary,
                detail=detail,
                cause=_fill(row.cause, words),
                remedy=_fill(row.remedy, words),
                address=address,
                retry=row.retry,
            )
    remedy = _UNKNOWN if severity is Severity.ERROR else ""
    return Problem("unknown", severity, summary, detail, "", remedy, address)


def _fill(template: str, words: dict[str, str]) -> str:
    """Put what was found into a sentence; line breaks in the middle of a name are the terminal's, not the name's."""
    return re.sub(r"\{(\w+)\}", lambda match: " ".join(words[match[1]].split()), template)
