import os
import time
from pathlib import Path

import pytest

from core.keys import Peppers
from core.snapshot import disk
from core.snapshot.rows import FORMAT, Rows, SecretRow, encode

ROWS = Rows(7, [], [], [], [], [], [], [], [], [], [], [], [SecretRow("a", 1, b"n", b"c")])
PEPPERS = Peppers({1: b"1" * 32, 2: b"2" * 32})


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the snapshot, just written, in a folder that did not exist."""
    disk.write(tmp_path / "state", encode(ROWS), 1234.5, PEPPERS)
    return tmp_path / "state" / "snapshot"


def test_a_copy_is_read_back_as_it_was_written(copy: Path):
    assert disk.read(copy.parent, PEPPERS) == disk.DiskCopy(ROWS, 1234.5)


def test_a_copy_is_its_owners_alone_and_leaves_nothing_else_behind(copy: Path):
    disk.write(copy.parent, encode(ROWS), 1.0, PEPPERS)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert list(copy.parent.iterdir()) == [copy]


def test_what_a_killed_process_left_half_written_is_removed_and_what_another_writes_now_is_not(copy: Path):
    for name, age in ((".snapshot-left", 601), (".snapshot-now", 0)):
        (copy.parent / name).write_text("half")
        os.utime(copy.parent / name, (time.time() - age,) * 2)
    disk.write(copy.parent, encode(ROWS), 1.0, PEPPERS)
    assert {path.name for path in copy.parent.iterdir()} == {"snapshot", ".snapshot-now"}


def test_a_copy_under_an_older_pepper_is_read_while_that_is_held(copy: Path):
    disk.write(copy.parent, encode(ROWS), 1.0, Peppers({1: b"1" * 32}))
    assert disk.read(copy.parent, PEPPERS).rows == ROWS
    with pytest.raises(disk.DiskCopyError, match="pepper version 1, which is not configured"):
        disk.read(copy.parent, Peppers({2: b"2" * 32}))


def test_a_copy_that_was_changed_anywhere_is_refused(copy: Path):
    whole = copy.read_bytes()
    for position in range(len(whole)):
        copy.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(disk.DiskCopyError):
            disk.read(copy.parent, PEPPERS)


def test_a_copy_that_was_cut_short_or_made_longer_is_refused(copy: Path):
    whole = copy.read_bytes()
    for content in (*(whole[:length] for length in range(len(whole))), whole + b"\x00"):
        copy.write_bytes(content)
        with pytest.raises(disk.DiskCopyError, match=r"cut short|is not a snapshot"):
            disk.read(copy.parent, PEPPERS)


def test_a_copy_under_another_pepper_of_the_same_version_is_refused(copy: Path):
    with pytest.raises(disk.DiskCopyError, match="its authentication code is wrong"):
        disk.read(copy.parent, Peppers({2: b"x" * 32}))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_copy_that_is_open_to_others_is_refused(copy: Path, mode: int):
    copy.chmod(mode)
    with pytest.raises(disk.DiskCopyError, match=f"open to others .mode {mode:04o}.; it must be 0600"):
        disk.read(copy.parent, PEPPERS)


def test_what_is_not_a_file_is_refused(copy: Path, tmp_path: Path):
    copy.rename(tmp_path / "elsewhere")
    copy.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(disk.DiskCopyError, match="cannot be opened"):
        disk.read(copy.parent, PEPPERS)
    copy.unlink()
    os.mkfifo(copy, 0o600)
    with pytest.raises(disk.DiskCopyError, match="not a regular file"):
        disk.read(copy.parent, PEPPERS)
    with pytest.raises(disk.DiskCopyError, match="there is no snapshot"):
        disk.read(tmp_path, PEPPERS)


def test_a_copy_of_another_format_is_refused_and_says_so(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(disk, "FORMAT", FORMAT + 1)
    with pytest.raises(
        disk.DiskCopyError, match=rf"written by another version of Aduana .format {FORMAT}, ours is {FORMAT + 1}"
    ):
        disk.read(copy.parent, PEPPERS)


def test_rows_that_this_version_cannot_read_are_refused(copy: Path):
    disk.write(copy.parent, b"\x93\x01\x02\x03", 1.0, PEPPERS)
    with pytest.raises(disk.DiskCopyError, match="holds rows that this version cannot read"):
        disk.read(copy.parent, PEPPERS)
