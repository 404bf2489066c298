"""Spool directories as a source: one a proxy's incarnation, read from its oldest file on, removed when its proxy is dead."""

import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from core.ledger.records import Admitted, Record, Unreadable, decode_or_keep
from core.ledger.store import Batch
from proxy.ledger.frames import Corrupt, Frame, read_frames
from proxy.ledger.spool import COMMITTED, LOCK, SEGMENTS
from proxy.writer import Gate, Piece, SourceAway

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("aduana.writer")

_READ = 4 * 1024 * 1024  # bytes
_RECORDS = 4000
_A_DAY = 86_400.0
_MOST_MISSING = 10_000
_KEPT_OF_CORRUPT = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class _Position:
    """Where reading goes on."""

    segment: str = ""  # a file's name
    offset: int = 0
    number: int = 0  # of the last record; 0: not known


class SpoolSource:
    """All incarnations' directories below one."""

    counted = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._positions: dict[str, _Position] = {}  # by stream; only ever behind what is committed

    def read(self) -> Iterator[Piece]:
        """See `Source.read`."""
        try:
            names = sorted(path.name for path in self._directory.iterdir() if _incarnation(path.name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise SourceAway(f"the spool: {error}") from error
        for name in names:
            try:
                yield self._piece(name)
            except FileNotFoundError:  # another writer has just removed it
                continue
            except OSError as error:
                raise SourceAway(f"the spool: {error}") from error

    def forget(self, piece: Piece, watermarks: dict[UUID, int]) -> None:
        """See `Source.forget`."""
        position: _Position = piece.token
        self._positions[piece.stream] = position
        directory = self._path(piece.stream)
        try:
            fresh = directory / f"{COMMITTED}.{os.getpid()}"
            fresh.write_text(str(max(watermarks.values())))
            fresh.replace(directory / COMMITTED)
            for segment in directory.glob(SEGMENTS):
                if segment.name < position.segment:
                    segment.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SourceAway(f"the spool: {error}") from error

    def open_gate(self, gate: Gate, watermarks: dict[UUID, int], spent: dict[str, int]) -> bool:
        """See `Source.open_gate`. A proxy without Redis sums for itself."""
        return True

    def close_gate(self, client: UUID) -> None:
        """See `Source.close_gate`. A proxy without Redis sums again and again."""

    def disown(self, client: UUID, ids: Sequence[str]) -> None:
        """See `Source.disown`. A proxy without Redis asks Postgres for what is committed."""

    def retire(self, stream: str) -> None:
        """See `Source.retire`."""
        directory = self._path(stream)
        position = self._positions.get(stream, _Position())
        try:
            if not _is_dead(directory):
                return
            for segment in directory.glob(SEGMENTS):
                data = segment.read_bytes()[position.offset if segment.name == position.segment else 0 :]
                if segment.name < position.segment:
                    continue
                if read_frames(data, finished=False, limit=1)[0]:
                    return  # it has written after we looked
                if data:
                    _log.warning("the last %d bytes of %s are a record that was cut off", len(data), segment)
            shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            return  # another time
        self._positions.pop(stream, None)

    def _path(self, stream: str) -> Path:
        return self._directory / stream.removeprefix("spool:")

    def _piece(self, name: str) -> Piece:
        stream, incarnation = f"spool:{name}", UUID(name)
        directory = self._directory / name
        position = self._positions.get(stream, _Position())
        batches: list[Batch] = []
        count = 0
        while count < _RECORDS:
            segments = sorted(segment.name for segment in directory.glob(SEGMENTS) if segment.name >= position.segment)
            if not segments:
                return Piece(stream, batches, True, _written_ms(batches), position)
            if segments[0] != position.segment:  # the first, or the one that we were in is gone
                position = replace(position, segment=segments[0], offset=0)
            with (directory / segments[0]).open("rb") as file:
                file.seek(position.offset)
                data = file.read(_READ)
            whole = len(data) < _READ
            has_next = len(segments) > 1  # then nothing more is written here
            found, length = read_frames(data, finished=whole and has_next, limit=_RECORDS - count)
            more, number = _batches(incarnation, found, position.number, directory / segments[0])
            batches += more
            count += len(found)
            position = _Position(position.segment, position.offset + length, number)
            if length < len(data) and found:
                continue
            if whole and has_next:
                position = _Position(segments[1], 0, number)
            elif not found or whole:
                return Piece(stream, batches, True, _written_ms(batches), position)
        return Piece(stream, batches, False, _written_ms(batches), position)


def _incarnation(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _batches(incarnation: UUID, found: Sequence[Frame | Corrupt], number: int, path: Path) -> tuple[list[Batch], int]:
    """Runs of consecutive numbers; where a corrupt part swallowed some, they come as unreadable."""
    batches: list[Batch] = []
    run: list[Record | Unreadable] = []
    corrupt: bytes | None = None

    def end_run() -> None:
        nonlocal run
        if run:
            batches.append(Batch(incarnation, number - len(run) + 1, run))
            run = []

    for each in found:
        if isinstance(each, Corrupt):
            _log.error("%d bytes of %s are corrupt; what can be read around them is taken", len(each.data), path)
            corrupt = each.data
            continue
        if each.number != number + 1:
            end_run()
            missing = min(each.number - number - 1, _MOST_MISSING)
            if corrupt is not None and number and missing > 0:
                lost = [Unreadable(corrupt[:_KEPT_OF_CORRUPT], f"corrupt bytes in {path.name}")]
                lost += [Unreadable(b"", "part of the corrupt bytes before")] * (missing - 1)
                batches.append(Batch(incarnation, number + 1, lost))
        corrupt = None
        run.append(decode_or_keep(each.record))
        number = each.number
    end_run()
    return batches, number


def _written_ms(batches: Sequence[Batch]) -> int:
    """When the oldest admission was; now, where none is among them."""
    for batch in batches:
        for record in batch.records:
            if isinstance(record, Admitted):
                return int.from_bytes(record.call.id[:6], "big")
    return time.time_ns() // 1_000_000


def _is_dead(directory: Path) -> bool:
    """Whether the proxy of a directory is gone: its lock is free."""
    if fcntl is None:
        return time.time() - directory.stat().st_mtime > _A_DAY
    with (directory / LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
