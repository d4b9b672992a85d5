"""Repositories on both sides of a remote."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository

# What the tests do is a package beside them; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parent))

from sides import add, fresh, row, writing


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where a remote can be made."""
    return f"file://{tmp_path}/remote"


@pytest.fixture
def origin(tmp_path: Path, address: str) -> Repository:
    """A repository of every kind of arrayset that has not pushed yet; `origin` is its remote."""
    repo = fresh(tmp_path / "first")
    repo.init("Ada", "ada@example.org")
    with writing(repo) as writer:
        numbers = writer.arraysets.init_arrayset("numbers", shape=(2, 3), dtype=np.float32)
        numbers.update({f"s{number:03}": row(number) for number in range(100)})
        free = writer.arraysets.init_arrayset("free", shape=(9, 9), dtype=np.uint8, variable_shape=True)
        free.update({number: np.full((number, 2), number, np.uint8) for number in range(1, 6)})
        text = writer.add_str_arrayset("text")
        text.update({"a": "one", "b": "", "c": "Zürich"})
        nested = writer.add_ndarray_arrayset("nested", shape=(2, 3), dtype="f4", contains_subsamples=True)
        nested.update({"day": {"left": row(200), "right": row(201)}, "night": {"left": row(202)}})
        writer.metadata["note"] = "one"
        writer.commit("first")
    add(repo, "s000", 1000)
    repo.remote.add("origin", address)
    return repo


@pytest.fixture
def pushed(origin: Repository) -> Repository:
    """The same, pushed."""
    origin.remote.push("origin", "master")
    return origin


@pytest.fixture
def clone(pushed: Repository, address: str, tmp_path: Path) -> Repository:
    """A clone of that, without data."""
    repo = fresh(tmp_path / "second")
    repo.clone("Bob", "bob@example.org", address)
    return repo
