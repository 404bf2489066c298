"""What goes wrong with a request to ARM."""

import re
from dataclasses import dataclass
from typing import Any

from tests.simulators.azure.server import Answer


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """ARM's shape of an error."""
    return Answer(status, {"error": {"code": code, "message": message, **more}}, headers)


@dataclass(slots=True)
class Fault:
    """`path` is searched in the request's path, without regard to case; `times` None: always."""

    path: str
    status: int = 503
    code: str = "ServiceUnavailable"
    message: str = "The service is unavailable now, please retry the request later."
    method: str = ""
    times: int | None = 1
    retry_after: str | None = "0"

    def strikes(self, method: str, path: str) -> Answer | None:
        """The answer, where it is this request's turn. Counts."""
        if self.times == 0 or self.method not in ("", method) or not re.search(self.path, path, re.IGNORECASE):
            return None
        if self.times is not None:
            self.times -= 1
        headers = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
        return error(self.status, self.code, self.message, headers)
