"""W6, start-up: what a user waits for a word from the command line, in a repository with a long history.

Floor: a Python process that imports click.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.harness import alternate, emit
from hangar_core import Repository

DEFAULT_N = 20_000
_ROUNDS = 11
_COMMITS = 20
_HANGAR = "from hangar_cli.main import main; main()"


def run(folder: Path, n: int) -> None:
    repo = Repository(folder, exists=False)
    repo.init("Bench", "bench@example.org")
    rng = np.random.default_rng(1)
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("x", shape=(16,), dtype=np.uint8)
        aset.update(enumerate(rng.integers(0, 256, (n, 16), dtype=np.uint8)))
        writer.commit("first")
        for number in range(_COMMITS):
            aset.update((int(key), rng.integers(0, 256, 16, dtype=np.uint8)) for key in rng.integers(0, n, 10))
            writer.commit(f"commit {number}")
    floor, usage, status, log = alternate(
        _ROUNDS,
        _python(folder, "import click"),
        _python(folder, _HANGAR, "--help"),
        _python(folder, _HANGAR, "status"),
        _python(folder, _HANGAR, "log"),
    )
    emit("W6", "--help", 1e3 * usage, "ms", 1e3 * floor, n)
    emit("W6", "status, against --help", 1e3 * status, "ms", 1e3 * usage, n)
    emit("W6", "log, against --help", 1e3 * log, "ms", 1e3 * usage, n)


def _python(folder: Path, script: str, *words: str) -> Callable[[], object]:
    # With the compiled modules that every installation has.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", script, *words]
    return lambda: subprocess.run(command, check=True, capture_output=True, cwd=folder, env=env)
