"""Every operation of the surface as a call of the stock SDK, by the name that it has in the SDK.

Whoever has a client can walk them: an operation makes what it needs first, and returns the SDK's object (of a list the first
page, of a stream its events). `Made` shares what was made between the operations of one client.
"""

import io
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from openai import OpenAI

MODEL = "gpt-4o"


class Made:
    """What other operations need, made at first use."""

    def __init__(self, client: OpenAI) -> None:
        self._client = client

    @cached_property
    def file(self) -> str:
        return self.new_file()

    @cached_property
    def vector_store(self) -> str:
        return self._client.vector_stores.create(name="papers", file_ids=[self.file]).id

    @cached_property
    def file_batch(self) -> str:
        return self._client.vector_stores.file_batches.create(self.vector_store, file_ids=[self.file]).id

    @cached_property
    def batch(self) -> str:
        return self.new_batch()

    def new_file(self, content: bytes = b"The harbor opens at nine.", purpose: Any = "assistants") -> str:
        return self._client.files.create(file=("notes.txt", content), purpose=purpose).id

    def new_upload(self, size: int = 5) -> str:
        upload = self._client.uploads.create(bytes=size, filename="a.txt", mime_type="text/plain", purpose="assistants")
        return upload.id

    def new_batch(self) -> str:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "write 5 tokens"}]}
        line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
        file = self.new_file(json.dumps(line).encode(), "batch")
        made = self._client.batches.create(
            input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata={"of": "tests"}
        )
        return made.id


def completed_upload(client: OpenAI, made: Made) -> Any:
    """An upload of two parts."""
    upload = made.new_upload(5)
    parts = [client.uploads.parts.create(upload, data=io.BytesIO(data)).id for data in (b"abc", b"de")]
    return client.uploads.complete(upload, part_ids=parts)


Operation = Callable[[OpenAI, Made], Any]

FILES: dict[str, Operation] = {
    "files.create": lambda client, made: client.files.create(file=("a.txt", b"text"), purpose="user_data"),
    "files.list": lambda client, made: client.files.list(purpose="assistants", limit=2),
    "files.retrieve": lambda client, made: client.files.retrieve(made.file),
    "files.content": lambda client, made: client.files.content(made.file),
    "files.delete": lambda client, made: client.files.delete(made.new_file()),
    "uploads.create": lambda client, made: client.uploads.create(
        bytes=5, filename="a.txt", mime_type="text/plain", purpose="assistants"
    ),
    "uploads.parts.create": lambda client, made: client.uploads.parts.create(made.new_upload(), data=b"12345"),
    "uploads.complete": completed_upload,
    "uploads.cancel": lambda client, made: client.uploads.cancel(made.new_upload()),
    "batches.create": lambda client, made: client.batches.retrieve(made.new_batch()),
    "batches.list": lambda client, made: client.batches.list(limit=2),
    "batches.retrieve": lambda client, made: client.batches.retrieve(made.batch),
    "batches.cancel": lambda client, made: client.batches.cancel(made.new_batch()),
}
VECTOR_STORES: dict[str, Operation] = {
    "vector_stores.create": lambda client, made: client.vector_stores.create(
        name="papers", expires_after={"anchor": "last_active_at", "days": 7}
    ),
    "vector_stores.list": lambda client, made: client.vector_stores.list(),
    "vector_stores.retrieve": lambda client, made: client.vector_stores.retrieve(made.vector_store),
    "vector_stores.update": lambda client, made: client.vector_stores.update(made.vector_store, name="others"),
    "vector_stores.delete": lambda client, made: client.vector_stores.delete(client.vector_stores.create().id),
    "vector_stores.search": lambda client, made: client.vector_stores.search(made.vector_store, query="harbor"),
    "vector_stores.files.create": lambda client, made: client.vector_stores.files.create(
        made.vector_store, file_id=made.new_file(), attributes={"of": "tests"}
    ),
    "vector_stores.files.list": lambda client, made: client.vector_stores.files.list(made.vector_store),
    "vector_stores.files.retrieve": lambda client, made: client.vector_stores.files.retrieve(
        made.file, vector_store_id=made.vector_store
    ),
    "vector_stores.files.update": lambda client, made: client.vector_stores.files.update(
        made.file, vector_store_id=made.vector_store, attributes={"page": 3.0}
    ),
    "vector_stores.files.delete": lambda client, made: client.vector_stores.files.delete(
        made.file, vector_store_id=client.vector_stores.create(file_ids=[made.file]).id
    ),
    "vector_stores.files.content": lambda client, made: client.vector_stores.files.content(
        made.file, vector_store_id=made.vector_store
    ),
    "vector_stores.file_batches.create": lambda client, made: client.vector_stores.file_batches.create(
        made.vector_store, files=[{"file_id": made.file}]
    ),
    "vector_stores.file_batches.retrieve": lambda client, made: client.vector_stores.file_batches.retrieve(
        made.file_batch, vector_store_id=made.vector_store
    ),
    "vector_stores.file_batches.cancel": lambda client, made: client.vector_stores.file_batches.cancel(
        made.file_batch, vector_store_id=made.vector_store
    ),
    "vector_stores.file_batches.list_files": lambda client, made: client.vector_stores.file_batches.list_files(
        made.file_batch, vector_store_id=made.vector_store
    ),
}
OPERATIONS: dict[str, Operation] = FILES | VECTOR_STORES
