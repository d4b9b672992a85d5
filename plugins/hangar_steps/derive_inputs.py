"""The inputs of a derivation as columns: what each sample is known by, found without data, and the samples themselves.

A sample is known by the digest of its data, one that is a mapping by the deterministic hash of its names and digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import ArraysetNotFound
from hangar_core.hashing import det_hash
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.hashing.kinds import size_of
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.model import SampleKey

_HASH_SIZE: Final = 44
# How far the inputs are read ahead of the function.
_MOST_AHEAD: Final = 512
_BYTES_AHEAD: Final = 16 << 20


class Column:
    """One input, opened at a commit. Samples come in order of names."""

    def __init__(self, reader: Any, name: str) -> None:
        """Raises `ArraysetNotFound`."""
        if name not in reader.arraysets:
            raise ArraysetNotFound(name=name)
        self._aset = reader.arraysets[name]
        self._nested = bool(self._aset.contains_subsamples)
        self._varies = self._aset.schema.variable
        self.mark_size = _HASH_SIZE if self._nested else DIGEST_SIZE

    @property
    def content(self) -> str:
        """What the whole of it is known by."""
        known: bytes = self._aset.__det_digest__()[1]
        return known.hex()

    def changed_since(self, content: str) -> set[SampleKey] | None:
        """Return the names of samples that are not as they were at an earlier `content`; None if that is not known."""
        try:
            changed: set[SampleKey] | None = self._aset.changed_since(bytes.fromhex(content))
        except ValueError:
            return None
        return changed

    def marks(self) -> Iterator[tuple[SampleKey, bytes]]:
        """Yield (name, what the sample is known by); reads no data."""
        if not self._nested:
            yield from self._aset.digest_items()
            return
        for name, group in groupby(self._aset.digest_items(), lambda item: item[0][0]):
            inner = [(key[1], digest) for key, digest in group]
            yield name, det_hash(([key for key, _ in inner], b"".join(digest for _, digest in inner))).encode()

    def read(self, names: Sequence[SampleKey], marks: Sequence[bytes]) -> list[Any]:
        """Return samples by what they are known by; mappings as dicts. Raises `DataMissing`, `CorruptDataError`."""
        if self._nested:
            return [self._aset[name][...] for name in names]
        samples: list[Any] = self._aset.of_digests([Digest(mark) for mark in marks])
        return samples

    def largest(self, samples: Sequence[Any]) -> int:
        """Return the size of the largest of these samples, in bytes."""
        if self._nested:
            return max(sum(map(size_of, sample.values())) for sample in samples)
        return max(map(size_of, samples if self._varies else samples[:1]))


def joined(columns: Sequence[Column]) -> Iterator[tuple[SampleKey, bytes]]:
    """Yield (name, what its samples are known by, one behind the other) of the names that all columns have."""
    first, *others = columns
    if not others:
        return first.marks()
    found = [dict(column.marks()) for column in others]
    return (
        (name, b"".join([mark, *(one[name] for one in found)]))
        for name, mark in first.marks()
        if all(name in one for one in found)
    )


def read_rows(
    columns: Sequence[Column], samples: Iterator[tuple[SampleKey, bytes]]
) -> Iterator[tuple[SampleKey, bytes, tuple[Any, ...]]]:
    """Yield (name, what it is known by, its sample of each column); a bounded number of bytes is in memory."""
    size = 1  # the first must not wait for many others
    while some := list(islice(samples, size)):
        names = [name for name, _ in some]
        start, read = 0, []
        for column in columns:
            end = start + column.mark_size
            read.append(column.read(names, [source[start:end] for _, source in some]))
            start = end
        for (name, source), *row in zip(some, *read, strict=True):
            yield name, source, tuple(row)
        largest = sum(column.largest(samples) for column, samples in zip(columns, read, strict=True))
        size = max(1, min(2 * size, _MOST_AHEAD, _BYTES_AHEAD // (largest + 1)))
