"""Nested arraysets: each sample is a mapping of subsamples, reached through a handle of its own.

A sample without subsamples does not exist: it comes with its first one and goes with its last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from hangar_core.arraysets.cards import card
from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.mapping import SampleMapping, shown
from hangar_core.arraysets.mapping_writer import SampleMappingWriter
from hangar_core.arraysets.pairs import ByName, pairs_of
from hangar_core.arraysets.reader import ArraysetDataReader
from hangar_core.arraysets.session import KeysOfSample, WriteSession
from hangar_core.arraysets.writer import ArraysetDataWriter
from hangar_core.errors import DataMissing, InvalidData, InvalidInput, InvalidName, SampleNotFound
from hangar_core.model import Digest, NestedKey, SampleKey, Schema
from hangar_core.names import check_sample_key
from hangar_core.records.keys import decode_key, decode_nested, decode_prefix, encode_key, prefix_of
from hangar_core.storage.datastore import in_batches

if TYPE_CHECKING:
    from hangar_core.arraysets.key_views import KeyView, NestedKeyView
    from hangar_core.backends.codecs import Compression
    from hangar_core.hashing.kinds import Sample


class NestedArraysetReader(ArraysetDataReader):
    """A mapping from sample names to mappings from subsample names to data. `len` counts samples."""

    @property
    def _nested(self) -> NestedKeyView:
        return cast("NestedKeyView", self._keys)

    def __contains__(self, key: object) -> bool:
        try:
            prefix = prefix_of(check_sample_key(key))
        except InvalidName:
            return False
        return self._nested.count_under(prefix) > 0

    def __getitem__(self, key: SampleKey) -> SubsampleReader:
        if key not in self:
            raise self._not_found(key)
        return self._sample(check_sample_key(key))

    def _sample(self, key: SampleKey) -> SubsampleReader:
        return SubsampleReader(self, key)

    def digest(self, name: NestedKey) -> Digest:
        """Return the digest of the data of one subsample, named (sample, subsample). Raises `SampleNotFound`."""
        if not isinstance(name, tuple) or len(name) != 2:
            raise InvalidInput(f"Samples of `{self._name}` are mappings: name a subsample, as (sample, subsample).")
        sample, subsample = name
        return self[sample].digest(subsample)

    def digest_items(self) -> Iterator[tuple[NestedKey, Digest]]:  # type: ignore[override]
        """Yield ((sample, subsample), digest of the data) in order of `keys`, without reading data."""
        return ((decode_nested(key), digest) for key, digest in self._keys.items())

    def keys(self, local: bool = False) -> Iterator[SampleKey]:
        """Yield the names, with `local` only of samples all of whose data are on this machine."""
        look = local and not self._session.all_local
        for prefix in self._nested.prefixes():
            if not look or self._is_all_local(prefix):
                yield decode_prefix(prefix)

    def values(self, local: bool = False) -> Iterator[SubsampleReader]:
        """Yield the samples in order of `keys`."""
        return (self._sample(key) for key in self.keys(local))

    def items(self, local: bool = False) -> Iterator[tuple[SampleKey, SubsampleReader]]:
        """Yield (name, sample) in order of `keys`."""
        return ((key, self._sample(key)) for key in self.keys(local))

    @property
    def remote_reference_keys(self) -> list[SampleKey]:
        """Names of the samples of which some data are not on this machine."""
        if self._session.all_local:
            return []
        return [decode_prefix(prefix) for prefix in self._nested.prefixes() if not self._is_all_local(prefix)]

    def _is_all_local(self, prefix: bytes) -> bool:
        return all(self._is_local(digest) for _, digest in self._nested.under(prefix))


class SubsampleReader(SampleMapping):
    """One sample of a nested arrayset: a mapping from subsample names to data.

    ``sub[key]`` is one, ``sub[...]`` a dict of all, ``sub[a:b]`` a dict of those at these positions, counted in sorted
    order: integers by value, then text.
    """

    def __init__(self, aset: NestedArraysetReader, sample: SampleKey) -> None:
        self._aset = aset
        self._session = aset._session
        self._sample = sample
        self._prefix = prefix_of(sample)
        self._session.handles.add(self)

    @property
    def _keys(self) -> KeyView:
        return KeysOfSample(self._aset._nested, self._prefix)

    @property
    def _schema(self) -> Schema:
        return self._aset.schema

    @property
    def sample(self) -> SampleKey:
        """Name of the sample."""
        return self._sample

    @property
    def iswriteable(self) -> bool:
        """Whether subsamples can be added through this handle."""
        return self._aset.iswriteable

    def __getitem__(self, key: Any) -> Any:
        if key is Ellipsis:
            return dict(self.items())
        if isinstance(key, slice):
            return self._at(key)
        return super().__getitem__(key)

    def _at(self, positions: slice) -> dict[SampleKey, Any]:
        try:
            chosen = sorted(self._keys.items())[positions]
        except (TypeError, ValueError) as why:
            raise InvalidInput(f"A slice of subsamples counts positions, as in sub[0:10]: {why}.") from why
        return {decode_key(key): self._session.data.get(digest) for key, digest in chosen}

    def get(self, name: SampleKey, default: Any = None) -> Any:
        """Return one subsample, or `default` if there is none. Raises `DataMissing`, `CorruptDataError`."""
        try:
            return super().__getitem__(name)
        except SampleNotFound:
            return default

    def _not_found(self, name: object) -> SampleNotFound:
        message = f"HANGAR KEY ERROR: {shown(name)} not in sample {shown(self._sample)} of aset `{self._aset.name}`."
        return SampleNotFound(message, key=shown(name), arrayset=self._aset.name)

    def _absent(self, name: object, why: DataMissing) -> DataMissing:
        from hangar_core.arraysets.absent import absent

        return absent(why, self._session, self._aset.name, f"{self._sample}/{name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        from hangar_core.arraysets.reopening import reopen_sample

        return reopen_sample, (*self._aset.place(), self._sample, self._session.context.reopener)

    def __repr__(self) -> str:
        facts = {"Arrayset Name": self._aset.name, "Sample": shown(self._sample)}
        facts |= {"Access Mode": "a" if self.iswriteable else "r", "Number of Subsamples": str(len(self))}
        return card(type(self).__name__, facts)


class NestedArraysetWriter(NestedArraysetReader, ArraysetDataWriter):
    """``aset[sample] = {name: data, ...}`` sets these subsamples and keeps the others the sample has."""

    def _sample(self, key: SampleKey) -> SubsampleWriter:
        return SubsampleWriter(self, key)

    if TYPE_CHECKING:

        def __getitem__(self, key: SampleKey) -> SubsampleWriter: ...

    def checked(self, data: object) -> dict[SampleKey, Sample]:
        """Return the subsamples of a sample if all of them can be stored as they are. Raises `InvalidData`."""
        if not hasattr(data, "items"):
            raise InvalidData(
                f"`data` argument type: {type(data).__name__} is no mapping of subsamples.",
                hint="aset[sample] = {name: data, ...}, or aset[sample][name] = data",
            )
        check = super().checked
        found = {check_sample_key(key): check(value) for key, value in pairs_of(data)}
        if not found:
            raise InvalidData("A sample has at least one subsample.")
        return found

    def add(self, data: ByName, name: SampleKey | None = None) -> SampleKey:
        """Stage subsamples of one sample, all or none, and return the sample's name; an arrayset without names makes
        one up.

        Other subsamples of the sample stay. Raises `InvalidName`, `InvalidData`, `StorageFailed`.
        """
        key = self.check_name(name)
        subsamples = self.checked(data)
        prefix = prefix_of(key)
        rows: list[tuple[bytes, Digest]] = []
        with self._session.staging.lock:
            for batch in in_batches(subsamples.items()):
                samples = (sample for _, sample in batch)
                digests = self._session.store.put_many(samples, apart=self.is_apart, codec=self.codec)
                rows += ((prefix + encode_key(one), digest) for (one, _), digest in zip(batch, digests, strict=True))
            self.stage(rows)
        return key

    def update(self, samples: ByName | Iterable[tuple[SampleKey, Any]]) -> int:
        """Stage subsamples of many samples, ``{sample: {name: data}}``, and return how many were new or changed.

        Other subsamples of these samples stay. Checked, converted and staged batch by batch as in flat arraysets.
        """

        def rows() -> Iterator[tuple[bytes, object]]:
            for sample, subsamples in pairs_of(samples):
                prefix = prefix_of(self.check_name(sample))
                for key, value in pairs_of(subsamples):
                    yield prefix + encode_key(check_sample_key(key)), value

        return self._put_all(rows(), list)

    def remove(self, name: SampleKey) -> SampleKey:
        """Remove a sample with all its subsamples; earlier commits keep it. Raises `SampleNotFound`."""
        if name not in self:
            raise self._not_found(name)
        key = check_sample_key(name)
        self._stage([(subsample, None) for subsample, _ in self._nested.under(prefix_of(key))])
        return key

    def _whole(self, name: SampleKey) -> dict[SampleKey, Any]:
        return dict(self[name].items())


class SubsampleWriter(SampleMappingWriter, SubsampleReader):
    """One sample of a nested arrayset, for writing; setting its first subsample makes the sample."""

    _session: WriteSession

    def _stage(self, changes: Collection[tuple[bytes, Digest | None]]) -> None:
        prefix = self._prefix
        self._session.staging.stage_samples(self._aset.name, [(prefix + key, digest) for key, digest in changes])

    @property
    def is_apart(self) -> bool:
        return cast("NestedArraysetWriter", self._aset).is_apart

    @property
    def codec(self) -> Compression | None:
        return cast("NestedArraysetWriter", self._aset).codec

    def check_name(self, name: SampleKey | None) -> SampleKey:
        return check_sample_key(name)

    def __enter__(self) -> Self:
        self._entered_name = self._aset.name
        self._session.enter(self._entered_name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not is_closed(self):
            self._session.leave(self._entered_name)
        else:  # see `ArraysetDataWriter.__exit__`
            object.__getattribute__(self, "_session").forget(object.__getattribute__(self, "_entered_name"))
