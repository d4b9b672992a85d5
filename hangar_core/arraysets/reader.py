"""One arrayset, for reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from hangar_core.arraysets.mapping import MISSING, SampleMapping, shown
from hangar_core.arraysets.session import KeyView, ReadSession
from hangar_core.errors import CorruptRecord, SampleNotFound
from hangar_core.model import SampleKey, Schema

if TYPE_CHECKING:
    import numpy as np

DEFAULT_BACKEND: Final = "20"
BACKEND_OPTION: Final = "backend"
DESCRIPTION_OPTION: Final = "description"
TAGS_OPTION: Final = "tags"


class ArraysetDataReader(SampleMapping):
    """A mapping from sample names to data of one schema: arrays, text or bytes."""

    def __init__(self, session: ReadSession, name: str, schema: Schema, options: Mapping[str, str]) -> None:
        self._session = session
        self._name = name
        self._schema_read = schema
        self._options_read = options
        self._keys_read: KeyView | None = None
        session.handles.add(self)

    @classmethod
    def committed(
        cls, session: ReadSession, name: str, schema: Schema, options: Mapping[str, str], keys: KeyView
    ) -> Self:
        """Return a handle on the samples of a commit."""
        handle = cls(session, name, schema, options)
        handle._keys_read = keys
        return handle

    # What a writer replaces by what is staged.

    @property
    def _keys(self) -> KeyView:
        assert self._keys_read is not None
        return self._keys_read

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
        """Options of that backend."""
        return {}

    @property
    def iswriteable(self) -> bool:
        """Whether samples can be added through this handle."""
        return False

    # --- samples ----------------------------------------------------------------------------------------------------

    def get(self, name: SampleKey, default: Any = MISSING) -> Any:
        """Return the sample: a fresh array, text or bytes; if there is none, `default`.

        Raises `SampleNotFound` (a `KeyError`) when no default is given, `DataMissing` (a `FileNotFoundError`) when only
        a remote has its data, `CorruptDataError` when they are damaged.
        """
        try:
            return self[name]
        except SampleNotFound:
            if default is MISSING:
                raise
            return default

    def _not_found(self, name: object) -> SampleNotFound:
        return SampleNotFound(key=shown(name), arrayset=self._name)

    # --- with -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __repr__(self) -> str:
        schema = self._schema
        what = f"{'nested ' if schema.nested else ''}{'variable ' if schema.shape and schema.variable else ''}"
        size = f" {schema.shape}" if schema.kind == "array" else ""
        return f"{type(self).__name__}({self._name!r}: {len(self)} samples, {what}{schema.dtype}{size})"
