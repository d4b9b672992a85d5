"""Each write and sync of the database's own file fails: the calls that no Python code sees.

A small library in front of the C library lets them fail, so this needs Linux and a compiler.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "durable"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, compiled."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    target = tmp_path_factory.mktemp("library") / "failing_disk.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(target), str(HERE / "failing_disk.c")]
    subprocess.run([*words, "-ldl"], check=True)
    return target


def run(library: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "database_faults.py"), str(library), str(place), *words],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(HERE.parent), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


def test_a_database_that_cannot_be_written_is_reported_and_loses_nothing(library: Path, tmp_path: Path) -> None:
    done = run(library, tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]


def test_the_harness_notices_an_error_that_is_not_reported(library: Path, tmp_path: Path) -> None:
    done = run(library, tmp_path, "deaf")
    assert done.returncode == 1
    assert "it says that it worked" in done.stderr
