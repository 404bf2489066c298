"""An upstream that held objects before the gateway came: one client may go on using them."""

import json

import httpx
import openai
import pytest

from tests.proxy.stack import eventually, seed_text


def test_what_was_made_behind_the_gateways_back_is_used_by_the_one_client(new_stack, fresh_simulator):
    stack = new_stack()
    document = json.loads(seed_text(fresh_simulator.url))
    document["upstreams"][0] |= {"unknown_objects": "forward", "api_version": None}
    stack.seed(json.dumps(document))
    stack.start_proxy()
    sent = {"data": {"purpose": "assistants"}, "files": {"file": ("a.txt", b"from before")}}
    file = httpx.post(f"{fresh_simulator.url}/v1/files", **sent, trust_env=False).json()["id"]
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0) as sdk:
        assert sdk.files.content(file).read() == b"from before"
        assert sdk.vector_stores.create(file_ids=[file]).id
        assert sdk.files.retrieve(file).id == file  # and is not taken from the client's other apps by it
        with pytest.raises(openai.NotFoundError) as unknown:
            sdk.files.retrieve(file[:-4] + "0000")
        assert unknown.value.code != "object_not_found"  # the provider's own answer

        stack.execute("INSERT INTO clients (name) VALUES ('fabrikam')")  # a second client: no file says that it may

        def refused() -> bool:
            try:
                sdk.files.retrieve(file)
            except openai.NotFoundError as error:
                return error.code == "object_not_found"
            return False

        eventually("unknown objects are refused", refused)
        assert "is used by 2 clients" in stack.log("proxy-0")
