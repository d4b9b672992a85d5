"""A worker process: reads the files of one chunk after another and stores their data in segments of its own.

It holds no lock and opens no database. What a plugin prints goes nowhere; a file that takes too much memory or time, or
brings the process down, costs that file only: the other side starts another process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from hangar_core.errors import InvalidInput, StorageFailed
from hangar_core.ingest.decoding import Outcome, Reading, decode, reject_of
from hangar_core.ingest.options import Limits
from hangar_core.ingest.stacks import Stack
from hangar_core.ingest.wire import ROWS_AT_ONCE, decode_reading, row_of, segment_line, stack_line
from hangar_core.ingest.works import Work
from hangar_core.storage.segments import SegmentWriter

# A segment is full with so many bytes or samples: who takes it over has all of its places in memory.
_SEGMENT_BYTES = 256 << 20
_SEGMENT_SAMPLES = 1 << 17
_PUT_AT_ONCE = 16 << 20


def main() -> None:
    """Work until there is nothing more to read from stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the import, which ends its workers
    requests, answers = _private_streams()
    reading, limits, directory = decode_reading(requests.readline())
    _limit_memory(limits.memory)
    worker = _Worker(reading, limits, Path(directory), answers)
    worker.say("ready")
    answers.flush()
    for line in requests:
        worker.read([Work.from_json(fields) for fields in json.loads(line)])


class _Worker:
    def __init__(self, reading: Reading, limits: Limits, directory: Path, answers: BinaryIO) -> None:
        self._reading = reading
        self._limits = limits
        self._directory = directory
        self._answers = answers
        self._segment = SegmentWriter(directory)

    def read(self, works: list[Work]) -> None:
        """Read one chunk and answer."""
        self._segment = SegmentWriter(self._directory)
        try:
            for work in works:
                _limit_time(self._limits.seconds)
                self._file(work)
            _limit_time(0)
            self._finish()
        except InvalidInput as why:
            self.say("fatal", why.message, why.hint, why.facts.get("option"))
        except StorageFailed as why:
            self.say("full", str(why.path), str(why.reason))
        finally:
            self._segment.abandon()
        self.say("end")
        self._answers.flush()

    def _file(self, work: Work) -> None:
        # A long file is none that hangs.
        outcome = decode(work, self._reading, lambda: _limit_time(self._limits.seconds))
        reject = outcome.reject
        if reject is None:
            try:
                self._store(outcome)
            except (InvalidInput, StorageFailed):
                raise
            except Exception as why:
                reject = reject_of(why, work)
        if reject is not None:
            self.say("bad", reject.code, reject.message, reject.fix)
        else:
            self.say("file", outcome.source.hex(), dict(outcome.facts), outcome.work.key)

    def _store(self, outcome: Outcome) -> None:
        rows: list[Any] = []
        payloads: list[Any] = []
        held = 0
        for read in outcome.reads:
            if isinstance(read, Stack):
                if rows:  # what came before stays before it
                    self._put(rows, payloads)
                    rows, payloads, held = [], [], 0
                self._segment.put_alike(read.batch)
                self.say(*stack_line(read))
                self._finish_if_full()
                continue
            payloads += [part.payload for part in read.parts]
            held += read.held
            rows.append(row_of(read))
            if held >= _PUT_AT_ONCE or len(rows) >= ROWS_AT_ONCE:
                self._put(rows, payloads)
                rows, payloads, held = [], [], 0
                self._finish_if_full()
        if rows:
            self._put(rows, payloads)

    def _put(self, rows: list[Any], payloads: list[Any]) -> None:
        self._segment.put_many(payloads)
        self.say("rows", rows)

    def _finish_if_full(self) -> None:
        if self._segment.length >= _SEGMENT_BYTES or self._segment.samples >= _SEGMENT_SAMPLES:
            self._finish()

    def _finish(self) -> None:
        segment = self._segment.finish()
        if segment is not None:
            self.say(*segment_line(segment))
        self._segment = SegmentWriter(self._directory)

    def say(self, *words: Any) -> None:
        """Write one line."""
        self._answers.write(json.dumps(words).encode("ascii") + b"\n")


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return stdin and stdout under other numbers, and leave nothing in their places that a plugin could spoil."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 — for the life of the process
    return requests, answers


def _limit_memory(beyond: int) -> None:
    """Let the process have so many bytes of address space beyond what it has now, where the system can say."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + beyond
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY or limit <= hard:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ImportError, OSError, ValueError):  # no such limits, or no such file
        return


def _time_limit() -> Callable[[float], object]:
    set_timer: Callable[[int, float], object] | None = getattr(signal, "setitimer", None)
    if set_timer is None:
        return lambda seconds: seconds
    timer = signal.ITIMER_REAL
    return lambda seconds: set_timer(timer, seconds)


# Nobody handles the alarm: it ends the process, whatever that is busy with.
_limit_time = _time_limit()
