"""A real server: `hangar server` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Address(str):
    """Where a server listens, and which process it is."""

    pid: int


@contextmanager
def running_server(folder: Path, *words: str) -> Iterator[Address]:
    """Start a server in a folder for a block and give its address."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "server.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hangar_cli", "server", "--port", "0", *words],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Hangar Server Started: "), (folder / "server.log").read_text()
        address = Address(line.split()[-1])
        address.pid = process.pid
        yield address
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
