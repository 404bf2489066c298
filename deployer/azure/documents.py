"""What Resource Manager and Graph have in common: objects that may not be there, and collections in pages."""

from typing import Any

from deployer.azure.errors import Refused, Unreachable
from deployer.azure.requests import Answer, Service, link

Document = dict[str, Any]

_PAGES = 1_000


class DocumentClient:
    """Of a service that answers JSON objects."""

    _next = "nextLink"  # where a page names the following one

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get(self, path: str, **query: str) -> Document:
        """An object. Raises `Refused`, `Unreachable`, `SignInFailed`."""
        raise NotImplementedError

    async def find(self, path: str, **query: str) -> Document | None:
        """The same; None where it is not there."""
        try:
            return await self.get(path, **query)
        except Refused as error:
            if error.not_found:
                return None
            raise

    async def _collect(self, answer: Answer) -> list[Document]:
        """All of a collection, from its first page on."""
        found: list[Document] = []
        for _ in range(_PAGES):
            page = document(answer)
            found += [each for each in page.get("value") or [] if isinstance(each, dict)]
            following = page.get(self._next)
            if not following:
                return found
            answer = await self._service.request("GET", link(answer.url, str(following)))
        raise Unreachable(f"{answer.url} has more than {_PAGES} pages")


def document(answer: Answer) -> Document:
    """The object that an answer is."""
    if not isinstance(answer.body, dict):
        raise Unreachable(
            f"{answer.url.split('?')[0]} answered something that is not a JSON object",
            "Is there a proxy in between that answers itself?",
        )
    return answer.body
