"""The verbs that stage data under names: what the writer of an arrayset and of a nested sample have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from hangar_core.arraysets.mapping import MISSING, SampleMapping
from hangar_core.arraysets.pairs import ByName, items_of
from hangar_core.arraysets.session import WriteSession
from hangar_core.errors import SampleNotFound
from hangar_core.hashing.digests import ORIGINAL
from hangar_core.hashing.samples import payload_of
from hangar_core.model import Digest, SampleKey, Schema
from hangar_core.names import check_sample_key, made_up_name
from hangar_core.records.keys import encode_key, encode_keys

if TYPE_CHECKING:
    from hangar_core.backends.codecs import Compression
    from hangar_core.hashing.samples import Payload

K = TypeVar("K")


class SampleMappingWriter(SampleMapping):
    """The verbs that stage samples."""

    _session: WriteSession
    # A schema, and what makes payloads of arrays just as it says.
    _maker: tuple[Schema | None, Callable[[object], Payload | None]] = (None, lambda _: None)

    def _stage(self, changes: Collection[tuple[bytes, Digest | None]]) -> None:
        """Stage changes of encoded keys of this mapping: all of them or none."""
        raise NotImplementedError

    def check_name(self, name: SampleKey | None) -> SampleKey:
        """Return the name that a sample set under `name` has here, made up if need be. Raises `InvalidName`."""
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
        key = self.check_name(name)
        encoded = encode_key(key)
        payload = self._payload(data) or payload_of(self.checked(data))
        staging = self._session.staging
        with staging.lock:
            with staging.objects.snapshot():
                digest = self._session.store.put(payload, apart=self.is_apart, codec=self.codec)
                is_there = self._is_there(self._keys.get(encoded), digest)
            if not is_there:  # not under the snapshot: what is staged may be folded, which writes to the database
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
        return self._put_all(items_of(samples), self._encode_names)

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
            known = self._session.data.has_many({digest for _, digest in pairs})
            here = [pair for pair in pairs if pair[1] in known]
            keys = self._encode_names([name for name, _ in here])
            self.stage(zip(keys, (digest for _, digest in here), strict=True))
        return [name for name, digest in pairs if digest not in known]

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
    from hangar_core.hashing.array_payloads import payloads_of

    return payloads_of(schema.dtype, schema.shape)
