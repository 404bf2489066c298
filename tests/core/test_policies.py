"""Policies: kept as they are written, and tightened level by level."""

import pytest

from core.policies import Limits, Policy, PolicyError, check, effective, unenforced
from core.snapshot import EffectivePolicy


def policy(**settings: object) -> Policy:
    return Policy.from_settings(settings)


def test_a_policy_reads_back_as_it_was_written():
    settings = {
        "requests_per_minute": 600,
        "models": {"gpt-4o": {"tokens_per_minute": 40000}},
        "time_zone": "Europe/London",
        "allowed_models": [],
        "over_cap": "clamp",
        "retention_days": 30,
    }
    read = Policy.from_settings(settings)
    assert read.settings() == settings
    assert read.models["gpt-4o"] == Limits(tokens_per_minute=40000)


def test_without_a_policy_the_defaults_hold():
    assert effective([]) == effective([Policy()]) == EffectivePolicy()


@pytest.mark.parametrize(
    ("levels", "allowed"),
    [
        ([policy(), policy(allowed_models=["a", "b"])], {"a", "b"}),
        ([policy(allowed_models=["a", "b"]), policy(allowed_models=["b", "c"])], {"b"}),
        ([policy(allowed_models=["a"]), policy(allowed_models=["c"])], set()),
        ([policy(allowed_models=[]), policy()], set()),
        ([policy(), policy()], None),
    ],
)
def test_levels_can_only_tighten_what_is_allowed(levels, allowed):
    for order in (levels, levels[::-1]):
        assert effective(order).allowed_models == allowed


@pytest.mark.parametrize(
    ("said", "refuses"),
    [
        ((), True),
        (("allow",), False),
        (("allow", None), False),
        (("allow", "refuse"), True),
        (("refuse", "allow"), True),
    ],
)
def test_a_refusal_wins(said, refuses):
    levels = [policy(**({"unpriced_models": word, "on_limiter_loss": word} if word else {})) for word in said]
    together = effective(levels)
    assert (together.refuse_unpriced, together.refuse_on_limiter_loss) == (refuses, refuses)


@pytest.mark.parametrize(
    ("settings", "path", "on_key"),
    [
        ({"rpm": 1}, ("rpm",), True),
        ({"tokens_per_minute": 0}, ("tokens_per_minute",), False),
        ({"tokens_per_minute": True}, ("tokens_per_minute",), False),
        ({"tokens_per_minute": 1.5}, ("tokens_per_minute",), False),
        ({"tokens_per_minute": 2**53}, ("tokens_per_minute",), False),
        ({"models": {"m": {"x": 1}}}, ("models", "m", "x"), True),
        ({"models": {"m": 5}}, ("models", "m"), False),
        ({"models": []}, ("models",), False),
        ({"time_zone": "../../etc/passwd"}, ("time_zone",), False),
        ({"time_zone": 7}, ("time_zone",), False),
        ({"allowed_models": "gpt-4o"}, ("allowed_models",), False),
        ({"allowed_models": ["a", "a"]}, ("allowed_models", 1), False),
        ({"allowed_endpoints": ["chat"]}, ("allowed_endpoints", 0), False),
        ({"logging": "full"}, ("logging",), False),
        ({"over_cap": ["clamp"]}, ("over_cap",), False),
        ({"retention_days": 40_000}, ("retention_days",), False),
    ],
)
def test_what_is_wrong_is_named_by_its_path(settings, path, on_key):
    (problem,) = check(settings)
    assert (problem.path, problem.on_key) == (path, on_key)
    with pytest.raises(PolicyError):
        Policy.from_settings(settings)


def test_a_field_that_is_null_says_nothing():
    assert policy(tokens_per_minute=None, allowed_models=None) == Policy()


def test_what_this_version_only_stores_is_named():
    assert unenforced({"tokens_per_day": 1, "retention_days": 30, "logging": None}) == ("retention_days",)


@pytest.mark.parametrize(
    ("levels", "kinds"),
    [
        ([policy(), policy()], {"key", "entra"}),
        ([policy(allowed_credentials=["entra"]), policy()], {"entra"}),
        ([policy(allowed_credentials=["entra"]), policy(allowed_credentials=["key", "entra"])], {"entra"}),
        ([policy(allowed_credentials=["entra"]), policy(allowed_credentials=["key"])], set()),
    ],
)
def test_kinds_of_credential_are_allowed_where_every_level_allows_them(levels, kinds):
    together = effective(levels)
    assert {kind for kind in ("key", "entra") if together.allows_credential(kind)} == kinds


def test_an_unknown_kind_of_credential_is_named():
    (problem,) = check({"allowed_credentials": ["key", "password"]})
    assert str(problem) == "allowed_credentials.1: must be one of key, entra"
