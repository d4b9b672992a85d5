"""What became of a chunk of files, as lines: see `wire`. Whoever reads them believes no more than that they are lines.

A worker process writes its lines one by one while it reads; what was read on another machine comes back whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from hangar_core.errors import InvalidInput, StorageFailed
from hangar_core.ingest.decoding import Outcome, Read
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


class Done(NamedTuple):
    """The outcomes of a chunk, and the segments in which their data are, if they are not with them."""

    outcomes: list[Outcome]
    segments: list[Segment]


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


def read_answer(next_line: Callable[[], bytes], works: list[Work], arrayset: str) -> Done:
    """Return what the lines up to ``["end"]`` say of a chunk.

    Raises `ValueError` for lines that say what they must not, and what a worker reports: `InvalidInput` for options of
    the plugin, `StorageFailed`.
    """
    outcomes: list[Outcome] = []
    segments: list[Segment] = []
    reads: list[Read | Stack] = []
    while True:
        kind, *words = words_of(next_line())
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
            segments.append(segment_of(words))
        elif work is None:
            raise BadLineError(kind)
        elif kind == "rows":
            reads += [read_of(row, arrayset) for row in words[0]]
        elif kind == "stack":
            reads.append(stack_of(words))
        elif kind == "bad":
            code, message, fix = map(str, words)
            outcomes.append(Outcome(work, reject=work.reject(code, message, fix)))
            reads = []
        elif kind == "file":
            source, facts, key = words
            outcomes.append(Outcome(work._replace(key=str(key)), reads, bytes.fromhex(source), facts_of(facts)))
            reads = []
        else:
            raise BadLineError(kind)


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
