"""Where things lie: files, uploads, batches of them, vector stores, containers, skills."""

import io
from typing import Any

from openai import OpenAI

from tests.simulators.operations.made import MANUAL, Made, Operation


def completed_upload(client: OpenAI, made: Made) -> Any:
    """An upload of two parts."""
    upload = made.new_upload(5)
    parts = [client.uploads.parts.create(upload, data=io.BytesIO(data)).id for data in (b"abc", b"de")]
    return client.uploads.complete(upload, part_ids=parts)


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
CONTAINERS: dict[str, Operation] = {
    "containers.create": lambda client, made: client.containers.create(name="box", file_ids=[made.file]),
    "containers.list": lambda client, made: client.containers.list(),
    "containers.retrieve": lambda client, made: client.containers.retrieve(made.container),
    "containers.delete": lambda client, made: client.containers.delete(made.new_container()) or "nothing",
    "containers.files.create": lambda client, made: client.containers.files.create(
        made.container, file=("a.txt", b"text")
    ),
    "containers.files.list": lambda client, made: client.containers.files.list(made.container),
    "containers.files.retrieve": lambda client, made: client.containers.files.retrieve(
        made.container_file, container_id=made.container
    ),
    "containers.files.delete": lambda client, made: (
        client.containers.files.delete(made.new_container_file(), container_id=made.container) or "nothing"
    ),
    "containers.files.content": lambda client, made: client.containers.files.content.retrieve(
        made.container_file, container_id=made.container
    ),
}
SKILLS: dict[str, Operation] = {
    "skills.create": lambda client, made: client.skills.create(files=[("sail/SKILL.md", MANUAL)]),
    "skills.list": lambda client, made: client.skills.list(),
    "skills.retrieve": lambda client, made: client.skills.retrieve(made.skill),
    "skills.update": lambda client, made: client.skills.update(made.skill, default_version="1"),
    "skills.delete": lambda client, made: client.skills.delete(made.new_skill()),
    "skills.content.retrieve": lambda client, made: client.skills.content.retrieve(made.skill),
    "skills.versions.create": lambda client, made: client.skills.versions.create(
        made.skill, files=[("sail/SKILL.md", MANUAL)], default=True
    ),
    "skills.versions.list": lambda client, made: client.skills.versions.list(made.skill),
    "skills.versions.retrieve": lambda client, made: client.skills.versions.retrieve("1", skill_id=made.skill),
    "skills.versions.delete": lambda client, made: client.skills.versions.delete("1", skill_id=made.new_skill()),
    "skills.versions.content.retrieve": lambda client, made: client.skills.versions.content.retrieve(
        "1", skill_id=made.skill
    ),
}
