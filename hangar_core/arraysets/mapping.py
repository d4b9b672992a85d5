"""Names and data: what an arrayset and a nested sample have in common. A writer is a reader that can also write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from hangar_core.arraysets.session import ReadSession
from hangar_core.errors import DataMissing, InvalidName, SampleNotFound
from hangar_core.hashing.kinds import size_of
from hangar_core.model import Digest, SampleKey, Schema
from hangar_core.names import check_sample_key
from hangar_core.records.keys import decode_key, encode_key, encode_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.arraysets.key_views import KeyView

# Stands for "no default was given": every other value may be a default.
MISSING: Final = object()


# How far iteration reads ahead.
_MOST_AT_ONCE: Final = 512
_BYTES_AT_ONCE: Final = 4 << 20


class SampleMapping:
    """A mapping from names to data of one schema.

    Names are text or integers; ``'1'`` and ``1`` are different. What is read is a fresh array of one's own, text or
    bytes.
    """

    _session: ReadSession

    # What the kinds of mapping say of themselves.

    @property
    def _keys(self) -> KeyView:
        raise NotImplementedError

    @property
    def _schema(self) -> Schema:
        raise NotImplementedError

    def _not_found(self, name: object) -> SampleNotFound:
        raise NotImplementedError

    def _absent(self, name: object, why: DataMissing) -> DataMissing:
        """Return the error about a sample whose data are not here."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self._keys.count

    def __contains__(self, key: object) -> bool:
        encoded = _encoded_or_none(key)
        return encoded is not None and self._keys.get(encoded) is not None

    def __iter__(self) -> Iterator[SampleKey]:
        return self.keys()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, list):
            return self.read_many(key)
        try:
            return self._session.data.get(self.digest(key))
        except DataMissing as why:
            raise self._absent(key, why) from why

    def digest(self, name: Any) -> Digest:
        """Return the digest of a sample's data without reading them. Raises `SampleNotFound`."""
        encoded = _encoded_or_none(name)
        digest = None if encoded is None else self._keys.get(encoded)
        if digest is None:
            raise self._not_found(name)
        return digest

    def digests(self, names: Sequence[Any]) -> list[Digest]:
        """Return the digests of many samples at once. Raises `SampleNotFound` with the first that is not there."""
        encoded = _all_encoded(names)
        found = self._keys.get_many({key for key in encoded if key is not None})
        for name, key in zip(names, encoded, strict=True):
            if key is None or key not in found:
                raise self._not_found(name)
        return [found[key] for key in encoded if key is not None]

    def digest_items(self) -> Iterator[tuple[SampleKey, Digest]]:
        """Yield (name, digest of the data) in order of `keys`, without reading data."""
        return ((decode_key(key), digest) for key, digest in self._keys.items())

    def of_digests(self, digests: Sequence[Digest]) -> list[Any]:
        """Return data by digests that samples here have; fast where they lie side by side, as they were stored.

        Raises `DataMissing`, `CorruptDataError`.
        """
        return self._session.data.get_run(digests)

    def view(self, name: Any, *, again: bool = False) -> Any:
        """Return one sample, an array read-only; see `DataReader.view`. Raises `SampleNotFound`."""
        try:
            return self._session.data.view(self.digest(name), again=again)
        except DataMissing as why:
            raise self._absent(name, why) from why

    def fill(self, names: Sequence[Any], out: NDArray[Any]) -> None:
        """Copy arrays into the rows of `out`. Raises `SampleNotFound`."""
        self._session.data.read_into(self.digests(names), out)

    def read_many(self, names: Sequence[Any]) -> list[Any]:
        """Return many samples, found together and read in the order in which they lie. Raises `SampleNotFound`."""
        return self._session.data.get_many(self.digests(names))

    def keys(self, local: bool = False) -> Iterator[SampleKey]:
        """Yield the names, with `local` only of samples whose data are on this machine."""
        look = local and not self._session.all_local
        for key, digest in self._keys.items():
            if not look or self._is_local(digest):
                yield decode_key(key)

    def values(self, local: bool = False) -> Iterator[Any]:
        """Yield the data in order of `keys`."""
        return (sample for _, samples in self._read_ahead(local) for sample in samples)

    def items(self, local: bool = False) -> Iterator[tuple[SampleKey, Any]]:
        """Yield (name, data) in order of `keys`."""
        for keys, samples in self._read_ahead(local):
            for key, sample in zip(keys, samples, strict=True):
                yield decode_key(key), sample

    def _read_ahead(self, local: bool) -> Iterator[tuple[Sequence[bytes], list[Any]]]:
        """Yield (encoded keys, data), a bounded number at a time, in order of `keys`."""
        look = local and not self._session.all_local
        data = self._session.data
        entries = self._keys.items()
        size = 1  # the first sample must not wait for many others
        while batch := list(islice(entries, size)):
            if look:
                batch = [entry for entry in batch if self._is_local(entry[1])]
            keys, digests = zip(*batch, strict=True) if batch else ((), ())
            samples = data.get_run(digests)
            yield keys, samples
            largest = max(map(size_of, samples if self._schema.variable else samples[:1]), default=0)
            size = max(1, min(2 * size, _MOST_AT_ONCE, _BYTES_AT_ONCE // (largest + 1)))

    @property
    def contains_remote_references(self) -> bool:
        """Whether the data of some sample are not on this machine.

        Known at once unless the repository came without all of its data; then it takes a walk to the first such sample.
        """
        return not self._session.all_local and any(not self._is_local(digest) for _, digest in self._keys.items())

    @property
    def remote_reference_keys(self) -> list[SampleKey]:
        """Names of the samples whose data are not on this machine."""
        if self._session.all_local:
            return []
        return [decode_key(key) for key, digest in self._keys.items() if not self._is_local(digest)]

    def _is_local(self, digest: Digest) -> bool:
        return self._session.data.has(digest)


def shown(key: object) -> str:
    """Return a key for a message."""
    text = str(key)
    return text if text.isprintable() else ascii(text)[1:-1]


def _all_encoded(names: Sequence[object]) -> Sequence[bytes | None]:
    try:
        return encode_keys(names)  # type: ignore[arg-type]  # whatever is no name is refused there
    except InvalidName:
        return [_encoded_or_none(name) for name in names]


def _encoded_or_none(key: object) -> bytes | None:
    """Return the bytes of a key, or None if nothing can have that name."""
    try:
        return encode_key(check_sample_key(key))
    except InvalidName:
        return None
