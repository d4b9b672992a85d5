"""The staging log as a file: appended to while staging, replayed by whoever opens it next, started anew by a commit.

`read_log` only reads, so that `status` needs no lock. `StagingLog` is for the holder of the writer lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hangar_core import files
from hangar_core.errors import CorruptRecord, StorageFailed
from hangar_core.model import CommitId
from hangar_core.records import merging as merge_records
from hangar_core.records import staging as records
from hangar_core.records.staging import Begin, Frame, Group, Part
from hangar_core.storage.host import boot_id

# So much of a log is read at once, and one that is shorter is held in memory.
_WINDOW: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class LogContent:
    """What a log of the generation that counts holds: whole frames in order, and where they end."""

    begin: Begin
    parts: Iterable[Part]
    end: int
    synced_end: int  # everything before this place was made durable, data included
    # Arrayset -> where it was last taken over whole: what was said before of its samples means nothing any more.
    taken_over: Mapping[str, int]


def read_log(path: Path, generation: int) -> LogContent | None:
    """Return the content of the staging log, or None when nothing of this generation is staged.

    Raises `CorruptRecord` when bytes that had been made durable are damaged: they are never cut off silently.
    """
    content = _read(path, generation)
    if content is not None:
        return content
    # Whoever reads without the lock may come before a prepared log has its name.
    return _read(_prepared(path), generation, ahead=True)


def settle_log(path: Path, generation: int, branch: str, base: CommitId | None) -> None:
    """Under the writer lock: give a prepared log its name if its transaction was made, and remove it otherwise."""
    prepared = _prepared(path)
    if prepared.exists():
        content = _read(prepared, generation, ahead=True)
        if content is not None and (content.begin.branch, content.begin.base) == (branch, base):
            files.replace(prepared, path)
        else:
            files.remove(prepared)
        files.sync_directory(path.parent)


def _prepared(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _read(path: Path, generation: int, *, ahead: bool = False) -> LogContent | None:
    try:
        with path.open("rb") as file:
            # What a writer appends from now on is not looked at: not even to tell damage from a torn end.
            size = os.fstat(file.fileno()).st_size
            log = file.read(min(size, _WINDOW))
    except FileNotFoundError:
        return None
    first = records.decode_frame(log, 0, generation)
    if first is None or first.operation != records.BEGIN:
        if records.synced_behind(_whole(path, log, size), generation, 0):
            raise _damaged(path, 0)
        return None
    begin = records.decode_begin(first.payload)
    if begin.generation < generation or (ahead and begin.generation > generation):
        return None  # it was committed, or dropped; only starting it anew did not get to the disk
    if begin.generation > generation:
        raise CorruptRecord(what=str(path), reason="it belongs to a later state of the database")
    if size <= _WINDOW:
        content = _content(begin, tuple(records.parts(log, generation, first.end)), first.end)
    else:
        content = _content(begin, _Parts(path, generation, first.end, size), first.end)
    if content.end < size and records.synced_behind(_whole(path, log, size), generation, content.end):
        raise _damaged(path, content.end)
    return content


def _whole(path: Path, log: bytes, size: int) -> bytes:
    """Return so many bytes of a log, of which `log` has been read."""
    if len(log) == size:
        return log
    with path.open("rb") as file:
        return file.read(size)


def _content(begin: Begin, parts: Iterable[Part], start: int) -> LogContent:
    """Return what the parts of a log from `start` on come to."""
    end, synced_end = start, 0
    taken_over: dict[str, int] = {}
    for part in parts:
        end = part.end
        if isinstance(part, Frame) and part.operation == records.SYNCED:
            synced_end = end
        for one in part.parts if isinstance(part, Group) else (part,):
            if isinstance(one, Frame) and one.operation == merge_records.ADOPT:
                taken_over[merge_records.decode_adopt(one.payload)[0]] = part.offset
    return LogContent(begin, parts, end, synced_end, taken_over)


def up_to(content: LogContent, end: int) -> LogContent:
    """Return the content of a log that ends before a part that began at `end`."""
    parts = tuple(part for part in content.parts if part.end <= end)
    return replace(_content(content.begin, parts, end), synced_end=content.synced_end)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a log that is too long to be held in memory, read anew each time."""

    path: Path
    generation: int
    start: int
    end: int

    def __iter__(self) -> Iterator[Part]:
        with self.path.open("rb") as file:
            offset, size = self.start, _WINDOW
            while True:
                file.seek(offset)
                log = file.read(min(size, self.end - offset))
                end = offset
                for part in records.parts(log, self.generation, offset, offset):
                    end = part.end
                    yield part
                if end > offset:
                    offset, size = end, _WINDOW
                elif len(log) == size and size < (claimed := records.claimed_size(log)) <= self.end - offset:
                    size = claimed  # one record longer than what was read at once
                else:
                    return


