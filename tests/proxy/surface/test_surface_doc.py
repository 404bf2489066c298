"""docs/surface.md says what the table says."""

from pathlib import Path

from proxy.endpoints.__main__ import refused, served

DOC = (Path(__file__).parents[3] / "docs/surface.md").read_text()


def test_the_doc_has_the_table() -> None:
    table = "\n".join(served()).rstrip()
    assert table in DOC, "print it anew: python -m proxy.endpoints"


def test_the_doc_says_what_is_refused_and_why() -> None:
    assert "\n".join(refused()) in DOC, "print it anew: python -m proxy.endpoints"
