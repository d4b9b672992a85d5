"""Campaigns that try every moment, or every call, in turns: the first in each run, the others with the slow tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import pytest

T = TypeVar("T")


class Turn(NamedTuple):
    """Every `of`-th, from the one of that number on."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number + 1} of {self.of}"

    def share(self, every: Iterable[T]) -> Iterator[T]:
        """Yield those whose turn it is."""
        return (one for number, one in enumerate(every) if number % self.of == self.number)


ALL_AT_ONCE = Turn(0, 1)


def in_turns(of: int) -> pytest.MarkDecorator:
    """Give a test the argument `turn`; all turns together try everything."""
    turns = [
        pytest.param(Turn(number, of), marks=[pytest.mark.slow] * (number > 0), id=f"{number + 1} of {of}")
        for number in range(of)
    ]
    return pytest.mark.parametrize("turn", turns)
