"""Single steps on a repository, to be killed in. What the model in `tests/properties` says of them is not known here.

Each part of a step that has returned is reported by one byte in a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np

import hangar_core.checkout
import hangar_core.history.staging  # noqa: F401 - imported before the children are born
from hangar_core import Repository, files

from .mutations import mutated


def warm() -> None:
    """Nothing has to be computed for all children."""


def strike(
    directory: str, progress: str, step: str, words: list[Any], failpoint: str, count: int, mutation: str
) -> None:
    """Take a step, to be killed when it reaches a failpoint for the `count`-th time; perhaps with a mistake."""
    report = os.open(progress, os.O_WRONLY | os.O_APPEND)
    with mutated(mutation):
        files._armed, files._remaining = failpoint, count
        for _ in STEPS[step](Repository(directory), *words):
            os.write(report, b".")
        files._armed = ""


def _stage(repo: Repository, changes: list[Any]) -> Iterator[None]:
    with closing(repo.checkout(write=True)) as writer:
        for (arrayset, key), value in changes:
            target = writer.arraysets[arrayset] if arrayset else writer.metadata
            if value is not None:
                target[key] = np.array([value, value], "i4") if arrayset else str(value)
            elif key in target:
                del target[key]
            yield


def _whole(work: Callable[..., object]) -> Callable[..., Iterator[None]]:
    """Make a step of one part."""

    def step(repo: Repository, *words: Any) -> Iterator[None]:
        work(repo, *words)
        yield

    return step


STEPS: dict[str, Callable[..., Iterator[None]]] = {
    "stage": _stage,
    "commit": _whole(lambda repo: repo.commit("some")),
    "reset": _whole(lambda repo, target, hard: repo.reset(target, hard=hard)),
    "merge": _whole(lambda repo, branch, other: repo.merge("merge", branch, other)),
    "stash": _whole(lambda repo: repo.stashes.save()),
}
