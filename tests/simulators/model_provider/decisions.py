"""Decisions: a question is answered by the first of its choices, a token an answer."""

from typing import Any

import msgspec

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.drafting import answered_as, charge_prompt, tokenizer_of
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import objects, one_of
from tests.simulators.model_provider.response_input import read
from tests.simulators.model_provider.response_stream import usage_of
from tests.simulators.model_provider.tokens import prompt_texts

_KINDS = ("predicate", "choice", "score")


async def decide(exchange: Exchange) -> None:
    """POST .../decisions."""
    body = exchange.json()
    model = exchange.model(body)
    asked = read(exchange.provider, body)
    questions = objects(body, "questions")
    if not questions:
        raise errors.missing("questions")
    answers = [_answer(question) for question in questions]
    texts, extra = prompt_texts(asked.messages)
    texts.append(msgspec.json.encode(questions).decode())
    charge = await charge_prompt(exchange, model, texts, extra, "input", await tokenizer_of(model))
    await exchange.think()
    charge.completion_tokens = len(answers)
    await exchange.answer({"answers": answers, "model": answered_as(model), "usage": usage_of(charge)})


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    kind = one_of(question, "type", _KINDS)
    named = {"type": kind, "name": question.get("name")}
    if kind == "predicate":
        return {**named, "probability": 0.75}
    if kind == "choice":
        values = [choice.get("value") for choice in objects(question, "choices")]
        told = [{"value": value, "probability": 1 / len(values)} for value in values]
        return {**named, "choice": values[0], "confidence": 1 / len(values), "probabilities": told}
    labels = [level.get("label") for level in objects(question, "levels")]
    scores = [{"value": value, "label": label, "probability": 1 / len(labels)} for value, label in enumerate(labels)]
    return {**named, "score": (len(labels) - 1) / 2, "confidence": 1 / len(labels), "probabilities": scores}


PATHS = {"decisions": {"POST": decide}}
