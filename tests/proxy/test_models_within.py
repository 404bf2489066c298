"""Models that a call names elsewhere than in its `model`, or leaves to the provider, face the caller's policy, too."""

import json

import pytest

from core.snapshot import Caller, EffectivePolicy
from proxy.addressing import Named
from proxy.bodies import NO_BODY, JsonBody
from proxy.caps import Caps
from proxy.endpoints.table import ENDPOINTS
from proxy.errors import Refusal
from proxy.metering.tokenizer import Tokenizer
from proxy.opening import _check_meaning

ROWS = {row.name: row for row in ENDPOINTS}
POLICY = EffectivePolicy(allowed_models=frozenset({"gpt-4o"}))
CALLER = Caller("key", b"a" * 16, b"t" * 16, b"c" * 16, "c/t/a/key", POLICY)


def body(**fields) -> JsonBody:
    return JsonBody(json.dumps(fields).encode())


@pytest.mark.parametrize(("model", "allowed"), [("gpt-image-1", False), ("gpt-4o", True), (None, True)])
async def test_a_tools_own_model_is_one_that_the_caller_may_use(model, allowed):
    tool = {"type": "image_generation", **({"model": model} if model else {})}
    call = body(model="gpt-4o", input="x", tools=[tool])
    if allowed:
        await Caps(Tokenizer()).apply(POLICY, ROWS["responses"], call, "gpt-4o")
        return
    with pytest.raises(Refusal) as refused:
        await Caps(Tokenizer()).apply(POLICY, ROWS["responses"], call, "gpt-4o")
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")


def test_a_model_is_trained_only_where_the_policy_allows_it():
    row = ROWS["fine_tuning.jobs.create"]
    _check_meaning(row, CALLER, body(model="gpt-4o", training_file="file-1"), Named(None))
    with pytest.raises(Refusal, match="does not exist or you do not have access"):
        _check_meaning(row, CALLER, body(model="gpt-4.1", training_file="file-1"), Named(None))


def test_a_policy_that_allows_certain_models_leaves_none_to_the_provider():
    with pytest.raises(Refusal) as refused:
        _check_meaning(ROWS["videos.create"], CALLER, NO_BODY, Named(None))
    assert (refused.value.status, refused.value.code) == (400, "missing_model")
