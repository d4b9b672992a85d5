"""Which sample names an import has given away already, in 32 to 64 bytes for each of them, whatever their length.

Numbers that count up are kept as the ends of their range, all other names in a table of 128-bit hashes with open
addressing, in one array of integers: a dict of a million paths would take ten times as much. Two of a billion names
have the same hash with a probability of 1 in 10**21, so nobody looks behind the hash.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence

from xxhash import xxh3_128_intdigest

from hangar_core.records.keys import INTEGER

_SMALLEST = 1 << 14
_LOW = (1 << 64) - 1


class TakenNames:
    """A set of names, by their hashes."""

    def __init__(self) -> None:
        self._slots = _SMALLEST
        self._table = _empty(self._slots)
        self._count = self._in_ranges = 0
        # First numbers and last ones, both in order: ranges do not overlap.
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._has_numbers = False

    def __len__(self) -> int:
        return self._count + self._in_ranges

    def add_many(self, names: Sequence[bytes], first: int | None) -> list[int]:
        """Enter names; return the places of those that were not free, each after the ones before it.

        `first` is the number that is the first of them if the others count up from it.
        """
        if first is not None and not self._has_numbers and self._enter_range(first, first + len(names) - 1):
            return []
        return [place for place, name in enumerate(names) if not self.add(name)]

    def _enter_range(self, first: int, last: int) -> bool:
        """Enter numbers that are all free, or none."""
        at = bisect_right(self._lasts, first - 1)
        if at < len(self._firsts) and self._firsts[at] <= last:
            return False
        self._in_ranges += last - first + 1
        if at and self._lasts[at - 1] == first - 1:
            self._lasts[at - 1] = last
        else:
            self._firsts.insert(at, first)
            self._lasts.insert(at, last)
        return True

    def _is_in_range(self, name: bytes) -> bool:
        number = int.from_bytes(name[1:], "big")
        at = bisect_right(self._firsts, number)
        return at > 0 and number <= self._lasts[at - 1]

    def add(self, name: bytes) -> bool:
        """Enter a name; return whether it was free."""
        if name[0] == INTEGER:
            self._has_numbers = True
            if self._firsts and self._is_in_range(name):
                return False
        mixed = xxh3_128_intdigest(name) or 1
        high, low = mixed >> 64, mixed & _LOW
        table, last = self._table, 2 * self._slots - 1
        at = 2 * low & last
        while table[at] or table[at + 1]:
            if table[at] == high and table[at + 1] == low:
                return False
            at = (at + 2) & last
        table[at] = high
        table[at + 1] = low
        self._count += 1
        if 2 * self._count > self._slots:
            self._grow()
        return True

    def _grow(self) -> None:
        old = self._table
        self._slots *= 2
        table = self._table = _empty(self._slots)
        last = 2 * self._slots - 1
        for place in range(0, len(old), 2):
            high, low = old[place], old[place + 1]
            if high or low:
                at = 2 * low & last
                while table[at] or table[at + 1]:
                    at = (at + 2) & last
                table[at] = high
                table[at + 1] = low


def _empty(slots: int) -> array[int]:
    return array("Q", bytes(16 * slots))
