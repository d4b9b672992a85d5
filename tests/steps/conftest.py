"""Steps: each test has workspaces and a home of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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
