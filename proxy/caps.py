"""What a policy says of one request on its own: its tools and its size. No counter is asked.

A body that asks for too much output is lowered or refused as the policy says; one with too much input is refused.
"""

from collections.abc import Iterable

import msgspec

from core.snapshot import EffectivePolicy
from proxy.bodies import Body, JsonBody
from proxy.endpoints import UNMETERED, Endpoint, Metering
from proxy.errors import Refusal, unknown_model
from proxy.metering.tokenizer import Tokenizer
from proxy.reservation import (
    Amounts,
    Lines,
    completions,
    exact_input,
    nested_tool_types,
    reserve,
    reserve_other,
    tool_types,
)

_encode = msgspec.json.Encoder().encode
_NO_TEXT = UNMETERED | {Metering.IMAGES, Metering.SPEECH, Metering.TRANSCRIPTION}
_ASK = "Ask your Aduana administrator if you need it."


class Caps:
    """Holds requests to their callers' policies. One a process."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    async def apply(
        self, policy: EffectivePolicy, endpoint: Endpoint, body: Body, model: str, lines: Lines | None = None
    ) -> Amounts:
        """What the request reserves, after what the policy did to it; `lines`: of a batch that it makes. Raises `Refusal`
        (403 for a tool, 400 for a cap)."""
        if policy.allowed_tools is not None and isinstance(body, JsonBody):
            check_tools(policy.allowed_tools, _tools(body))
        if policy.allowed_models is not None and isinstance(body, JsonBody) and "tools" in body.fields:
            _check_models_of_tools(policy, body)
        if not isinstance(body, JsonBody) or endpoint.metering in _NO_TEXT:
            return reserve_other(endpoint, body, lines)
        if policy.max_output_tokens is not None and endpoint.metering is not Metering.EMBEDDINGS:
            _cap_output(policy, policy.max_output_tokens, body)
        amounts = reserve(endpoint, body)
        if policy.max_input_tokens is not None and amounts.input_tokens > policy.max_input_tokens:
            amounts = await self._count(body, model, amounts)
            if amounts.input_tokens > policy.max_input_tokens:
                raise _over(
                    "max_input_tokens", policy.max_input_tokens, amounts.input_tokens, "input", "Send less input."
                )
        if policy.max_context_tokens is not None:
            amounts = await self._cap_context(policy, policy.max_context_tokens, endpoint, body, model, amounts)
        return amounts

    async def _cap_context(
        self, policy: EffectivePolicy, cap: int, endpoint: Endpoint, body: JsonBody, model: str, amounts: Amounts
    ) -> Amounts:
        if amounts.input_tokens + amounts.output_tokens <= cap:
            return amounts
        amounts = await self._count(body, model, amounts)
        total = amounts.input_tokens + amounts.output_tokens
        if total <= cap:
            return amounts
        each = (cap - amounts.input_tokens) // completions(endpoint, body)
        asked = body.output_cap()
        if each < 1 or (policy.refuse_over_cap and asked) or endpoint.metering is Metering.EMBEDDINGS:
            raise _over(
                "max_context_tokens", cap, total, "input and output together", "Send less input or ask for less output."
            )
        body.cap_output(each)
        return msgspec.structs.replace(amounts, output_tokens=each * completions(endpoint, body))

    async def _count(self, body: JsonBody, model: str, amounts: Amounts) -> Amounts:
        counted = await exact_input(self._tokenizer, model, body, amounts)
        return msgspec.structs.replace(amounts, input_tokens=counted)


def check_tools(allowed: frozenset[str], kinds: Iterable[str]) -> None:
    """Raises `Refusal` (403) for a tool that is not allowed."""
    for kind in kinds:
        if kind not in allowed:
            raise Refusal(
                403,
                "tool_not_allowed",
                f"Your policy does not allow the tool '{kind[:64]}' (allowed_tools: {', '.join(sorted(allowed)) or 'none'}). "
                f"{_ASK}",
                kind="permission_error",
                param="tools",
            )


def _check_models_of_tools(policy: EffectivePolicy, body: JsonBody) -> None:
    """A tool may bring a model of its own (image generation): it is one that the caller may use, or 404."""
    tools = body.read("tools")
    for tool in tools if isinstance(tools, list) else ():
        model = tool.get("model") if isinstance(tool, dict) else None
        if isinstance(model, str) and not policy.allows_model(model):
            raise unknown_model(model)


def _tools(body: JsonBody) -> list[str]:
    """The tools that a body brings, wherever. What was read is what is sent on: of a key that stands twice, an upstream could
    read the other one."""
    kinds = tool_types(body)
    for name in ("tools", "data_sources", "input", "data_source", "agent"):
        raw = body.fields.get(name)
        if raw is None or not (name != "input" or b'"tools"' in bytes(raw) or b"\\u00" in bytes(raw)):
            continue
        value = body.read(name)
        body.fields[name] = msgspec.Raw(_encode(value))
        if name != "data_sources":
            kinds += nested_tool_types(value)
    return kinds


def _cap_output(policy: EffectivePolicy, cap: int, body: JsonBody) -> None:
    asked = body.output_cap()
    if asked and asked <= cap:
        return
    if asked and policy.refuse_over_cap:
        raise _over("max_output_tokens", cap, asked, "output", "Ask for less output.")
    body.cap_output(cap)


def _over(rule: str, cap: int, wanted: int, what: str, then: str) -> Refusal:
    return Refusal(
        400,
        f"{rule}_exceeded",
        f"This call would use {wanted} tokens of {what}, and your policy allows {cap} ({rule}). {then}",
        param=None,
    )
