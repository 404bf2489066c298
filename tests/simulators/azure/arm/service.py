"""ARM's front: tokens, versions, faults, paging, and operations that go on after the answer."""

import re
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from tests.simulators.azure.arm import resources
from tests.simulators.azure.arm.answers import READERS
from tests.simulators.azure.arm.checks import JUDGES
from tests.simulators.azure.arm.faults import Fault, error
from tests.simulators.azure.arm.subscription import Subscription
from tests.simulators.azure.entra import EntraTenant
from tests.simulators.azure.server import Answer, Request, SimulatedService

if TYPE_CHECKING:
    from tests.simulators.azure.arm.mirror import Mirror

AUDIENCE = "https://management.azure.com"


@dataclass(slots=True)
class _Operation:
    polls: int  # that still say InProgress
    failure: dict[str, Any] | None = None


class ArmService(SimulatedService):
    """One subscription behind ARM's front."""

    def __init__(self, entra: EntraTenant, tls: ssl.SSLContext) -> None:
        self.entra = entra
        self.mirror: Mirror | None = None
        entra.services.add(AUDIENCE)
        self.subscription = Subscription(entra.tenant_id)
        self.lock = threading.RLock()
        super().__init__(tls)
        self.reset()

    def reset(self) -> None:
        """An ordinary subscription, and nothing that goes wrong."""
        self.faults: list[Fault] = []
        self.journal: list[tuple[str, str]] = []  # method and path
        self.page_size = 1_000
        self.polls = 1  # how often an operation says that it is in progress
        self.operation_failure: dict[str, Any] | None = None  # {"code", "message"}: how operations end from now on
        self.actions: dict[
            str, Any
        ] = {}  # regex of a path → what a POST to it answers: Answer, or a callable of the request
        self.skew = 0.0
        self._operations: dict[str, _Operation] = {}
        self.subscription.reset()

    def writes(self) -> list[tuple[str, str]]:
        """What was asked that changes something."""
        return [each for each in self.journal if each[0] in ("PUT", "PATCH", "DELETE")]

    def respond(self, request: Request) -> Answer:
        with self.lock:
            self.journal.append((request.method, request.path))
            if self.mirror is not None:
                self.mirror.pull()
            answer = self._respond(request)
            if self.mirror is not None and request.method in ("PUT", "PATCH", "DELETE") and answer.status < 300:
                self.mirror.push(request.path)
        answer.headers.setdefault("x-ms-request-id", str(uuid4()))
        return answer

    def _respond(self, request: Request) -> Answer:
        claims = self.entra.accepts(request.token, AUDIENCE)
        if claims is None:
            challenge = {"WWW-Authenticate": f'Bearer authorization_uri="{self.entra.url}/{self.entra.tenant_id}"'}
            return error(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)
        for fault in self.faults:
            if (struck := fault.strikes(request.method, request.path)) is not None:
                return struck
        if request.path.startswith("/operations/"):
            return self._operation(request.path.rsplit("/", 1)[1])
        version = request.query.get("api-version")
        if version is None or not re.fullmatch(r"\d{4}-\d\d-\d\d(-preview)?", version):
            return error(
                400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."
            )
        named = re.match(r"/subscriptions/([^/]+)", request.path)
        if named is not None and named[1].lower() != self.subscription.id:
            return error(404, "SubscriptionNotFound", f"The subscription '{named[1]}' could not be found.")
        return self._routed(request, str(claims["oid"]))

    def _routed(self, request: Request, principal: str) -> Answer:
        match request.method:
            case "GET":
                return self._read(request)
            case "POST":
                return self._act(request)
            case "DELETE":
                return self._behind(resources.delete(self.subscription, request.path), None)
            case "PUT" | "PATCH":
                return self._behind(*resources.write(self.subscription, request, principal))
        return error(405, "MethodNotAllowed", f"{request.method} is not allowed here")

    def _read(self, request: Request) -> Answer:
        for pattern, reader in READERS:
            if found := pattern.fullmatch(request.path):
                answer = reader(self.subscription, request, found)
                return answer if isinstance(answer, Answer) else self._page(request, answer)
        resource = resources.find(self.subscription, request.path)
        if resource is not None:
            return Answer(200, resource)
        if request.path.count("/") % 2 == 1:  # a collection's path has an odd number of segments
            listed = resources.listed(self.subscription, request.path)
            if listed is not None:
                return self._page(request, listed)
        return resources.absent(request.path)

    def _act(self, request: Request) -> Answer:
        for pattern, answer in self.actions.items():
            if re.search(pattern, request.path, re.IGNORECASE):
                return answer(request) if callable(answer) else answer
        for known, judge in JUDGES:
            if found := known.fullmatch(request.path):
                return judge(self.subscription, request, found)
        return error(404, "NotFound", f"there is no action {request.path}")

    def _page(self, request: Request, found: list[Any]) -> Answer:
        start = int(request.query.get("$skiptoken", "0"))
        body: dict[str, Any] = {"value": found[start : start + self.page_size]}
        if start + self.page_size < len(found):
            query = {**request.query, "$skiptoken": str(start + self.page_size)}
            body["nextLink"] = f"{self.url}{quote(request.path)}?{urlencode(query)}"
        return Answer(200, body)

    def _behind(self, answer: Answer, slow: str | None) -> Answer:
        """What goes on after the answer is asked for at an address of its own."""
        if slow is not None and answer.status < 300:
            id = str(uuid4())
            self._operations[id] = _Operation(self.polls, self.operation_failure)
            answer.headers |= {"Azure-AsyncOperation": f"{self.url}/operations/{id}", "Retry-After": "0"}
            if answer.status == 202:
                answer.headers["Location"] = f"{self.url}/operations/{id}"
        return answer

    def _operation(self, id: str) -> Answer:
        operation = self._operations.get(id)
        if operation is None:
            return error(404, "OperationNotFound", "there is no such operation")
        if operation.polls > 0:
            operation.polls -= 1
            return Answer(200, {"name": id, "status": "InProgress"}, {"Retry-After": "0"})
        if operation.failure is not None:
            return Answer(200, {"name": id, "status": "Failed", "error": operation.failure})
        return Answer(200, {"name": id, "status": "Succeeded"})
