"""The ledger's rows are the provider's bill, unit by unit, for calls of every kind that go through the gateway."""

import json
from decimal import Decimal

import openai
import pytest

from tests.simulators.operations import PICTURE, wav

SOUND = ("a.wav", wav(2.5))
TOKENS = {"input_per_million": "2.50", "cached_input_per_million": "1.25", "output_per_million": "10.00"}
PRICES = {
    "gpt-4o": TOKENS,
    "gpt-image-1": {
        "input_per_million": "5",
        "output_per_million": "40",
        "image_input_per_million": "10",
    },
    "dall-e-3": {"images": {"1024x1024/standard": "0.04", "1024x1792/hd": "0.12"}},
    "tts-1": {"characters_per_million": "15"},
    "gpt-4o-mini-tts": {
        "input_per_million": "0.60",
        "output_per_million": "12",
        "audio_output_per_million": "12",
    },
    "whisper-1": {"audio_per_minute": "0.006"},
    "gpt-4o-transcribe": {
        "input_per_million": "2.50",
        "output_per_million": "10",
        "audio_input_per_million": "6",
    },
}


@pytest.fixture(scope="module")
def seed():
    def text(url: str) -> str:
        return json.dumps(
            {
                "upstreams": [{"name": "sim", "provider": "openai", "endpoint": url, "auth": {"none": True}}],
                "routes": [{"model": m, "targets": [{"upstream": "sim", "deployment": m}]} for m in PRICES],
                "clients": [
                    {
                        "name": "contoso",
                        "teams": [
                            {
                                "name": "research",
                                "apps": [{"name": "bot", "keys": [{"name": "prod", "secret_ref": "env:KEY"}]}],
                            }
                        ],
                    }
                ],
                "prices": [
                    {"provider": "openai", "model": model, "effective_from": "2024-01-01", **price}
                    for model, price in PRICES.items()
                ],
            }
        )

    return text


CALLS = {
    "chat": lambda c: c.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "write 7 tokens"}]
    ),
    "images": lambda c: c.images.generate(model="gpt-image-1", prompt="a harbor", quality="low", n=2),
    "streamed image": lambda c: list(
        c.images.generate(model="gpt-image-1", prompt="a", quality="low", stream=True, partial_images=1)
    ),
    "edited image": lambda c: c.images.edit(model="gpt-image-1", image=("a.png", PICTURE), prompt="a", quality="low"),
    "image by size": lambda c: c.images.generate(model="dall-e-3", prompt="a", size="1024x1792", quality="hd"),
    "speech by character": lambda c: c.audio.speech.create(model="tts-1", voice="alloy", input="Grüße, 世界").read(),
    "streamed speech": lambda c: c.audio.speech.create(
        model="gpt-4o-mini-tts", voice="alloy", input="hello there", stream_format="sse"
    ).read(),
    "transcript by the minute": lambda c: c.audio.transcriptions.create(model="whisper-1", file=SOUND),
    "verbose transcript": lambda c: c.audio.transcriptions.create(
        model="whisper-1", file=SOUND, response_format="verbose_json"
    ),
    "transcript by tokens": lambda c: c.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND),
    "streamed transcript": lambda c: list(
        c.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND, stream=True)
    ),
}


def cost(model: str, tokens: dict, units: dict) -> Decimal:
    """What the price list says of a provider's bill."""
    price = {name: Decimal(amount) for name, amount in PRICES[model].items() if isinstance(amount, str)}
    if not tokens["total_tokens"]:
        ((unit, quantity),) = units.items()
        each = {
            "character": lambda: price["characters_per_million"] / 1_000_000,
            "audio_millisecond": lambda: price["audio_per_minute"] / 60_000,
        }.get(unit, lambda: Decimal(PRICES[model]["images"][unit.removeprefix("image:")]))
        return each() * Decimal(quantity)
    apart = {"audio_input_token": "audio_input_per_million", "image_input_token": "image_input_per_million"}
    shares = {name: Decimal(units.get(unit, 0)) for unit, name in apart.items()}
    total = sum(quantity * price.get(name, Decimal(0)) for name, quantity in shares.items())
    total += (Decimal(tokens["prompt_tokens"]) - sum(shares.values())) * price["input_per_million"]
    return (total + Decimal(tokens["completion_tokens"]) * price["output_per_million"]) / 1_000_000


def test_the_ledger_is_the_providers_bill(new_stack, fresh_simulator, seed):
    stack = new_stack()
    stack.seed(seed(fresh_simulator.url))
    stack.start_proxy()
    stack.start_writer()
    told = {}
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0) as client:
        for name, call in CALLS.items():
            fresh_simulator.clear()
            call(client.with_options(default_headers={"x-request-id": name.replace(" ", "-")}))
            row = stack.row(name.replace(" ", "-"))
            ((model, bill),) = fresh_simulator.usage().items()
            model = next(each for each in sorted(PRICES, key=len, reverse=True) if model.startswith(each))
            units = bill.get("units", {})
            assert (row["input_tokens"], row["output_tokens"], row["units"], row["unpriced"]) == (
                *(bill["prompt_tokens"], bill["completion_tokens"], units),
                False,
            ), name
            assert row["cost_usd"] == cost(model, bill, units), name
            told[name] = row["usage_source"]
    assert {name for name, source in told.items() if source != "reported"} == {"speech by character"}
