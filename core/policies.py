"""Policies: what callers may use and how much, as the seed file writes it and `policies.settings` keeps it.

A policy may hang on a client, a team, an app and a key at once; the levels below may only tighten, so what is not set
says nothing, sets are intersected, and a refusal wins.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from core.model_names import STAR, common
from core.snapshot import EffectivePolicy

# Largest whole number that a double holds exactly: Redis's Lua counts in doubles.
_LARGEST = 2**53 - 1
_LONGEST_TEXT = 256
_STAR_RULE = "holds a star at its end alone, such as o3-*"

ENDPOINTS = (
    "chat.completions",
    "completions",
    "embeddings",
    "responses",
    "conversations",
    "images",
    "audio.speech",
    "audio.transcriptions",
    "audio.translations",
    "audio.voices",
    "moderations",
    "files",
    "uploads",
    "batches",
    "vector_stores",
    "fine_tuning",
    "assistants",
    "containers",
    "evals",
    "videos",
    "realtime",
    "skills",
    "decisions",
    "agents",
    "content_provenance_checks",
)
"""What `allowed_endpoints` may name: the endpoints that this version serves."""

CREDENTIALS = ("key", "entra")
"""What `allowed_credentials` may name: proxy keys, and access tokens of Entra ID."""

STORED_ONLY = frozenset({"logging", "retention_days"})
"""The fields that this version keeps for a later one and does not act on."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts in a window; None: unlimited. Days and months are the policy's time zone's."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    requests_per_month: int | None = None
    tokens_per_month: int | None = None
    max_concurrent_requests: int | None = None

    def is_set(self) -> bool:
        """Whether any of them limits anything."""
        return any(getattr(self, name) is not None for name in LIMITS)


LIMITS = tuple(each.name for each in fields(Limits))


@dataclass(frozen=True, slots=True)
class Policy:
    """One named policy. None: this policy says nothing about it."""

    limits: Limits = Limits()
    models: Mapping[str, Limits] = field(default_factory=dict)  # tighter limits, by requested model
    time_zone: str | None = None  # IANA name; UTC where no level names one
    allowed_models: tuple[str, ...] | None = None
    allowed_endpoints: tuple[str, ...] | None = None
    allowed_tools: tuple[str, ...] | None = None
    allowed_credentials: tuple[str, ...] | None = None
    max_input_tokens: int | None = None  # of one call
    max_output_tokens: int | None = None
    max_context_tokens: int | None = None  # input and output together
    over_cap: Literal["clamp", "refuse"] | None = None
    on_limiter_loss: Literal["refuse", "allow"] | None = None
    unpriced_models: Literal["refuse", "allow"] | None = None
    logging: Literal["none", "metadata", "redacted"] | None = None
    retention_days: int | None = None

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Policy":
        """From what `policies.settings` or a seed file holds. Raises `PolicyError` with everything that is wrong."""
        problems = check(settings)
        if problems:
            raise PolicyError(problems)
        values: dict[str, Any] = {}
        for name, value in settings.items():
            if value is None or name in LIMITS:
                continue
            if name == "models":
                values[name] = {model: _limits(limits) for model, limits in value.items()}
            elif name in _LISTS:
                values[name] = tuple(value)
            else:
                values[name] = value
        return cls(limits=_limits(settings), **values)

    def settings(self) -> dict[str, Any]:
        """Plain JSON values, the set ones alone: what `policies.settings` keeps."""
        plain: dict[str, Any] = _plain_limits(self.limits)
        if self.models:
            plain["models"] = {model: _plain_limits(limits) for model, limits in self.models.items()}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in ("limits", "models") or value is None:
                continue
            plain[each.name] = list(value) if isinstance(value, tuple) else value
        return plain


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: the keys (and positions in lists) that lead there."""

    path: tuple[str | int, ...]
    message: str
    on_key: bool = False  # the key itself is wrong, not its value

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.message}" if self.path else self.message


class PolicyError(ValueError):
    """A policy's settings are wrong; `problems` names each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "over_cap": ("clamp", "refuse"),
    "on_limiter_loss": ("refuse", "allow"),
    "unpriced_models": ("refuse", "allow"),
    "logging": ("none", "metadata", "redacted", "full"),
}
_LISTS = ("allowed_models", "allowed_endpoints", "allowed_tools", "allowed_credentials")
_WORDS: Mapping[str, tuple[str, ...]] = {"allowed_endpoints": ENDPOINTS, "allowed_credentials": CREDENTIALS}
_CAPS = ("max_input_tokens", "max_output_tokens", "max_context_tokens")
_COUNTS = (*LIMITS, *_CAPS)
FIELDS = (
    *LIMITS,
    "models",
    "time_zone",
    *_LISTS,
    *_CAPS,
    *_CHOICES,
    "retention_days",
)
"""Every key of a policy's settings, in the order in which people read them."""


