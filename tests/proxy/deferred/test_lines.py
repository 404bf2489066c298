"""A batch's file is read by lines as it comes, in whatever pieces, and no line is held that is too long."""

import pytest

from proxy.deferred.asking import TOO_LONG, LineSplitter


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_are_the_same_in_any_pieces(size):
    data = b"one\n\n  \ntwo\r\nthree is longer than ten\nfour\nthe last one is too\n5"
    splitter = LineSplitter(10)
    found = [line for at in range(0, len(data), size) for line in splitter.feed(data[at : at + size])]
    assert [*found, *splitter.feed(b"\n")] == [b"one", b"two\r", TOO_LONG, b"four", TOO_LONG, b"5"]


def test_no_more_is_held_than_the_longest_line():
    splitter = LineSplitter(1000)
    for _ in range(1000):
        assert splitter.feed(b"x" * 999) == []
        assert len(splitter._rest) < 1000
    assert splitter.feed(b"\nnext\n") == [TOO_LONG, b"next"]
