"""Names and data: what an arrayset and a nested sample have in common. A writer is a reader that can also write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from hangar_core.arraysets.session import KeyView, ReadSession, WriteSession
from hangar_core.errors import DataMissing, InvalidInput, InvalidName, SampleNotFound
from hangar_core.hashing.digests import ORIGINAL
from hangar_core.hashing.samples import payload_of, size_of
from hangar_core.model import Digest, SampleKey, Schema
from hangar_core.names import check_sample_key, made_up_name
from hangar_core.records.keys import decode_key, encode_key, encode_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.codecs import Compression
    from hangar_core.hashing.samples import Payload

# By name: a mapping does not care which of the two kinds of names its keys are, but the type of its keys does.
ByName: TypeAlias = Mapping[str, Any] | Mapping[int, Any] | Mapping[SampleKey, Any]

K = TypeVar("K")
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
        encoded = [_encoded_or_none(name) for name in names]
        found = self._keys.get_many({key for key in encoded if key is not None})
        for name, key in zip(names, encoded, strict=True):
            if key is None or key not in found:
                raise self._not_found(name)
        return [found[key] for key in encoded if key is not None]

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


class SampleMappingWriter(SampleMapping):
    """The verbs that stage samples."""

    _session: WriteSession
    # A schema, and what makes payloads of arrays just as it says.
    _maker: tuple[Schema | None, Callable[[object], Payload | None]] = (None, lambda _: None)

    def _stage(self, changes: Collection[tuple[bytes, Digest | None]]) -> None:
        """Stage changes of encoded keys of this mapping: all of them or none."""
        raise NotImplementedError

    def _check_name(self, name: SampleKey | None) -> SampleKey:
        raise NotImplementedError

    @property
    def is_apart(self) -> bool:
        """Whether the commit is going to move the data to another backend than packs."""
        raise NotImplementedError

    @property
    def codec(self) -> Compression | None:
        """How packs are to hold the data; None means as they are."""
        raise NotImplementedError

    def checked(self, data: object) -> Any:
        """Return `data` if they can be stored here as they are. Raises `InvalidData`."""
        from hangar_core.storage.validation import check_fits

        return check_fits(self._schema, data)

    def __setitem__(self, key: SampleKey, value: Any) -> None:
        self.add(value, key)

    def add(self, data: Any, name: SampleKey | None = None) -> SampleKey:
        """Stage one sample and return its name; an arrayset without names makes one up.

        Setting what is there already changes nothing. Raises `InvalidName`, `InvalidData`, `StorageFailed`.
        """
        key = self._check_name(name)
        encoded = encode_key(key)
        payload = self._payload(data) or payload_of(self.checked(data))
        with self._session.staging.lock:
            digest = self._session.store.put(payload, apart=self.is_apart, codec=self.codec)
            if not self._is_there(self._keys.get(encoded), digest):
                self._stage(((encoded, digest),))
        return key

    def append(self, data: Any) -> SampleKey:
        """Stage one sample under a made-up name and return that. Raises as `add` does."""
        return self.add(data, made_up_name())

    def update(self, samples: ByName | Iterable[tuple[SampleKey, Any]]) -> int:
        """Stage many samples in few writes and return how many were new or changed.

        Layout and byte order are converted where nothing is lost. Everything is checked before it is staged, batch by
        batch; if one sample is refused, its batch is not staged. Raises as `add` does, `InvalidInput` for what is
        neither a mapping nor pairs.
        """
        return self._put_all(pairs_of(samples), self._encode_names)

    def _encode_names(self, names: Sequence[SampleKey]) -> list[bytes]:
        """Return the encoded keys of names as a user gives them. Raises `InvalidName`."""
        return encode_keys(names)

    def _payload(self, data: object) -> Payload | None:
        """Return what is stored of an array just as the schema says, and None of all else."""
        schema, make = self._maker
        if schema is not self._schema:
            schema = self._schema
            make = _maker_of(schema)
            self._maker = schema, make
        return make(data)

    def _put_all(self, samples: Iterable[tuple[K, object]], encode: Callable[[Sequence[K]], list[bytes]]) -> int:
        from hangar_core.arraysets.intake import take_in

        changed = 0
        for names, batch in take_in(samples, self._schema):
            keys = encode(names)
            with self._session.staging.lock:
                digests = self._session.store.put_batch(batch, apart=self.is_apart, codec=self.codec)
                changed += self.stage(zip(keys, digests, strict=True))
        return changed

    def stage(self, changes: Iterable[tuple[bytes, Digest]]) -> int:
        """Stage samples whose data are stored already, as (encoded key, digest); return how many differ from before."""
        wanted = dict(changes)
        before = self._keys.get_many(wanted)
        different = wanted
        if before:
            different = {key: one for key, one in wanted.items() if not self._is_there(before.get(key), one)}
        if different:
            self._stage(different.items())
        return len(different)

    def _is_there(self, before: Digest | None, digest: Digest) -> bool:
        """Whether data are what is there already, perhaps as a file that was kept and stands for the same array."""
        if before is None or before == digest or before[-1] != ORIGINAL:
            return before == digest
        from hangar_core.hashing.originals import decode_original

        stored = self._session.data.raw(before)
        return isinstance(stored, bytes) and decode_original(stored)[0].array == digest

    def attach(self, samples: Iterable[tuple[SampleKey, Digest]]) -> list[SampleKey]:
        """Stage samples by the digests of data that are stored here, and return the names of those that are not.

        Nothing is read or written but the record of each. Whether the data fit the schema is up to the caller, who has
        seen them here before. Raises `InvalidName`, `StorageFailed`.
        """
        pairs = list(samples)
        with self._session.staging.lock:
            known = [self._is_local(digest) for _, digest in pairs]
            here = [pair for pair, is_here in zip(pairs, known, strict=True) if is_here]
            keys = self._encode_names([name for name, _ in here])
            self.stage(zip(keys, (digest for _, digest in here), strict=True))
        return [name for (name, _), is_here in zip(pairs, known, strict=True) if not is_here]

    def __delitem__(self, key: SampleKey) -> None:
        self.remove(key)

    def remove(self, name: SampleKey) -> SampleKey:
        """Remove a sample; earlier commits keep it. Returns its name. Raises `SampleNotFound`."""
        with self._session.staging.lock:
            self.digest(name)
            key = check_sample_key(name)
            self._stage(((encode_key(key), None),))
        return key

    def pop(self, name: SampleKey, default: Any = MISSING) -> Any:
        """Remove a sample and return its data, or `default` if there is none. Raises `SampleNotFound` without one."""
        try:
            data = self._whole(name)
        except SampleNotFound:
            if default is MISSING:
                raise
            return default
        self.remove(name)
        return data

    def _whole(self, name: SampleKey) -> Any:
        return self[name]


@lru_cache(maxsize=128)
def _maker_of(schema: Schema) -> Callable[[object], Payload | None]:
    if schema.kind != "array" or schema.variable:
        return lambda _: None
    from hangar_core.hashing.arrays import payloads_of

    return payloads_of(schema.dtype, schema.shape)


def pairs_of(samples: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (key, value) of a mapping or of an iterable of pairs. Raises `InvalidInput` for anything else."""
    try:
        pairs = iter(samples.items() if hasattr(samples, "items") else samples)
    except TypeError as why:
        raise InvalidInput(f"A mapping or pairs (name, data) are needed, not {type(samples).__name__}.") from why
    for pair in pairs:
        try:
            key, value = pair
        except (TypeError, ValueError) as why:
            raise InvalidInput(f"Pairs (name, data) are needed, not {type(pair).__name__}.") from why
        yield key, value


def shown(key: object) -> str:
    """Return a key for a message."""
    text = str(key)
    return text if text.isprintable() else ascii(text)[1:-1]


def _encoded_or_none(key: object) -> bytes | None:
    """Return the bytes of a key, or None if nothing can have that name."""
    try:
        return encode_key(check_sample_key(key))
    except InvalidName:
        return None
