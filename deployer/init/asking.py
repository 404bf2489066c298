"""How answers are got: from options where they are given, from a person at a terminal, or from defaults."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from deployer.errors import USAGE, CommandError
from deployer.init.questions import QUESTIONS, Question
from deployer.init.surroundings import Surroundings


class Asker(Protocol):
    """Who puts a question to a person."""

    def ask(self, question: Question, default: str | None) -> str:
        """One line of answer, without blanks around it; empty where there is none."""

    def complain(self, message: str) -> None:
        """Say why an answer was not taken."""


def collect(
    given: Mapping[str, str | Sequence[str]],
    around: Surroundings,
    asker: Asker | None,
    taken: Callable[[str], str | None] = lambda name: None,
) -> dict[str, Any]:
    """The answers, by key. `given` are the options' values; with no `asker` nobody is asked; `taken` says why a name
    cannot be had, or None.

    Raises `CommandError` that names every option that is wrong, does not fit, or is missing.
    """
    answers: dict[str, Any] = {}
    checked = _checked(given)
    wrong: list[str] = []
    missing: list[str] = []

    def misfit(question: Question, value: Any) -> str | None:
        return taken(value) if question.key == "name" else question.misfit(value, answers)

    for question in QUESTIONS:
        if not question.applies(answers):
            if question.key in checked:
                wrong.append(f"{question.option} does not apply: {question.unless}")
            continue
        default = _default(question, answers, around)
        if question.key in checked:
            answers[question.key] = checked[question.key]
            if why := misfit(question, checked[question.key]):
                wrong.append(f"{question.option}: {why}")
        elif asker is not None and question.asked and not wrong:
            if (answer := _ask(asker, question, default, question.required(answers), misfit)) is not None:
                answers[question.key] = answer
        elif default is not None:
            answers[question.key] = question.check(default)
        elif question.required(answers):
            missing.append(f"{question.option} is missing: {question.text}")
    if wrong:
        raise _refused("an option does not fit", wrong, "Leave it out, or change what it hangs on.")
    if missing:
        raise _refused(
            "answers are missing, and nobody can be asked",
            missing,
            "Give these options, or run it at a terminal without --yes and --json.",
        )
    return answers


def _checked(given: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    wrong: list[str] = []
    for question in QUESTIONS:
        if question.key not in given:
            continue
        try:
            checked[question.key] = _value(question, given[question.key])
        except ValueError as error:
            wrong.append(f"{question.option}: {error}")
    if wrong:
        raise _refused("an option is wrong", wrong, "See `aduana init --help`.")
    return checked


def _value(question: Question, given: str | Sequence[str]) -> Any:
    if question.many:
        return [question.check(each) for each in ([given] if isinstance(given, str) else given)]
    return question.check(given if isinstance(given, str) else given[-1])


def _default(question: Question, answers: Mapping[str, Any], around: Surroundings) -> str | None:
    """What is offered; nothing where it would not be taken."""
    default = question.default(answers, around)
    try:
        if default is None or question.misfit(question.check(default), answers):
            return None
        return str(question.check(default))
    except ValueError:
        return None


def _ask(
    asker: Asker,
    question: Question,
    default: str | None,
    required: bool,
    misfit: Callable[[Question, Any], str | None],
) -> Any:
    """The answer of a person, asked until it is one. None: there is none, and none is needed."""
    while True:
        text = asker.ask(question, default) or default or ""
        if not text:
            if not required:
                return None
            asker.complain("an answer is needed")
            continue
        try:
            value = _value(question, re.split(r"[\s,]+", text) if question.many else text)
        except ValueError as error:
            asker.complain(str(error))
            continue
        if (why := misfit(question, value)) is None:
            return value
        asker.complain(why)


def _refused(what: str, messages: Sequence[str], remedy: str) -> CommandError:
    return CommandError(
        what, remedy=remedy, code="usage", exit_code=USAGE, details=[{"message": message} for message in messages]
    )