class StagingLog:
    """The writer's end of the log. The file is created with the first record of a generation."""

    def __init__(self, path: Path, generation: int, branch: str, base: CommitId | None) -> None:
        self._path = path
        self._generation = generation
        self._branch = branch
        self._base = base
        self._file: files.AppendFile | None = None
        self._marked_at = -1
        self._prepared_group: bytes | None = None
        self._refusal = ""

    def resume(self, end: int, boot: str) -> None:
        """Go on behind the frames that were replayed; what comes after them is cut off."""
        cut = self._path.stat().st_size > end
        if cut:
            files.truncate(self._path, end)
        self._file = files.AppendFile(self._path, "log", end=end)
        if cut:
            # Or else whole frames among what is cut off could stand behind new ones after a power cut.
            self._file.sync()
        if boot != boot_id():
            self.append(records.BOOT, records.encode_boot(boot_id()))

    def append(self, operation: int, payload: bytes) -> None:
        """Write one record; when this returns it survives the death of the process."""
        out = self._file or self._open()
        if out.end == 0:
            begin = Begin(self._generation, self._branch, self._base, boot_id())
            out.write(records.encode_frame(records.BEGIN, records.encode_begin(begin), self._generation, 0))
        out.write(records.encode_frame(operation, payload, self._generation, out.end))

    def sync(self) -> None:
        """Make all records durable and then say so in a mark. The data they name must be durable already."""
        out = self._file
        if out is None or self._marked_at == out.end:
            return
        out.sync()
        self.append(records.SYNCED, b"")
        self._marked_at = out.end

    def prepare(self, generation: int, base: CommitId, group: bytes) -> None:
        """Write the log of a later generation beforehand, with one group in it.

        It is void until a transaction makes that generation the one that counts; `recycle` then gives it its name.
        """
        path = _prepared(self._path)
        if self._file is not None and self._file.path == path:
            # It could not have its name before. What is staged must not be removed as if it were left over.
            settle_log(self._path, self._generation, self._branch, self._base)
        files.remove(path)
        log = StagingLog(path, generation, self._branch, base)
        try:
            log.append(records.GROUP, group)
            log.sync()
        finally:
            log.close()
        self._prepared_group = group

    def give_up_prepared(self) -> None:
        """Forget what was prepared, if it was not used: its transaction was not made."""
        if self._prepared_group is not None:
            self._prepared_group = None
            files.remove(_prepared(self._path))

    def recycle(self, generation: int, branch: str, base: CommitId | None) -> bytes | None:
        """Start anew for a later generation. Doing it twice, or not getting to it, changes nothing.

        Returns the group with which it begins if it was prepared.
        """
        self._generation, self._branch, self._base = generation, branch, base
        self._marked_at = -1
        prepared, self._prepared_group = self._prepared_group, None
        if prepared is not None:
            self.close()
            self._take_over_prepared()
            return prepared
        if self._file is not None:
            try:
                self._file.restart()
            except StorageFailed:
                # What made the frames void has happened all the same. The next record tries again.
                self.close()
        return None

    def _take_over_prepared(self) -> None:
        # What made it count has happened. If it cannot have its name, it goes on without; if it cannot even be opened,
        # this writer can stage no more, and the next one finds all.
        try:
            settle_log(self._path, self._generation, self._branch, self._base)
        except StorageFailed:
            pass
        path = next(one for one in (_prepared(self._path), self._path) if one.exists())
        try:
            self._file = files.AppendFile(path, "log", end=path.stat().st_size)
        except StorageFailed as why:
            self._refusal = str(why)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> files.AppendFile:
        if self._refusal:
            raise StorageFailed(path=self._path, reason=self._refusal)
        there = self._path.exists()
        out = files.AppendFile(self._path, "log", end=0 if there else None)
        try:
            if there:
                out.restart()  # frames of an older generation, which mean nothing any more
            # Also of a file that is there: who created it may have been stopped before this.
            files.sync_directory(self._path.parent)
        except BaseException:
            out.close()
            raise
        self._file = out
        return out


def _damaged(path: Path, at: int) -> CorruptRecord:
    return CorruptRecord(
        what=f"{path} at byte {at}",
        reason="bytes that had been made durable are damaged",
        hint="keep a copy of the file, then remove it to go on from the last commit",
    )
