"""A tenant whose callers make what ends later: one key, one simulator of its own, prices in every unit that is needed."""

import io
import json
from decimal import Decimal
from typing import Any

import openai

from tests.proxy.stack import Stack, eventually
from tests.simulators.fixtures import Simulator

# Dollars for a million tokens: input, cached input, output; half of it in a batch.
PRICES = {"gpt-4o": ("2.50", "1.25", "10.00"), "gpt-4o-mini": ("0.16", "0.08", "0.60")}
TRAINING, VIDEO_SECOND, CONTAINER_MINUTE = "3.00", "0.10", "0.006"
MODELS = (*PRICES, "sora-2")


def seed_text(url: str, *, budget: str | None = None, **policy: Any) -> str:
    prices: list[dict[str, Any]] = []
    for model, amounts in PRICES.items():
        names = ("input_per_million", "cached_input_per_million", "output_per_million")
        half = {name: str(Decimal(amount) / 2) for name, amount in zip(names, amounts, strict=True)}
        price = dict(zip(names, amounts, strict=True))
        prices.append({"model": model, **price, "tiers": {"batch": half}, "training_per_million": TRAINING})
    prices.append({"model": "sora-2", "video_per_second": VIDEO_SECOND})
    prices.append({"model": "container", "container_per_minute": {"4g": CONTAINER_MINUTE}})
    key = {"name": "prod", "secret_ref": "env:KEY"}
    teams = [{"name": "research", "apps": [{"name": "chatbot", "keys": [key]}]}]
    document: dict[str, Any] = {
        "upstreams": [{"name": "sim", "provider": "openai", "endpoint": f"{url}/v1", "auth": {"none": True}}],
        "routes": [
            # What callers say is not what the provider says.
            {"model": model.removeprefix("gpt-"), "targets": [{"upstream": "sim", "deployment": model}]}
            for model in MODELS
        ],
        "policies": [{"name": "open", "unpriced_models": "allow", **policy}],
        "clients": [{"name": "contoso", "policy": "open", "teams": teams}],
        "prices": [{"provider": "openai", "effective_from": "2024-01-01", **price} for price in prices],
    }
    if budget is not None:
        document["budgets"] = [
            {"scope": "client:contoso", "period": "total", "amount_usd": budget, "on_exceeded": "block"}
        ]
    return json.dumps(document)


class House:
    """The stack, its simulator and the caller's SDK."""

    def __init__(self, stack: Stack, simulator: Simulator) -> None:
        self.stack = stack
        self.simulator = simulator
        self.sdk = openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0)

    def start(self, **seed: Any) -> None:
        self.stack.seed(seed_text(self.simulator.url, **seed))
        self.stack.start_proxy()
        self.stack.start_writer()
        # The first calls may find the gate closed while the machine is busy.
        with self.stack.http() as http:
            eventually("a call is admitted", lambda: http.get("/v1/files").status_code == 200)

    def known(self, object_id: str) -> dict[str, Any]:
        """What is to be accounted for of an object, as soon as the writer has brought it in."""
        found = eventually(
            f"{object_id} is to be accounted for",
            lambda: self.stack.rows("SELECT * FROM deferred_usage WHERE object_id = %s", object_id),
        )
        return found[0]

    def hurry(self) -> None:
        """Everything is due now."""
        self.stack.execute("UPDATE deferred_usage SET due_at = now() WHERE ended_at IS NULL")

    def ended(self, object_id: str) -> dict[str, Any]:
        """The same, when it is accounted for."""
        self.known(object_id)

        def row() -> dict[str, Any] | None:
            self.hurry()
            found = self.known(object_id)
            return found if found["ended_at"] is not None else None

        return eventually(f"{object_id} is accounted for: {self.known(object_id)}", row)

    def events(self, *object_ids: str, count: int = 1) -> list[dict[str, Any]]:
        """The ledger's events of objects that are accounted for."""
        for id in object_ids:
            self.ended(id)
        sql = "SELECT * FROM usage_events WHERE parent_id IS NOT NULL ORDER BY requested_model, id"
        return eventually(f"{count} events", lambda: (found := self.stack.rows(sql)) and len(found) >= count and found)

    def check_bill(self, events: list[dict[str, Any]], *, batch: bool = False) -> None:
        """The events say what the provider bills, to the token and the cost."""
        bill = {model: total for model, total in self.simulator.usage().items() if total["requests"]}
        by_model = {event["deployment"]: event for event in events}
        assert len(by_model) == len(events) and by_model.keys() == bill.keys()
        for model, total in bill.items():
            event = by_model[model]
            names = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
            said = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
            assert [event[name] for name in said] == [total[name] for name in names]
            assert event["cost_usd"] == cost(model, total, batch=batch)
            assert event["usage_source"] == "reported" and not event["unpriced"]
            assert event["requested_model"] == model.removeprefix("gpt-")


def cost(model: str, total: dict[str, Any], *, batch: bool) -> Decimal:
    """What the provider's bill of a model amounts to."""
    units = total.get("units") or {}
    found = Decimal(TRAINING) * units.get("training_token", 0) / 10**6
    seconds = sum(count for name, count in units.items() if name.startswith("video_millisecond")) / 1000
    found += Decimal(VIDEO_SECOND) * Decimal(seconds)
    entry, cached, output = (Decimal(amount) for amount in PRICES.get(model, ("0", "0", "0")))
    fresh = total["prompt_tokens"] - total["cached_tokens"]
    tokens = fresh * entry + total["cached_tokens"] * cached + total["completion_tokens"] * output
    return found + tokens / 10**6 / (2 if batch else 1)


def lines(*bodies: dict[str, Any], url: str = "/v1/chat/completions") -> bytes:
    made = [{"custom_id": str(at), "method": "POST", "url": url, "body": body} for at, body in enumerate(bodies)]
    return "\n".join(map(json.dumps, made)).encode()


def chat(model: str = "4o", tokens: int = 5) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": f"write {tokens} tokens"}]}


def new_batch(sdk: openai.OpenAI, content: bytes, url: str = "/v1/chat/completions") -> str:
    file = sdk.files.create(file=("lines.jsonl", io.BytesIO(content)), purpose="batch").id
    return sdk.batches.create(input_file_id=file, endpoint=url, completion_window="24h").id  # type: ignore[arg-type]


def in_background(sdk: openai.OpenAI, tokens: int = 9, **fields: Any) -> str:
    return sdk.responses.create(model="4o", input=f"write {tokens} tokens", background=True, **fields).id
