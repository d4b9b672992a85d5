"""Which sample names an import has given away already, in 32 to 64 bytes for each of them, whatever their length.

A table of 128-bit hashes with open addressing, in one array of integers: a dict of a million paths would take ten times
as much. Two of a billion names have the same hash with a probability of 1 in 10**21, so nobody looks behind the hash.
"""

from __future__ import annotations

from array import array
from itertools import repeat

from xxhash import xxh3_128_intdigest

_SMALLEST = 1 << 10
_LOW = (1 << 64) - 1


class TakenNames:
    """A set of names, by their hashes."""

    def __init__(self) -> None:
        self._slots = _SMALLEST
        self._table = _empty(self._slots)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, name: bytes) -> bool:
        """Enter a name; return whether it was free."""
        mixed = xxh3_128_intdigest(name) or 1
        if not self._enter(mixed >> 64, mixed & _LOW):
            return False
        self._count += 1
        if 2 * self._count > self._slots:
            self._grow()
        return True

    def __contains__(self, name: bytes) -> bool:
        mixed = xxh3_128_intdigest(name) or 1
        return self._find(mixed >> 64, mixed & _LOW) is None

    def _find(self, high: int, low: int) -> int | None:
        """Return where in the table there is room for a hash, or None if it is there."""
        table, mask = self._table, self._slots - 1
        at = low & mask
        while True:
            there = table[2 * at], table[2 * at + 1]
            if there == (0, 0):
                return at
            if there == (high, low):
                return None
            at = (at + 1) & mask

    def _enter(self, high: int, low: int) -> bool:
        at = self._find(high, low)
        if at is None:
            return False
        self._table[2 * at] = high
        self._table[2 * at + 1] = low
        return True

    def _grow(self) -> None:
        old = self._table
        self._slots *= 2
        self._table = _empty(self._slots)
        for at in range(0, len(old), 2):
            if old[at] or old[at + 1]:
                self._enter(old[at], old[at + 1])


def _empty(slots: int) -> array[int]:
    return array("Q", repeat(0, 2 * slots))
