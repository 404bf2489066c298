"""A file is written whole or not at all."""

import os
from pathlib import Path

import pytest

from deployer.whole_files import write_whole


def test_a_new_file_has_the_rights_of_new_files_and_an_old_one_keeps_its_own(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "made" / "file", "one\n")
    finally:
        os.umask(before)
    path = tmp_path / "made" / "file"
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o600)
    write_whole(path, "two\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two\n", 0o600)


def test_what_cannot_be_put_in_place_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert [each.name for each in tmp_path.iterdir()] == ["file"] and path.read_text() == "old"
