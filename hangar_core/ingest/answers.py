"""What became of a chunk of files, as lines: see `wire`. Whoever reads them believes no more than that they are lines.

A worker process writes its lines one by one while it reads; what was read on another machine comes back whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

from hangar_core.errors import InvalidInput, StorageFailed
from hangar_core.ingest.decoding import Outcome, Read
from hangar_core.ingest.shelf import Extent, Shelf
from hangar_core.ingest.stacks import Stack
from hangar_core.ingest.wire import (
    ROWS_AT_ONCE,
    BadLineError,
    facts_of,
    read_of,
    row_of,
    segment_line,
    segment_of,
    stack_line,
    stack_of,
)
from hangar_core.ingest.works import Work
from hangar_core.storage.segments import Segment

_T = TypeVar("_T")
# So many samples of the files of a chunk, and of its segments, are held in memory: one of a file takes half a kilobyte.
_MOST_READ: Final = 4_096
_MOST_IN_SEGMENTS: Final = 1 << 18


class Done(NamedTuple):
    """The outcomes of a chunk, and the segments in which their data are, if they are not with them."""

    outcomes: list[Outcome]
    segments: Iterable[Segment]


class _Room:
    """How many samples more may be held in memory."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, samples: int) -> bool:
        """Take room for some, if there is."""
        if samples > self._left:
            return False
        self._left -= samples
        return True


class Told(Generic[_T]):
    """What lines tell, in their order: as it is while it is little, the rest as lines on a shelf."""

    def __init__(self, shelf: Shelf, room: _Room, parse: Callable[[bytes], list[_T]]) -> None:
        """`parse` makes of a line what was added with it."""
        self._shelf = shelf
        self._room = room
        self._parse = parse
        self._few: list[_T] = []
        self._lines: list[Extent] = []

    def add(self, line: bytes, found: list[_T], samples: int) -> None:
        """Add what a line tells of so many samples. Raises `StorageFailed`."""
        if not self._lines and self._room.take(samples):
            self._few += found
        else:
            self._lines.append(self._shelf.put(line))

    def groups(self) -> Iterator[list[_T]]:
        """Yield all, some at once."""
        if self._few:
            yield self._few
        for extent in self._lines:
            yield self._parse(self._shelf.get(extent))

    def __iter__(self) -> Iterator[_T]:
        return chain.from_iterable(self.groups())


def words_of(line: bytes) -> list[Any]:
    """Return the words of a line. Raises `BadLineError` for one that was cut short or is none."""
    try:
        words = json.loads(line) if line.endswith(b"\n") else None
    except (RecursionError, ValueError) as why:
        raise BadLineError(str(why)) from why
    if not isinstance(words, list) or not words:
        raise BadLineError("cut short")
    return words


def line_of(*words: Any) -> bytes:
    """Return words as a line."""
    return json.dumps(words).encode("ascii") + b"\n"


def read_answer(next_line: Callable[[], bytes], works: list[Work], arrayset: str, directory: Path | None) -> Done:
    """Return what the lines up to ``["end"]`` say of a chunk; what they say of many samples waits in `directory`.

    Raises `ValueError` for lines that say what they must not, and what a worker reports: `InvalidInput` for options of
    the plugin, `StorageFailed`.
    """
    shelf = Shelf(directory)
    outcomes: list[Outcome] = []
    segments = Told(shelf, _Room(_MOST_IN_SEGMENTS), lambda line: [segment_of(words_of(line)[1:])])
    again = lambda line: _reads_of(words_of(line), arrayset)  # noqa: E731 - a name for the argument
    reads_of_next = partial(Told[Read | Stack], shelf, _Room(_MOST_READ), again)
    reads = reads_of_next()
    while True:
        line = next_line()
        kind, *words = words_of(line)
        work = works[len(outcomes)] if len(outcomes) < len(works) else None
        if kind == "end" and work is None:
            return Done(outcomes, segments)
        if kind == "fatal":
            message, hint, option = words
            raise InvalidInput(str(message), hint=hint and str(hint), option=option)
        if kind == "full":
            path, reason = map(str, words)
            raise StorageFailed(path=path, reason=reason)
        if kind == "segment":
            segment = segment_of(words)
            segments.add(line, [segment], segment.samples)
        elif work is None:
            raise BadLineError(kind)
        elif kind in ("rows", "stack"):
            some = _reads_of([kind, *words], arrayset)
            reads.add(line, some, sum(len(one.keys) if isinstance(one, Stack) else 1 for one in some))
        elif kind == "bad":
            code, message, fix = map(str, words)
            outcomes.append(Outcome(work, reject=work.reject(code, message, fix)))
            reads = reads_of_next()
        elif kind == "file":
            source, facts, key = words
            outcomes.append(Outcome(work._replace(key=str(key)), reads, bytes.fromhex(source), facts_of(facts)))
            reads = reads_of_next()
        else:
            raise BadLineError(kind)


def _reads_of(line: list[Any], arrayset: str) -> list[Read | Stack]:
    kind, *words = line
    return [stack_of(words)] if kind == "stack" else [read_of(row, arrayset) for row in words[0]]


def written_answer(done: Done) -> bytes:
    """Return the lines from which `read_answer` makes the same; all data have to be in the segments."""
    lines: list[bytes] = []
    for one in done.outcomes:
        if one.reject is not None:
            lines.append(line_of("bad", one.reject.code, one.reject.message, one.reject.fix))
            continue
        lines += _read_lines(one.reads)
        lines.append(line_of("file", one.source.hex(), dict(one.facts), one.work.key))
    lines += (line_of(*segment_line(segment)) for segment in done.segments)
    return b"".join([*lines, line_of("end")])


def _read_lines(reads: Iterable[Read | Stack]) -> Iterator[bytes]:
    rows: list[Any] = []
    for read in reads:
        if rows and (isinstance(read, Stack) or len(rows) >= ROWS_AT_ONCE):
            yield line_of("rows", rows)
            rows = []
        if isinstance(read, Stack):
            yield line_of(*stack_line(read))
        else:
            rows.append(row_of(read))
    if rows:
        yield line_of("rows", rows)
