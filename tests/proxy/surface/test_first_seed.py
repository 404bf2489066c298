"""What `make up` seeds lets a newcomer try each resource, at a price."""

import openai
import pytest

from deployer.local.first_seed import built_in_seed
from tests.proxy.stack import eventually
from tests.proxy.surface.walking import walking
from tests.simulators.operations import PICTURE, SOUND

FILM = {"model": "sora-2", "prompt": "a harbor", "seconds": "4"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_newcomer_can_try_each_resource_at_a_price(new_stack, fresh_simulator):
    stack = new_stack()
    port = int(fresh_simulator.url.rpartition(":")[2])
    stack.seed(built_in_seed(port, {}).replace("{name: first}", "{name: first, secret_ref: 'env:KEY'}"))
    stack.start_proxy()
    stack.start_writer()
    with walking("openai", stack.url, stack.key) as walker:
        sdk: openai.OpenAI = walker.client
        sdk.images.generate(model="gpt-image-1", prompt="a harbor")
        sdk.images.generate(model="dall-e-3", prompt="a harbor")
        sdk.images.edit(model="gpt-image-1", image=("a.png", PICTURE), prompt="brighter")
        sdk.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")
        sdk.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Hello.")
        sdk.audio.transcriptions.create(model="whisper-1", file=("a.wav", SOUND))
        sdk.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", SOUND))
        sdk.audio.translations.create(model="whisper-1", file=("a.wav", SOUND))
        billed = len(walker.sent)
        sdk.moderations.create(model="omni-moderation-latest", input="a calm text")
        sdk.videos.create(**FILM)
        ids = [each.request_id for each in walker.sent]
    rows = eventually(
        "all rows are written",
        lambda: (
            len(found := stack.rows("SELECT * FROM usage_events WHERE request_id = ANY(%s) AND kind = 'call'", ids))
            == len(ids)
            and sorted(found, key=lambda row: ids.index(row["request_id"]))
        ),
    )
    assert [row["unpriced"] for row in rows] == [False] * len(ids)
    assert all(row["cost_usd"] > 0 for row in rows[:billed]), rows
