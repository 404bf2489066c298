"""Graders: texts are compared; a model that grades is asked, and billed, and content."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.model_provider import errors, inner
from tests.simulators.model_provider.chat import chat_completions
from tests.simulators.model_provider.provider import Provider
from tests.simulators.model_provider.resources.fields import one_of, text

KINDS = ("string_check", "text_similarity", "python", "score_model", "label_model", "multi")
_PLACE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


@dataclass(slots=True)
class Graded:
    """What a grader found."""

    score: float
    passed: bool
    usage: dict[str, dict[str, int]] = field(default_factory=dict)
    """By model."""


def filled(template: Any, values: Mapping[str, Any]) -> str:
    """A template with `{{item.question}}` and `{{sample.output_text}}` filled in."""

    def value(match: re.Match[str]) -> str:
        found: Any = values
        for step in match[1].split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        return "" if found is None else str(found)

    return _PLACE.sub(value, template if isinstance(template, str) else str(template))


def messages_of(template: Any, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a template, as a chat says them."""
    messages = []
    for message in template or ():
        content = message.get("content")
        said = content.get("text", "") if isinstance(content, Mapping) else content
        role = message.get("role") if message.get("role") in ("system", "developer", "assistant") else "user"
        messages.append({"role": role, "content": filled(said, values)})
    return messages


def checked(grader: Any) -> dict[str, Any]:
    """A grader that can be one.

    Raises:
        ApiError: 400, it cannot.
    """
    if not isinstance(grader, dict):
        raise errors.missing("grader")
    one_of(grader, "type", KINDS)
    text(grader, "name")
    return grader


async def ask(
    provider: Provider, surface: str, model: str, messages: list[dict[str, Any]]
) -> tuple[inner.Answer, dict[str, int]]:
    """A model's answer, and its usage."""
    body = {"model": model, "messages": messages or [{"role": "user", "content": ""}]}
    answer = await inner.ask(provider, surface, "/v1/chat/completions", body, chat_completions)
    usage = answer.body.get("usage") or {}
    told = {name: usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return answer, {**told, "cached_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)}


async def grade(provider: Provider, surface: str, grader: Mapping[str, Any], values: Mapping[str, Any]) -> Graded:
    """Grade one sample."""
    kind = grader["type"]
    if kind in ("score_model", "label_model"):
        answer, usage = await ask(provider, surface, grader["model"], messages_of(grader.get("input"), values))
        return Graded(1.0 if answer.status == 200 else 0.0, answer.status == 200, {grader["model"]: usage})
    if kind == "multi":
        graders = grader.get("graders")
        several: list[Any] = [graders]
        if isinstance(graders, Mapping) and "type" not in graders:
            several = list(graders.values())
        found = [await grade(provider, surface, one, values) for one in several]
        together: dict[str, dict[str, int]] = {}
        for one in found:
            together |= one.usage
        score = sum(one.score for one in found) / len(found)
        return Graded(score, all(one.passed for one in found), together)
    if kind == "python":
        return Graded(1.0, True)  # no code of a caller's is run
    said, expected = filled(grader.get("input"), values), filled(grader.get("reference"), values)
    if kind == "string_check":
        passed = _compared(grader.get("operation"), said, expected)
        return Graded(float(passed), passed)
    score = difflib.SequenceMatcher(None, said, expected).ratio()
    return Graded(score, score >= float(grader.get("pass_threshold") or 0.5))


def _compared(operation: Any, said: str, expected: str) -> bool:
    if operation == "ne":
        return said != expected
    if operation == "like":
        return expected in said
    if operation == "ilike":
        return expected.lower() in said.lower()
    return said == expected
