"""What the tests do on either side of a remote."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hangar_core import Repository


def row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


@contextmanager
def writing(repo: Repository, branch: str = "") -> Iterator[Any]:
    checkout = repo.checkout(write=True, branch=branch)
    try:
        yield checkout
    finally:
        checkout.close()


@contextmanager
def reading(repo: Repository, **which: str) -> Iterator[Any]:
    """Open for reading, whatever is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        checkout = repo.checkout(**which)
    try:
        yield checkout
    finally:
        checkout.close()


def add(repo: Repository, key: str, value: int, branch: str = "") -> str:
    """Commit one more sample of `numbers`."""
    with writing(repo, branch) as writer:
        writer["numbers", key] = row(value)
        return writer.commit(f"{key} is {value}")


def content(repo: Repository, **which: str) -> dict[str, Any]:
    """Return all samples that are here, and the metadata."""
    found: dict[str, Any] = {}
    with reading(repo, **which) as checkout:
        for name, aset in checkout.arraysets.items():
            for key, value in aset.items(local=True):
                if aset.contains_subsamples:
                    found[name, key] = {part: one.tolist() for part, one in value.items(local=True)}
                else:
                    found[name, key] = value.tolist() if isinstance(value, np.ndarray) else value
        found["metadata"] = dict(checkout.metadata.items())
    return found


def fresh(place: Path) -> Repository:
    place.mkdir(parents=True, exist_ok=True)
    return Repository(place, exists=False)
