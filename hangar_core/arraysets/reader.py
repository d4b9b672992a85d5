"""One arrayset, for reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from hangar_core.arraysets.mapping import MISSING, shown
from hangar_core.arraysets.remembering import RememberingMapping
from hangar_core.arraysets.session import ReadSession
from hangar_core.errors import CorruptRecord, DataMissing, InvalidInput, NotPicklable, SampleNotFound, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.schemas import schema_digest
from hangar_core.model import CommitId, SampleKey, Schema
from hangar_core.names import check_sample_key
from hangar_core.records.keys import encode_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hangar_core.arraysets.key_views import KeyView
    from hangar_core.arraysets.references import SampleRef
    from hangar_core.hashing.originals import Original
    from hangar_core.provenance import Provenance

DEFAULT_BACKEND: Final = "20"
BACKEND_OPTION: Final = "backend"
DESCRIPTION_OPTION: Final = "description"
TAGS_OPTION: Final = "tags"
_AT_ONCE: Final = 1024


class ArraysetDataReader(RememberingMapping):
    """A mapping from sample names to data of one schema: arrays, text or bytes."""

    def __init__(self, session: ReadSession, name: str, schema: Schema, options: Mapping[str, str]) -> None:
        super().__init__()
        self._session = session
        self._name = name
        self._schema_read = schema
        self._options_read = options
        self._keys_read: KeyView | None = None
        self._provenance_read: KeyView | None = None
        session.handles.add(self)

    @classmethod
    def committed(
        cls,
        session: ReadSession,
        name: str,
        schema: Schema,
        options: Mapping[str, str],
        keys: KeyView,
        provenance: KeyView | None = None,
    ) -> Self:
        """Return a handle on the samples of a commit; without `provenance` nobody knows where they came from."""
        handle = cls(session, name, schema, options)
        handle._keys_read = keys
        handle._provenance_read = provenance
        return handle

    # What a writer replaces by what is staged.

    @property
    def _keys(self) -> KeyView:
        assert self._keys_read is not None
        return self._keys_read

    @property
    def _provenance_keys(self) -> KeyView | None:
        return self._provenance_read

    @property
    def _schema(self) -> Schema:
        return self._schema_read

    @property
    def options(self) -> Mapping[str, str]:
        """What is recorded besides the schema: backend, description, tags, where an import took it from."""
        return dict(self._options_read)

    # --- schema -----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the arrayset."""
        return self._name

    @property
    def kind(self) -> str:
        """What each sample is: array, text or bytes."""
        return self._schema.kind

    @property
    def dtype(self) -> np.dtype[Any] | type[str] | type[bytes]:
        """dtype of every sample, little-endian; `str` or `bytes` where samples are no arrays.

        Raises `UnsupportedFormat` if the dtype needs a package that is not installed.
        """
        if self.kind != "array":
            return str if self.kind == "text" else bytes
        from hangar_core.hashing.arrays import numpy_dtype

        return numpy_dtype(self._schema.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every sample; with `variable_shape` the largest size of each dimension; empty for text and bytes."""
        return self._schema.shape

    @property
    def schema(self) -> Schema:
        """Kind, dtype, shape and kind of names together."""
        return self._schema

    @property
    def variable_shape(self) -> bool:
        """Whether samples may be smaller than `shape`; text and bytes may have any length."""
        return self._schema.variable

    @property
    def named_samples(self) -> bool:
        """Whether the user names the samples."""
        return self._schema.named

    @property
    def contains_subsamples(self) -> bool:
        """Whether each sample is a mapping of subsamples."""
        return self._schema.nested

    @property
    def description(self) -> str:
        """What the arrayset is, in the words of its users; empty if nobody said."""
        return self.options.get(DESCRIPTION_OPTION, "")

    @property
    def tags(self) -> tuple[str, ...]:
        """Words by which the arrayset can be found, in the order in which they were given. Raises `CorruptRecord`."""
        import json  # a reader of samples has no use for it

        recorded = self.options.get(TAGS_OPTION, "[]")
        try:
            tags = json.loads(recorded)
        except (ValueError, RecursionError) as why:  # the latter: endless brackets
            raise CorruptRecord(what=f"tags of arrayset `{self._name}`", reason=str(why)) from why
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise CorruptRecord(what=f"tags of arrayset `{self._name}`", reason="they are no list of texts")
        return tuple(tags)

    @property
    def backend(self) -> str:
        """Format code of the backend that new data go to."""
        return self.options.get(BACKEND_OPTION, DEFAULT_BACKEND)

    @property
    def backend_opts(self) -> dict[str, Any]:
        """Options of that backend, as they were given or by default. Raises `CorruptRecord`."""
        from hangar_core.backends.options import recorded

        return recorded(self.options)[1]

    @property
    def iswriteable(self) -> bool:
        """Whether samples can be added through this handle."""
        return False

    # --- samples ----------------------------------------------------------------------------------------------------

    def get(self, name: SampleKey, default: Any = MISSING, *, copy: bool = True, window: Any = None) -> Any:
        """Return the sample: a fresh array, text or bytes; if there is none, `default`.

        With `copy=False` an array is read-only, and where the backend allows it a view on the mapped file: as fast as
        memory, and verified all the same. `window`, a slice or a tuple of slices, gives a fresh array of that part; a
        sample is verified whole the first time, and from then on only the part is read. Raises `SampleNotFound` (a
        `KeyError`) when no default is given, `DataMissing` (a `FileNotFoundError`) when only a remote has its data,
        `CorruptDataError` when they are damaged, `InvalidInput` for a window that the sample does not have.
        """
        try:
            if copy and window is None:
                return self[name]
            from hangar_core.arraysets.parts import read_part

            return read_part(self, name, window, copy=copy)
        except SampleNotFound:
            if default is MISSING:
                raise
            return default

    def read_into(self, names: Iterable[SampleKey], out: NDArray[Any]) -> NDArray[Any]:
        """Fill `out`, of shape (number of names, *shape) and this dtype, with the samples of these names; return it.

        The samples are copied once, from where they lie to where they are wanted. Raises `SampleNotFound` before
        anything is read, `InvalidInput` if `out` does not fit or samples vary in shape, and as `get` does.
        """
        from hangar_core.arraysets.parts import read_into

        return read_into(self, list(names), out)

    def get_batch(
        self, names: SampleKey | Iterable[SampleKey], *, n_cpus: int | None = None, start_method: str = "spawn"
    ) -> Any:
        """Return the samples of these names as a list in their order; for one name, that sample alone.

        With `n_cpus` > 1 as many processes, started by `start_method`, read them side by side: worth it where decoding
        a sample costs more than sending it. A writer reads what it has staged itself. Raises `SampleNotFound` before
        anything is read, `InvalidInput`, `WorkersFailed`, and as `get` does.
        """
        from hangar_core.arraysets.batches import read_batch

        return read_batch(self, names, n_cpus, start_method)

    def reference(self, name: SampleKey) -> SampleRef:
        """Return what stands for one sample of a commit, by its digest and without its data; `read()` gives these.

        Raises `SampleNotFound`, `NotPicklable` for what is staged.
        """
        from hangar_core.arraysets.references import reference

        return reference(self, name)

    def __det_digest__(self) -> tuple[str, bytes] | None:
        """Return by what `det_hash` knows the arrayset: its schema and the root of its tree; None while changed."""
        root = self._keys.root
        return None if root is None else ("arrayset", schema_digest(self._schema) + root)

    def changed_since(self, content: bytes) -> set[SampleKey] | None:
        """Return the names under which other data lie than in an earlier content, or none in one of the two.

        `content` is what `__det_digest__` gave then. None if that is not known here, or while there are changes.
        """
        from hangar_core.arraysets.earlier import changed_since

        return changed_since(self, content)

    def original(self, name: SampleKey) -> tuple[Original, bytes] | None:
        """Return how the sample was decoded and the bytes of its file, if it is kept as it came; None if it is not.

        Needs no plugin. Raises `SampleNotFound`, and as `get` does.
        """
        digest = self.digest(name)
        from hangar_core.hashing.originals import decode_original, is_original

        if not is_original(digest):
            return None
        stored = self._session.data.raw(digest)
        assert isinstance(stored, bytes)
        return decode_original(stored)

    def original_files(self, names: Sequence[SampleKey]) -> Iterator[bytes]:
        """Yield the file of each of these samples in turn; all must be kept as they came.

        Needs no plugin, and holds one file at a time. Raises `SampleNotFound`, `InvalidInput` for a sample that is no
        file, and as `get` does.
        """
        from hangar_core.hashing.originals import file_in, is_original

        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            wanted = self.digests(some)
            for name, digest in zip(some, wanted, strict=True):
                if not is_original(digest):
                    raise InvalidInput(f"Sample `{shown(name)}` of `{self._name}` is not kept as a file.")
            for stored in self._session.data.raw_each(wanted):
                assert isinstance(stored, bytes)
                yield file_in(stored)

    def provenance(self, name: SampleKey) -> Provenance | None:
        """Return where the sample came from: which file, read by which plugin, and how; None if nobody knows.

        It is known of what an import has set and nobody has changed since. Raises `SampleNotFound`, `CorruptRecord`.
        """
        self.digest(name)
        from hangar_core.history.sources import Sources

        known = self._provenance_keys
        found = None if known is None else known.get(encode_key(check_sample_key(name)))
        return None if found is None else Sources(self._session.objects).provenance(found)

    def provenances(self, names: Iterable[SampleKey]) -> dict[SampleKey, Provenance]:
        """Return name -> where the sample came from, of those samples of which it is known; see `provenance`."""
        from hangar_core.history.sources import Sources

        known = self._provenance_keys
        if known is None or not known.count:
            return {}
        encoded = {encode_key(check_sample_key(name)): name for name in names}
        sources = Sources(self._session.objects)
        with self._session.objects.snapshot():
            return {encoded[key]: sources.provenance(one) for key, one in known.get_many(encoded).items()}

    def _not_found(self, name: object) -> SampleNotFound:
        return SampleNotFound(key=shown(name), arrayset=self._name)

    def _absent(self, name: object, why: DataMissing) -> DataMissing:
        from hangar_core.arraysets.absent import absent

        return absent(why, self._session, self._name, name)

    # --- in other processes -----------------------------------------------------------------------------------------

    def place(self) -> tuple[str, CommitId, str]:
        """Return where another process finds this arrayset. Raises `NotPicklable` for what is staged."""
        commit = self._session.commit
        if commit is None:
            raise NotPicklable(what=f"The writer of arrayset `{self._name}`")
        return str(self._session.context.directory), commit, self._name

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        from hangar_core.arraysets.reopening import reopen_arrayset

        return reopen_arrayset, (*self.place(), self._session.context.reopener)

    # --- with -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __repr__(self) -> str:
        from hangar_core.arraysets.cards import card

        schema = self._schema
        facts = {
            "Arrayset Name": self._name,
            "Schema Hash": digests.text(schema_digest(schema))[: digests.SHORT_SIZE],
            "Variable Shape": schema.variable,
            "(max) Shape": schema.shape,
            "Datatype": self._datatype(),
            "Named Samples": schema.named,
            **({"Subsamples": True} if schema.nested else {}),
            "Access Mode": "a" if self.iswriteable else "r",
            "Number of Samples": len(self),
            "Partial Remote Data Refs": self.contains_remote_references,
        }
        return card(type(self).__name__, facts)

    def _datatype(self) -> str:
        """Return the everyday name of the dtype, or the recorded one where its package is not installed."""
        try:
            dtype = self.dtype
        except UnsupportedFormat:
            return self._schema.dtype
        return dtype.__name__ if isinstance(dtype, type) else str(dtype)
