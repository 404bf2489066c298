"""Which new changes are in a reviewed plan, and where two values differ: tables over plans as Terraform writes them."""

import json
from typing import Any

import pytest

from deployer.engines import Placeholder
from deployer.engines.errors import EngineError
from deployer.engines.terraform.attributes import differing
from deployer.engines.terraform.containment import differences
from deployer.engines.terraform.plan_document import PlanDocument, read_plan

ADDRESS = "module.aduana.azurerm_x.this"


def _change(*actions: str, reason: str = "", deposed: str = "", previous: str = "", **delta: Any) -> dict[str, Any]:
    return {
        "address": ADDRESS,
        "type": "azurerm_x",
        "name": "this",
        "change": {"actions": list(actions), **delta},
        "action_reason": reason,
        "deposed": deposed,
        "previous_address": previous,
    }


def _plan(*changes: dict[str, Any], **more: Any) -> PlanDocument:
    document = {"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": list(changes), **more}
    return read_plan(json.dumps(document).encode())


OLD = {"id": "/x/1", "sku": "small", "tags": {"a": "1"}}
NEW = {"sku": "large", "tags": {"a": "1"}}
UNKNOWN = {"id": True}
CREATE = _change("create", after=NEW, after_unknown=UNKNOWN)
UPDATE = _change("update", before=OLD, after={**OLD, "sku": "large"}, after_unknown={})
REPLACE = _change("delete", "create", before=OLD, after=NEW, after_unknown=UNKNOWN)
CREATE_FIRST = _change("create", "delete", before=OLD, after=NEW, after_unknown=UNKNOWN)
DELETE = _change("delete", before=OLD)
TAINTED = _change("delete", "create", before=OLD, after=NEW, after_unknown=UNKNOWN, reason="replace_because_tainted")
LEFT_BEHIND = _change("delete", before=OLD, deposed="deadbeef")
FINISH = _change("update", before=OLD, after={**NEW, "id": "/x/1"}, after_unknown={})
IMPORT = _change("no-op", before={**NEW, "id": "/x/1"}, after={**NEW, "id": "/x/1"}, importing={"id": "/x/1"})
KEPT = _change("no-op", before=OLD, after=OLD)
OTHER = {"id": "/x/2", "sku": "small", "tags": {"a": "1"}}

CASES: list[tuple[str, dict[str, Any] | None, dict[str, Any], bool, str | None]] = [
    # what it is, the reviewed change, the new one, whether this plan had begun to create it, what is in the way
    ("the same creation", CREATE, CREATE, False, None),
    ("nothing left", CREATE, KEPT, False, None),
    ("what nobody reviewed", None, CREATE, False, "does not name it"),
    ("what was to stay", KEPT, DELETE, False, "leaves it as it is"),
    ("another value", CREATE, _change("create", after={**NEW, "sku": "huge"}, after_unknown=UNKNOWN), True, "of sku"),
    ("another tag", CREATE, _change("create", after={**NEW, "tags": {"a": "1", "b": "2"}}), True, "of tags.b"),
    (
        "a value that was known",
        CREATE,
        _change("create", after={}, after_unknown={"id": True, "sku": True}),
        False,
        "of sku",
    ),
    ("a value that was unknown", CREATE, _change("create", after={**NEW, "id": "/x/9"}), False, None),
    ("the same update", UPDATE, UPDATE, False, None),
    ("an update that became a replacement", UPDATE, REPLACE, True, "changes it in place"),
    (
        "an update of another object",
        UPDATE,
        _change("update", before=OTHER, after={**OTHER, "sku": "large"}),
        False,
        "/x/1",
    ),
    ("the same replacement", REPLACE, REPLACE, False, None),
    ("its second half", REPLACE, CREATE, False, None),
    ("its order turned round", REPLACE, CREATE_FIRST, False, "replaces it"),
    ("its first half alone", REPLACE, DELETE, True, "replaces it"),
    ("what it left behind", CREATE_FIRST, LEFT_BEHIND, False, None),
    ("what nobody's replacement left behind", UPDATE, LEFT_BEHIND, True, "left behind"),
    ("the same deletion", DELETE, DELETE, False, None),
    ("a deletion of another object", DELETE, _change("delete", before=OTHER), False, "/x/1"),
    ("a deletion that became forgetting", DELETE, _change("forget", before=OLD), False, "deletes it"),
    ("a half-made one of ours", CREATE, TAINTED, True, None),
    ("a half-made one of others", CREATE, TAINTED, False, "creates it"),
    ("ours, finished", CREATE, FINISH, True, None),
    ("others', changed", CREATE, FINISH, False, "creates it"),
    ("ours, taken over", CREATE, IMPORT, True, None),
    ("others', taken over", CREATE, IMPORT, False, "creates it"),
    ("ours, healthy, but replaced", CREATE, REPLACE, True, "creates it"),
    ("ours, deleted", CREATE, DELETE, True, "creates it"),
    ("a reading", CREATE, _change("read", after={}), False, None),
    ("moved from elsewhere", UPDATE, {**UPDATE, "previous_address": "azurerm_x.old"}, False, "does not move it"),
    (
        "nothing and none",
        _change("create", after={"a": None, "b": []}),
        _change("create", after={"a": [], "b": None}),
        False,
        None,
    ),
    ("false is not none", _change("create", after={"a": False}), _change("create", after={"a": None}), False, "of a"),
    (
        "a set in another order",
        _change("create", after={"a": [1, 2]}),
        _change("create", after={"a": [2, 1]}),
        False,
        None,
    ),
    ("a longer list", _change("create", after={"a": [1]}), _change("create", after={"a": [1, 2]}), False, "of a"),
    (
        "a list whose unknown part is known now",
        _change("create", after={"a": [{"n": 1, "id": None}]}, after_unknown={"a": [{"id": True}]}),
        _change("create", after={"a": [{"n": 1, "id": "x"}]}, after_unknown={"a": [{}]}),
        False,
        None,
    ),
]


