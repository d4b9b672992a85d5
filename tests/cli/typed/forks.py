"""Processes of `hangar` that do not begin from nothing: that takes longer than most of what a short command does.

One process has imported what nearly all commands need, and forks for each: the child has its own directory,
environment, output and end like any other process. How a process begins is not to be tested with it; with
HANGAR_TESTS_FRESH=1 all are fresh ones. Run as a script, this is that process; it serves the socket that it was given
until nobody holds the other end.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile

# What Python itself looks at when it begins: where one of these is another than usual, the process has to be fresh.
_SEEN_AT_THE_START = ("PYTHON", "LC_", "LANG", "PATH", "COVERAGE", "OPENBLAS", "OMP")
_LONGEST = 120.0
_REQUEST = 1 << 20
_PRELOADED = (
    "filelock",
    "hangar_cli.main",
    "hangar_core.checkout.writer",
    "hangar_core.repository.front",
    "hangar_core.storage.datawriter",
    "importlib.metadata",
    "numpy",
    "sqlite3",
)


class Forks:
    """Runs commands as forks of one process, which lives as long as this object."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def can_run(self, environment: dict[str, str]) -> bool:
        """Whether a process with that environment begins like this one."""

        def seen(names: dict[str, str]) -> dict[str, str]:
            return {name: value for name, value in names.items() if name.startswith(_SEEN_AT_THE_START)}

        return seen(environment) == seen(self._environment)

    def run(self, words: list[str], directory: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, with nothing to read."""
        request = json.dumps({"words": words, "directory": str(directory), "environment": environment}).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with TemporaryFile() as out, TemporaryFile() as err, ours:
            with theirs:
                fds = [theirs.fileno(), out.fileno(), err.fileno()]
                socket.send_fds(self._ours, [len(request).to_bytes(4, "big") + request], fds)
            ours.settimeout(_LONGEST)
            process = int(ours.recv(64))
            try:
                code = int(ours.recv(64))
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8").replace("\r\n", "\n"))
        return subprocess.CompletedProcess(words, code, *texts)

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.wait(_LONGEST)


def _wait_for_command(server: socket.socket) -> None:
    """Return in each child that is to run a command, with everything set up for it; end when nobody asks any more."""
    while True:
        start, fds, _, _ = socket.recv_fds(server, 4, 3)
        if not start:
            os._exit(0)
        size = int.from_bytes(start, "big")
        data = b""
        while len(data) < size:
            data += server.recv(size - len(data))
        if os.fork() == 0:  # who waits for the command and tells of its end, while others may be asked for
            process = os.fork()
            if process == 0:
                server.close()
                _become(json.loads(data), fds)
                return
            with socket.socket(fileno=fds[0]) as answer:
                answer.send(str(process).encode())
                answer.send(str(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])).encode())
            os._exit(0)
        for fd in fds:
            os.close(fd)
        while _reap():
            pass


def _reap() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _become(request: dict[str, object], fds: list[int]) -> None:
    for fd, number in zip(fds, (None, 1, 2), strict=True):
        if number is not None:
            os.dup2(fd, number)
        os.close(fd)
    os.chdir(str(request["directory"]))
    environment = request["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    words = request["words"]
    assert isinstance(words, list)
    sys.argv[1:] = words


def _run_and_end() -> None:
    """Do what the interpreter does, but for taking down every module: for that, a fork has to copy all memory."""
    from hangar_cli.main import main

    code: object = None
    try:
        main(prog_name="hangar")
    except SystemExit as ending:
        code = ending.code
    except BaseException:
        code = 1
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    for name in _PRELOADED:
        import_module(name)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _wait_for_command(asked)
    _run_and_end()
