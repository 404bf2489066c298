"""YAML as the seed file may use it: data with lines, and none of YAML's traps."""

from decimal import Decimal

import pytest

from core.seed.document import MAX_BYTES, Fields, parse_document, plain


def read(text: str | bytes):
    node, findings = parse_document(text.encode() if isinstance(text, str) else text, "seed.yaml")
    return node, [str(finding) for finding in findings]


def only_finding(text: str | bytes) -> str:
    _, findings = read(text)
    assert len(findings) == 1, findings
    return findings[0]


def test_scalars_are_what_they_look_like():
    node, findings = read("{a: 1, b: 2.50, c: '3', d: no, e: 2024-10-01, f: true, g: null, h: 1e3, i: 010, j: 12:30}")
    assert not findings
    assert node is not None
    assert plain(node) == {
        "a": 1,
        "b": Decimal("2.50"),
        "c": "3",
        "d": "no",
        "e": "2024-10-01",
        "f": True,
        "g": None,
        "h": "1e3",
        "i": 10,
        "j": "12:30",
    }


def test_every_value_knows_its_line_and_column():
    node, _ = read("a:\n  - b: 1\n    c: [x,\n        y]\n")
    assert isinstance(node, Fields)
    first = node.values["a"].values[0]
    assert (first.key_places["c"].line, first.key_places["c"].column) == (3, 5)
    assert (first.values["c"].values[1].place.line, first.values["c"].values[1].place.column) == (4, 9)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "seed.yaml:1: the file is empty"),
        ("# nothing\n", "seed.yaml:1: the file is empty"),
        ("a: 1\nb: 2\na: 3\n", "seed.yaml:3: the key 'a' is given twice, first on line 1"),
        ("a: 1\nb: !!python/object:os.system x\n", "seed.yaml:2: the tag"),
        ("a: !secret x\n", "seed.yaml:1: the tag '!secret' is not allowed"),
        ("a: 1\n---\nb: 2\n", "seed.yaml:2: there is a second document"),
        ("a: 1\nb: }\n", "seed.yaml:2: not valid YAML"),
        ("a: *nowhere\n", "seed.yaml:1: the alias *nowhere names no anchor"),
        ("a: &a [*a]\n", "seed.yaml:1: the alias *a names no anchor that is complete"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", "seed.yaml:3: merge keys (<<) are not supported"),
        ("? [a, b]\n: 1\n", "seed.yaml:1: a key must be a text"),
        ("[" * 40, "seed.yaml:1: values are nested deeper than 32 levels"),
        (b"a: 1\nb: \xff\n", "seed.yaml:2: the file is not UTF-8 text"),
        (b"a: 1\nb: \x00\n", "seed.yaml:2: the character U+0000 is not allowed"),
        (b"a" * (MAX_BYTES + 1), "seed.yaml:1: the file is larger than 4 MiB"),
    ],
)
def test_what_is_not_plain_data_is_named_with_its_line(text, finding):
    assert only_finding(text).startswith(finding)


def test_a_bomb_of_aliases_does_not_go_off():
    lines = ["a0: &a0 [" + ",".join("x" * 9) + "]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "more than 200000 values" in only_finding("\n".join(lines))


def test_an_alias_stands_for_its_anchor():
    node, findings = read("a: &x [1, 2]\nb: *x\n")
    assert not findings
    assert node is not None
    assert plain(node)["b"] == [1, 2]


def test_a_syntax_error_does_not_quote_the_file():
    assert "hunter2" not in only_finding('a: "hunter2\n')
