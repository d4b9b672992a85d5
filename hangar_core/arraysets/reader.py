"""One arrayset, for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hangar_core.arraysets.session import KeyView, ReadSession
from hangar_core.errors import InvalidName, SampleNotFound
from hangar_core.model import Digest, SampleKey, Schema
from hangar_core.names import check_sample_key
from hangar_core.records.keys import decode_key, encode_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_BACKEND = "20"
BACKEND_OPTION = "backend"


class ArraysetDataReader:
    """A mapping from sample names to arrays of one schema.

    Names are text or integers; ``'1'`` and ``1`` are different samples. What is read is a fresh array of one's own.
    """

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
        """What is recorded about the arrayset besides its schema: backend, where an import took it from."""
        return dict(self._options_read)

    # --- schema -----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the arrayset."""
        return self._name

    @property
    def dtype(self) -> np.dtype[Any]:
        """dtype of every sample, little-endian."""
        import numpy as np

        return np.dtype(self._schema.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every sample; with `variable_shape` the largest size of each dimension."""
        return self._schema.shape

    @property
    def schema(self) -> Schema:
        """dtype, shape and kind of names together."""
        return self._schema

    @property
    def variable_shape(self) -> bool:
        """Whether samples may be smaller than `shape`."""
        return self._schema.variable

    @property
    def named_samples(self) -> bool:
        """Whether the user names the samples."""
        return self._schema.named

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

    def __len__(self) -> int:
        return self._keys.count

    def __contains__(self, key: object) -> bool:
        encoded = _encoded(key)
        return encoded is not None and self._keys.get(encoded) is not None

    def __iter__(self) -> Iterator[SampleKey]:
        return self.keys()

    def __getitem__(self, key: SampleKey) -> NDArray[Any]:
        return self._session.data.get(self.digest(key))

    def get(self, name: SampleKey) -> NDArray[Any]:
        """Return the sample as a fresh array.

        Raises `SampleNotFound` (a `KeyError`), `DataMissing` (a `FileNotFoundError`) when only a remote has its data,
        `CorruptDataError` when they are damaged.
        """
        return self[name]

    def digest(self, name: SampleKey) -> Digest:
        """Return the digest of a sample's data without reading them. Raises `SampleNotFound`."""
        encoded = _encoded(name)
        digest = None if encoded is None else self._keys.get(encoded)
        if digest is None:
            raise SampleNotFound(key=_shown(name), arrayset=self._name)
        return digest

    def keys(self, local: bool = False) -> Iterator[SampleKey]:
        """Yield the names, with `local` only of samples whose data are on this machine."""
        for key, digest in self._keys.items():
            if not local or self._is_local(digest):
                yield decode_key(key)

    def values(self, local: bool = False) -> Iterator[NDArray[Any]]:
        """Yield the arrays in order of `keys`."""
        return (array for _, array in self.items(local))

    def items(self, local: bool = False) -> Iterator[tuple[SampleKey, NDArray[Any]]]:
        """Yield (name, array) in order of `keys`."""
        for key, digest in self._keys.items():
            if not local or self._is_local(digest):
                yield decode_key(key), self._session.data.get(digest)

    @property
    def contains_remote_references(self) -> bool:
        """Whether the data of some sample are not on this machine."""
        return any(not self._is_local(digest) for _, digest in self._keys.items())

    @property
    def remote_reference_keys(self) -> list[SampleKey]:
        """Names of the samples whose data are not on this machine."""
        return [decode_key(key) for key, digest in self._keys.items() if not self._is_local(digest)]

    def _is_local(self, digest: Digest) -> bool:
        return self._session.data.has(digest)

    # --- with -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __repr__(self) -> str:
        kind = "variable " if self.variable_shape else ""
        return f"{type(self).__name__}({self._name!r}: {len(self)} samples, {self.dtype} {kind}{self.shape})"


def _encoded(key: object) -> bytes | None:
    """Return the key's bytes, or None if nothing can have that name."""
    try:
        return encode_key(check_sample_key(key))
    except InvalidName:
        return None


def _shown(key: object) -> str:
    text = str(key)
    return text if text.isprintable() else ascii(text)[1:-1]
