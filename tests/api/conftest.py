"""A fresh repository, and one with two commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path, exists=False)
    repository.init("Ada", "ada@example.org")
    return repository


@pytest.fixture
def writer(repo: Repository) -> Iterator:
    checkout = repo.checkout(write=True)
    yield checkout
    checkout.close()


@pytest.fixture
def filled(repo: Repository) -> Repository:
    """`numbers` has samples 'a', 'b' and 3 after two commits; metadata 'note' was changed by the second."""
    checkout = repo.checkout(write=True)
    aset = checkout.arraysets.init_arrayset("numbers", shape=(2, 3), dtype=np.float32)
    with aset:
        aset["a"] = np.full((2, 3), 1, np.float32)
        aset["b"] = np.full((2, 3), 2, np.float32)
    checkout.metadata["note"] = "first"
    checkout.commit("first")
    aset[3] = np.full((2, 3), 3, np.float32)
    checkout.metadata["note"] = "second"
    checkout.commit("second")
    checkout.close()
    return repo
