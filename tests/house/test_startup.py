"""Start-up is a feature: the overview and the quick commands load nothing heavy.

Each command runs in its own process, which then tells what it has imported.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = {"numpy", "h5py", "hdf5plugin", "PIL", "rich", "zstandard", "hangar_csv", "hangar_image", "hangar_npy"}
CORE = {"hangar_core.repository", "hangar_core.checkout", "hangar_core.external", "lmdb", "filelock"}
SECONDS = 0.150

RUN_AND_TELL = """
import json, sys
from hangar_cli.main import main
try:
    main(sys.argv[1:], prog_name="hangar")
except SystemExit as end:
    code = end.code
sys.stdout.flush()
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, and something staged."""
    place = tmp_path_factory.mktemp("repository")
    prepare = """
from contextlib import closing
import numpy as np
from hangar_core import Repository
repo = Repository(".", exists=False)
repo.init("Ana Lopez", "ana@example.org")
with closing(repo.checkout(write=True)) as writer:
    numbers = writer.arraysets.init_arrayset("numbers", shape=(3,), dtype=np.dtype("float64"))
    numbers["a"] = np.arange(3.0)
    writer.commit("first")
    numbers["b"] = np.arange(3.0)
"""
    subprocess.run([sys.executable, "-c", prepare], cwd=place, check=True)
    return place


def modules_of(words: list[str], place: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN_AND_TELL, *words],
        cwd=place,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"]], ids=" ".join)
def test_the_overview_imports_no_command_and_nothing_of_the_library_but_its_errors(
    words: list[str], tmp_path: Path
) -> None:
    modules = modules_of(words, tmp_path)
    assert modules & (HEAVY | CORE) == set()
    assert {name for name in modules if name.startswith("hangar_cli.commands")} == set()


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["log"],
        ["log", "--json"],
        ["branch", "list"],
        ["branch", "list", "--json"],
        ["summary"],
        ["checkout", "master"],
        ["import", "--help"],
        ["view", "--help"],
        ["plugins", "--help"],
    ],
    ids=" ".join,
)
def test_quick_commands_import_no_numpy_no_plugin_and_no_rich(words: list[str], repository: Path) -> None:
    assert modules_of(words, repository) & HEAVY == set()


def test_making_a_branch_and_a_commit_needs_no_numpy_either(repository: Path, tmp_path: Path) -> None:
    place = shutil.copytree(repository, tmp_path / "copy")
    assert modules_of(["branch", "create", "quick"], place) & HEAVY == set()
    assert modules_of(["commit", "-m", "second"], place) & HEAVY == set()


def test_help_comes_within_150_milliseconds(tmp_path: Path) -> None:
    """The best of a few runs, so that a busy machine does not decide."""
    best = min(_seconds_for_help(tmp_path) for _ in range(3))
    for _ in range(20):
        if best < SECONDS:
            break
        best = min(best, _seconds_for_help(tmp_path))
    assert best < SECONDS


def _seconds_for_help(place: Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "hangar_cli", "--help"], cwd=place, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
