"""Which sample names an import has given away already, in 32 to 64 bytes for each of them, whatever their length.

A table of 128-bit hashes with open addressing, in one array of integers: a dict of a million paths would take ten times
as much. Two of a billion names have the same hash with a probability of 1 in 10**21, so nobody looks behind the hash.
"""

from __future__ import annotations

from array import array

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
