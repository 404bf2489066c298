"""A row of a table of errors."""

import re
from dataclasses import dataclass

from deployer.engines.problems import Retry

PROPAGATION = Retry(attempts=7, first_delay=20, factor=1.6)
"""For what Azure has accepted and not yet told all of its parts: about nine minutes."""

CONTENTION = Retry(attempts=6, first_delay=15, factor=1.7)
"""For what another operation holds just now: about seven minutes."""

OUTAGE = Retry(attempts=4, first_delay=10, factor=2.5)
"""For a service or a network that fails for a moment: about four minutes."""

RELEASE = Retry(attempts=8, first_delay=60, factor=1.5, longest_delay=300)
"""For what Azure lets go of late, a delegated subnet above all: about half an hour."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One known error.

    `pattern` is a regular expression for what the provider prints (letters' case is ignored, a dot is any character); what may
    repeat in it has a limit, since the text is the provider's.
    Groups in it may be put into `cause` and `remedy` by name, as `{name}`.
    """

    id: str
    pattern: str
    cause: str
    remedy: str
    retry: Retry | None = None

    def search(self, text: str) -> re.Match[str] | None:
        """Where this error is found in the text."""
        return re.search(self.pattern, text, re.IGNORECASE | re.DOTALL)
