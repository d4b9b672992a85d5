"""A process that has imported everything and forks a child for each job: cheap processes to kill.

The tests themselves run beside threads (of pytest-xdist), where forking is not safe. The nursery has one thread, never
opens a repository itself, and speaks JSON lines: a job names a function of its module and the arguments.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Ended:
    """How a child ended: the signal that killed it, or 0, and what its function returned, or the trace of its error."""

    signal: int
    result: Any
    error: str
    seconds: float

    @property
    def value(self) -> Any:
        """What the function returned; an AssertionError if it did not."""
        assert not self.signal, f"killed by {signal.Signals(self.signal).name} after {self.seconds:.1f} s"
        assert not self.error, self.error
        return self.result


class Nursery:
    """The parent's end. Use it in a `with` block. `jobs` is the module beside this one that has the jobs."""

    def __init__(self, jobs: str = "jobs") -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        environment.pop("HANGAR_FAILPOINT", None)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from durable.nursery import main; main({jobs!r})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_HERE.parent,
            env=environment,
            encoding="utf-8",
        )

    def start(self, job: str, *words: Any) -> int:
        """Start `job(*words)` in a child of its own and return its process id."""
        return int(self._ask({"do": "start", "job": job, "words": words}))

    def wait(self, child: int, timeout: float = 60.0) -> Ended:
        """Wait for a child; when `timeout` seconds are over it is killed."""
        return Ended(**self._ask({"do": "wait", "child": child, "timeout": timeout}))

    def run(self, job: str, *words: Any, timeout: float = 60.0) -> Ended:
        """Run `job(*words)` in a child of its own and say how it ended."""
        return self.wait(self.start(job, *words), timeout)

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery died"
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


# --- in the nursery -------------------------------------------------------------------------------------------------


def main(module: str) -> None:
    """Serve until stdin ends."""
    jobs = importlib.import_module(f"durable.{module}")
    jobs.warm()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a child prints is no answer
    children: dict[int, tuple[float, str]] = {}
    for line in sys.stdin:
        question = json.loads(line)
        if question["do"] == "start":
            reply: Any = _start(jobs, question, children)
        else:
            reply = _wait(question["child"], question["timeout"], *children.pop(question["child"]))
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def _start(jobs: Any, question: dict[str, Any], children: dict[int, tuple[float, str]]) -> int:
    handle, report = tempfile.mkstemp(prefix="durable-")
    os.close(handle)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _live(jobs, question, report)
    children[child] = (began, report)
    return child


def _live(jobs: Any, question: dict[str, Any], report: str) -> None:
    try:
        said = {"result": getattr(jobs, question["job"])(*question["words"]), "error": ""}
    except BaseException:
        said = {"result": None, "error": traceback.format_exc()}
    with open(report, "w", encoding="utf-8") as out:
        json.dump(said, out)
    os._exit(0)


def _wait(child: int, timeout: float, began: float, report: str) -> dict[str, Any]:
    end = time.monotonic() + timeout
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)
            break
        time.sleep(0.0005)
    code = os.waitstatus_to_exitcode(ended[1])
    text = Path(report).read_text("utf-8")
    os.unlink(report)
    said = json.loads(text) if text else {"result": None, "error": "it left without a word"}
    if code < 0:
        said = {"result": None, "error": f"killed by signal {-code}"}
    return {**said, "signal": max(0, -code), "seconds": time.monotonic() - began}
