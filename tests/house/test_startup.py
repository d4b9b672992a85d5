"""Start-up is a feature: the overview and the quick commands load nothing heavy.

Each command runs in its own process, which then tells what it has imported.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"numpy", "h5py", "hdf5plugin", "PIL", "rich", "zstandard"}
HEAVY |= {path.name for path in Path(__file__).parents[2].glob("plugins/hangar_*")}
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


def modules_of(words: list[str], place: Path, code: int = 0) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN_AND_TELL, *words],
        cwd=place,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == code, done.stderr
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
        ["diff"],
        ["diff", "--json"],
        ["diff", "HEAD", "--stat"],
        ["diff", "master", "HEAD"],
        ["merge", "--help"],
        ["history", "numbers", "a"],
        ["why", "numbers", "a"],
        ["reflog"],
        ["stash", "list"],
        ["tag", "list"],
        ["remote", "list"],
        ["push", "--help"],
        ["server", "--help"],
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


def test_moving_through_history_needs_no_numpy_either(repository: Path, tmp_path: Path) -> None:
    place = shutil.copytree(repository, tmp_path / "copy")
    for line in (
        "stash save",
        "branch create dev",
        "checkout dev",
        "stash pop",
        "commit -m second",
        "checkout master",
        "merge dev",
        "revert HEAD",
        "cherry-pick dev",
        "tag create v1",
        "tag delete v1",
        "reset HEAD~1 --hard",
        "branch delete dev",
    ):
        assert modules_of(line.split(), place) & HEAVY == set(), line


def test_a_conflict_is_shown_and_resolved_without_numpy(repository: Path, tmp_path: Path) -> None:
    place = shutil.copytree(repository, tmp_path / "copy")
    modules_of(["reset", "--hard"], place)
    modules_of(["branch", "create", "dev"], place)
    for branch in ("dev", "master"):
        modules_of(["checkout", branch], place)
        change = f"""
from contextlib import closing
from hangar_core import Repository
with closing(Repository(".").checkout(write=True)) as writer:
    writer.metadata["note"] = "{branch}"
    writer.commit("note")
"""
        subprocess.run([sys.executable, "-c", change], cwd=place, check=True)
    assert modules_of(["merge", "dev"], place, code=3) & HEAVY == set()
    assert modules_of(["status"], place) & HEAVY == set()
    assert modules_of(["resolve", "--metadata", "note", "--theirs"], place) & HEAVY == set()
    assert modules_of(["merge", "--continue"], place) & HEAVY == set()


def test_help_comes_within_150_milliseconds(tmp_path: Path) -> None:
    """Processor time, the best of a few runs; a slow machine is asked for less than twice its own floor."""
    floor = help_time = float("inf")
    for _ in range(20):
        floor = min(floor, _processor_seconds(["-c", "import click"], tmp_path))
        help_time = min(help_time, _processor_seconds(["-m", "hangar_cli", "--help"], tmp_path))
        if help_time < SECONDS:
            break
    assert help_time < max(SECONDS, 1.9 * floor)


def test_help_of_import_costs_less_than_one_and_a_half_times_click(tmp_path: Path) -> None:
    """Processor time, the best of up to 30 runs of each, which take turns: the least of several is hardly noisy."""
    floor = help_time = float("inf")
    for number in range(30):
        floor = min(floor, _processor_seconds(["-c", "import click"], tmp_path))
        help_time = min(help_time, _processor_seconds(["-m", "hangar_cli", "import", "--help"], tmp_path))
        if number >= 4 and help_time < 1.5 * floor:
            break
    assert help_time < 1.5 * floor


def _processor_seconds(arguments: list[str], place: Path) -> float:
    resource = pytest.importorskip("resource", reason="this system does not tell processor time finely enough")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=place, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