def effective(policies: Iterable[Policy]) -> EffectivePolicy:
    """What the policies of a caller's levels say together. Without any, or where none speaks: the defaults."""
    levels = tuple(policies)
    defaults = EffectivePolicy()
    return EffectivePolicy(
        allowed_models=_common((level.allowed_models for level in levels), common),
        allowed_endpoints=_common(level.allowed_endpoints for level in levels),
        refuse_unpriced=_refused((level.unpriced_models for level in levels), default=defaults.refuse_unpriced),
        refuse_on_limiter_loss=_refused(
            (level.on_limiter_loss for level in levels), default=defaults.refuse_on_limiter_loss
        ),
        allowed_tools=_common(level.allowed_tools for level in levels),
        allowed_credentials=_common(level.allowed_credentials for level in levels),
        max_input_tokens=_smallest(level.max_input_tokens for level in levels),
        max_output_tokens=_smallest(level.max_output_tokens for level in levels),
        max_context_tokens=_smallest(level.max_context_tokens for level in levels),
        refuse_over_cap=_refused((level.over_cap for level in levels), default=defaults.refuse_over_cap),
    )


def unenforced(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that are set and that this version only stores."""
    return tuple(name for name in FIELDS if name in STORED_ONLY and settings.get(name) is not None)


def check(settings: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a policy's settings; nothing: they are right."""
    problems: list[Problem] = []
    for name, value in settings.items():
        if name not in FIELDS:
            problems.append(Problem((name,), unknown_key(name, FIELDS), on_key=True))
        elif value is not None:
            problems.extend(_check_field(name, value))
    return problems


def unknown_key(name: object, valid: Iterable[str]) -> str:
    """The sentence about a key that nobody knows: the nearest valid one, or all of them."""
    names = tuple(valid)
    near = get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"valid keys are {', '.join(names)}"
    return f"unknown key {str(name)[:80]!r}; {hint}"


def _check_field(name: str, value: object) -> list[Problem]:
    path: tuple[str | int, ...] = (name,)
    if name in _COUNTS:
        return _check_count(path, value, _LARGEST)
    if name == "retention_days":
        return _check_count(path, value, 36_500)
    if name == "models":
        return _check_models(value)
    if name in _CHOICES:
        return _check_choice(path, value, _CHOICES[name])
    if name == "time_zone":
        return _check_time_zone(path, value)
    return _check_list(path, value, _WORDS.get(name))


def _check_count(path: tuple[str | int, ...], value: object, largest: int) -> list[Problem]:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        return [Problem(path, f"must be a whole number from 1 to {largest}; leave it out for no limit")]
    return []


def _check_choice(path: tuple[str | int, ...], value: object, choices: Sequence[str]) -> list[Problem]:
    if value not in choices:
        return [Problem(path, f"must be {' or '.join(choices)}")]
    if path == ("logging",) and value == "full":
        return [Problem(path, "must be none, metadata or redacted: full does not work in this version")]
    return []


def _check_time_zone(path: tuple[str | int, ...], value: object) -> list[Problem]:
    try:
        ZoneInfo(cast("str", value))
    except (TypeError, ValueError, OSError, KeyError, AttributeError):
        return [Problem(path, "must be a time zone of the IANA database, such as Europe/London")]
    return []


def _check_list(path: tuple[str | int, ...], value: object, choices: Sequence[str] | None) -> list[Problem]:
    if not isinstance(value, (list, tuple)):
        return [Problem(path, "must be a list")]
    problems = []
    seen: set[str] = set()
    for index, each in enumerate(value):
        if not isinstance(each, str) or not 0 < len(each) <= _LONGEST_TEXT:
            problems.append(Problem((*path, index), f"must be text of 1 to {_LONGEST_TEXT} characters"))
        elif choices is not None and each not in choices:
            problems.append(Problem((*path, index), f"must be one of {', '.join(choices)}"))
        elif path == ("allowed_models",) and STAR in each[:-1]:
            problems.append(Problem((*path, index), _STAR_RULE))
        elif each in seen:
            problems.append(Problem((*path, index), f"{each!r} is listed twice"))
        else:
            seen.add(each)
    return problems


def _check_models(value: object) -> list[Problem]:
    if not isinstance(value, Mapping):
        return [Problem(("models",), "must be a mapping of model to limits")]
    problems = []
    for model, limits in value.items():
        path = ("models", str(model))
        if STAR in str(model)[:-1]:
            problems.append(Problem(path, _STAR_RULE, on_key=True))
        if not isinstance(limits, Mapping):
            problems.append(Problem(path, "must be a mapping of limits, such as {tokens_per_minute: 40000}"))
            continue
        for name, count in limits.items():
            if name not in LIMITS:
                problems.append(Problem((*path, name), unknown_key(name, LIMITS), on_key=True))
            elif count is not None:
                problems.extend(_check_count((*path, name), count, _LARGEST))
    return problems


def _limits(settings: Mapping[str, Any]) -> Limits:
    return Limits(**{name: settings[name] for name in LIMITS if settings.get(name) is not None})


def _plain_limits(limits: Limits) -> dict[str, Any]:
    return {name: getattr(limits, name) for name in LIMITS if getattr(limits, name) is not None}


def _common(
    allowed: Iterable[tuple[str, ...] | None],
    both: Callable[[frozenset[str], frozenset[str]], frozenset[str]] = frozenset.intersection,
) -> frozenset[str] | None:
    together: frozenset[str] | None = None
    for names in allowed:
        if names is not None:
            together = frozenset(names) if together is None else both(together, frozenset(names))
    return together


def _smallest(caps: Iterable[int | None]) -> int | None:
    return min((cap for cap in caps if cap is not None), default=None)


def _refused(said: Iterable[str | None], *, default: bool) -> bool:
    words = [word for word in said if word is not None]
    return "refuse" in words if words else default
