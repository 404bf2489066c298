"""Graders, tried out before a job uses them."""

from typing import Any

from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import text
from tests.simulators.model_provider.resources.grading import checked, grade

_ERRORS = (
    "formula_parse_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
)


async def _run(exchange: Exchange) -> None:
    body = exchange.json()
    grader = checked(body.get("grader"))
    if "model" in grader:
        exchange.model({"model": grader["model"]})
    item = body.get("item")
    values = {"item": item or {}, "sample": {"output_text": text(body, "model_sample")}}
    graded = await grade(exchange.provider, exchange.surface, grader, values)
    used = sum(usage["total_tokens"] for usage in graded.usage.values())
    told: dict[str, Any] = {
        "name": grader["name"],
        "type": grader["type"],
        "errors": dict.fromkeys(_ERRORS, False),
        "execution_time": 0.01,
        "scores": {grader["name"]: graded.score},
        "token_usage": used or None,
        "sampled_model_name": grader.get("model"),
    }
    await exchange.answer(
        {
            "reward": graded.score,
            "metadata": told,
            "sub_rewards": {},
            "model_grader_token_usage_per_model": graded.usage,
        }
    )


async def _validate(exchange: Exchange) -> None:
    await exchange.answer({"grader": checked(exchange.json().get("grader"))})


PATHS = {
    "fine_tuning/alpha/graders/run": {"POST": _run},
    "fine_tuning/alpha/graders/validate": {"POST": _validate},
}
