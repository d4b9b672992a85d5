"""The worker processes of an import, seen from the import: one for each thread that asks, started when it first does.

They are fresh interpreters: nothing is inherited, no lock and no open file, and scripts need no guard round their main
part. One that dies costs its file only. Which file that was is found by reading the files of its chunk again, each in a
process that has nothing else to do.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

from hangar_core.errors import InvalidInput, StorageFailed, WorkersFailed
from hangar_core.ingest.answers import Done, read_answer, words_of
from hangar_core.ingest.decoding import Outcome, Reading
from hangar_core.ingest.options import Limits
from hangar_core.ingest.report import Reject
from hangar_core.ingest.wire import encode_reading
from hangar_core.ingest.works import Work
from hangar_core.storage.segments import Segment

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from hangar_core.ingest.working import main; main()"
)


class _DiedError(Exception):
    """A worker process ended, or said what it must not, in the middle of a chunk."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class ProcessPool:
    """Worker processes, one for each thread that calls `read`."""

    def __init__(self, reading: Reading, limits: Limits, segments: Path) -> None:
        self._reading = reading
        self._first_line = encode_reading(reading, limits, str(segments))
        self._limits = limits
        self._segments = segments
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: set[_Process] = set()
        self._closed = False

    def read(self, works: list[Work]) -> Done:
        """Have a chunk read. Raises `InvalidInput` for options of the plugin, `WorkersFailed` if none can start."""
        try:
            return self._process().read(works, self._reading.arrayset, self._segments)
        except _DiedError as why:
            self._forget()
            if len(works) == 1:
                return Done([Outcome(works[0], reject=self._reject(works[0], why.code))], [])
        outcomes: list[Outcome] = []
        segments: list[Segment] = []
        for work in works:
            done = self.read([work])
            outcomes += done.outcomes
            segments += done.segments
        return Done(outcomes, segments)

    def close(self) -> None:
        """End all processes; twice is fine."""
        with self._lock:
            self._closed = True
            processes, self._all = self._all, set()
        for one in processes:
            one.end()

    def _process(self) -> _Process:
        process: _Process | None = getattr(self._mine, "process", None)
        if process is None:
            with self._lock:
                if self._closed:
                    raise WorkersFailed(arrayset=self._reading.arrayset, reason="the import has ended")
                process = self._mine.process = _Process(self._first_line)
                self._all.add(process)
        return process

    def _forget(self) -> None:
        process, self._mine.process = self._mine.process, None
        with self._lock:
            self._all.discard(process)
            closed = self._closed
        process.end()
        if closed:
            raise WorkersFailed(arrayset=self._reading.arrayset, reason="the import has ended")
        if not process.began:  # the next one would not either
            raise WorkersFailed(
                arrayset=self._reading.arrayset,
                reason="they cannot be started",
                hint="--jobs 1 needs no other process",
            )

    def _reject(self, work: Work, code: int | None) -> Reject:
        if code is not None and code == -getattr(signal, "SIGALRM", 0):
            seconds = f"{self._limits.seconds:g} seconds"
            return work.reject("timed-out", f"reading it took longer than {seconds}", "split it, or raise the limit")
        how = "without a word" if code is None else f"with signal {-code}" if code < 0 else f"with code {code}"
        message = f"the process that read it ended {how}"
        return work.reject("worker-crashed", message, "check the file, and report this to the author of the plugin")


class _Process:
    """One worker process."""

    def __init__(self, first_line: bytes) -> None:
        self._process = subprocess.Popen(  # noqa: S603 — this interpreter, a constant program
            [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._first = first_line
        self.began = False

    @property
    def code(self) -> int | None:
        return self._process.returncode

    def read(self, works: list[Work], arrayset: str, directory: Path) -> Done:
        """Have a chunk read; what is said of many samples waits in `directory`.

        Raises `_DiedError`, `InvalidInput`, `StorageFailed`.
        """
        assert self._process.stdin is not None
        try:
            line = json.dumps([work.to_json() for work in works]).encode("ascii") + b"\n"
            self._process.stdin.write(self._first + line)
            self._process.stdin.flush()
            self._first = b""
            if not self.began:
                self.began = words_of(self._line()) == ["ready"]
            return read_answer(self._line, works, arrayset, directory)
        except (InvalidInput, StorageFailed):
            raise
        except (OSError, ValueError) as why:  # a broken pipe, or one that `end` has closed; a line that is none
            raise _DiedError(self._ended()) from why

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _ended(self) -> int | None:
        """Return the exit code of a process that has ended, or None if it has to be ended."""
        try:
            return self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was to be sent to a process that is gone
                    pass
