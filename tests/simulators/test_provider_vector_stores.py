"""Vector stores of the simulated provider."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.simulators.fixtures import Simulator

AT_ONCE = {"x-simulate": "ready-after=0"}


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def file_of(client: OpenAI, text: str) -> str:
    return client.files.create(file=("a.txt", text.encode()), purpose="assistants").id


def test_a_search_finds_the_file_that_speaks_of_it(client: OpenAI) -> None:
    harbor, market = file_of(client, "The harbor opens early."), file_of(client, "The market closes late.")
    store = client.vector_stores.create(file_ids=[market, harbor], extra_headers=AT_ONCE)

    found = client.vector_stores.search(store.id, query="harbor opens", max_num_results=1).data

    assert [hit.file_id for hit in found] == [harbor]
    assert found[0].content[0].text == "The harbor opens early."
    assert store.file_counts.completed == 2
    assert store.usage_bytes == 46


def test_a_file_is_worked_on_for_a_while(client: OpenAI) -> None:
    store, file = client.vector_stores.create(), file_of(client, "text")

    assert client.vector_stores.files.create(store.id, file_id=file).status == "in_progress"
    assert client.vector_stores.retrieve(store.id).status == "in_progress"
    ready = client.vector_stores.files.poll(file, vector_store_id=store.id, poll_interval_ms=50)
    assert ready.status == "completed"
    assert client.vector_stores.retrieve(store.id).status == "completed"


@pytest.mark.parametrize("position", ["file_ids", "file_id", "batch"])
def test_a_file_that_is_not_there_is_in_no_store(client: OpenAI, position: str) -> None:
    store = client.vector_stores.create().id
    calls: dict[str, Any] = {
        "file_ids": lambda: client.vector_stores.create(file_ids=["file-none"]),
        "file_id": lambda: client.vector_stores.files.create(store, file_id="file-none"),
        "batch": lambda: client.vector_stores.file_batches.create(store, file_ids=["file-none"]),
    }

    with pytest.raises((openai.NotFoundError, openai.BadRequestError), match="No such File object: file-none"):
        calls[position]()


def test_a_file_of_another_store_is_unknown(client: OpenAI) -> None:
    file = file_of(client, "text")
    client.vector_stores.create(file_ids=[file])
    other = client.vector_stores.create()

    with pytest.raises(openai.NotFoundError):
        client.vector_stores.files.retrieve(file, vector_store_id=other.id)