@pytest.mark.parametrize(("what", "reviewed", "now", "begun", "reason"), CASES, ids=[case[0] for case in CASES])
def test_a_change_is_in_the_reviewed_plan_or_it_is_said_why_not(
    what: str, reviewed: dict[str, Any] | None, now: dict[str, Any], begun: bool, reason: str | None
) -> None:
    found = differences(_plan(*([reviewed] if reviewed else [])), _plan(now), {ADDRESS} if begun else frozenset())
    if reason is None:
        assert found == ()
    else:
        assert found[0].address == ADDRESS and reason in found[0].reviewed


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (({"a": 1}, {}, {}), ({"a": 1}, {}, {}), []),
        (
            (None, False, False),
            ({"a": 1, "b": None}, {"id": True}, {}),
            [("a", None, 1), ("id", None, Placeholder.UNKNOWN)],
        ),
        (({"a": {"b": [1]}}, {}, {}), ({"a": {"b": [2]}}, {}, {}), [("a.b[0]", 1, 2)]),
        # A secret: that it changes is shown, what it is is not; one that stays is not named.
        (
            ({"p": "old", "q": "same"}, {}, {"p": True, "q": True}),
            ({"p": "new", "q": "same"}, {}, {"p": True, "q": True}),
            [("p", Placeholder.SENSITIVE, Placeholder.SENSITIVE)],
        ),
        (({}, {}, {}), ({"p": {"k": "s"}}, {}, {"p": {"k": True}}), [("p.k", None, Placeholder.SENSITIVE)]),
        (
            ({"p": "s"}, {}, {"p": True}),
            ({}, {"p": True}, {"p": True}),
            [("p", Placeholder.SENSITIVE, Placeholder.SENSITIVE)],
        ),
        # Blocks that are sets: one that goes is not all that follow it, changed.
        (({"r": [{"n": 1}, {"n": 2}, {"n": 3}]}, {}, {}), ({"r": [{"n": 2}, {"n": 3}]}, {}, {}), [("r[0].n", 1, None)]),
        (({"r": [{"n": 1}]}, {}, {}), ({"r": []}, {}, {}), [("r[0].n", 1, None)]),
        (({"r": None}, {}, {}), ({"r": []}, {}, {}), []),
        (({"r": "text"}, {}, {}), ({"r": {"a": 1}}, {}, {}), [("r", "text", {"a": 1})]),
    ],
)
def test_values_differ_at_their_innermost_and_secrets_are_covered(before: Any, after: Any, expected: Any) -> None:
    found = differing(before, after)
    assert [(one.path, one.before, one.after) for one in found] == expected
    assert all(
        one.after is value for one, (_, _, value) in zip(found, expected, strict=True) if isinstance(value, Placeholder)
    )


def test_what_forces_a_replacement_is_marked() -> None:
    found = differing(({"a": 1, "b": [{"c": 1}]}, {}, {}), ({"a": 2, "b": [{"c": 2}]}, {}, {}), [["b", 0]])
    assert {one.path: one.forces_replacement for one in found} == {"a": False, "b[0].c": True}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"not json", "unreadable_document"),
        (b'{"format_version": "1.2", "terraform_version": 1}', "unreadable_document"),
        (
            b'{"format_version": "1.2", "terraform_version": "1", "resource_changes": [{"address": "s3cret"}]}',
            "unreadable_document",
        ),
        (b'{"format_version": "2.0", "terraform_version": "2.0.0"}', "unknown_in_plan"),
        (b'{"format_version": "1.2", "terraform_version": "1.14.0", "action_invocations": [{}]}', "unknown_in_plan"),
        (b'{"format_version": "1.2", "terraform_version": "1.14.0", "deferred_changes": [{}]}', "unknown_in_plan"),
    ],
)
def test_a_plan_that_cannot_be_shown_whole_is_refused(document: bytes, code: str) -> None:
    with pytest.raises(EngineError) as refused:
        read_plan(document)
    assert refused.value.code == code and "s3cret" not in json.dumps(refused.value.as_json())
    with pytest.raises(EngineError, match="cannot show"):
        _plan(_change("replant")).changes()
