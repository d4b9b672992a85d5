"""Steps: each test has workspaces and a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

from hangar_cli.main import main
from hangar_core import Repository
from hangar_steps import LocalWorkspace, MemoryWorkspace, RepositoryWorkspace, Workspace


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, where the key for pickles is kept."""
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(place))
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(name)
    return place


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    place = tmp_path / "data"
    place.mkdir()
    made = Repository(place, exists=False)
    made.init("Ada", "ada@example.org")
    return made


@pytest.fixture(params=["memory", "local", "repository"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace of each kind."""
    if request.param == "memory":
        yield MemoryWorkspace()
    elif request.param == "local":
        yield LocalWorkspace(tmp_path / "steps")
    else:
        yield RepositoryWorkspace(request.getfixturevalue("repo"))


def hangar(place: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory, in this process: it is what starting one takes that takes time."""
    before, path = set(sys.modules), sys.path[:]
    try:
        with chdir(place):
            done = CliRunner().invoke(main, words, prog_name="hangar", env={"NO_COLOR": "1"})
    finally:
        # Another test has another module of that name.
        sys.path[:] = path
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(place)):
                del sys.modules[name]
    assert done.exit_code == code, done.output + repr(done.exception)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)
