"""All arraysets of a checkout: `co.arraysets`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.reader import BACKEND_OPTION, ArraysetDataReader
from hangar_core.arraysets.session import CommittedKeys, ReadSession, WriteSession
from hangar_core.arraysets.writer import ArraysetDataWriter, backend_code
from hangar_core.errors import AlreadyExists, ArraysetNotFound, InvalidInput, NotAllowed
from hangar_core.model import Root, SampleKey
from hangar_core.names import check_plain

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


class _Arraysets:
    """A mapping from names to arraysets, in order of names. Handles are made once and shared."""

    def __init__(self, session: ReadSession) -> None:
        self._shared = session
        self._made: dict[str, ArraysetDataReader] = {}
        session.handles.add(self)

    def _names(self) -> Sequence[str]:
        raise NotImplementedError

    def _make(self, name: str) -> ArraysetDataReader:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __getitem__(self, name: str) -> ArraysetDataReader:
        handle = self._made.get(name)
        if handle is None:
            if name not in self._names():
                raise ArraysetNotFound(name=name)
            handle = self._made[name] = self._make(name)
        return handle

    def get(self, name: str) -> ArraysetDataReader:
        """Return the arrayset. Raises `ArraysetNotFound` (a `KeyError`)."""
        return self[name]

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self._names())

    def values(self) -> Iterator[ArraysetDataReader]:
        """Yield the arraysets in order of names."""
        return (self[name] for name in self.keys())

    def items(self) -> Iterator[tuple[str, ArraysetDataReader]]:
        """Yield (name, arrayset) in order of names."""
        return ((name, self[name]) for name in self.keys())

    @property
    def contains_remote_references(self) -> dict[str, bool]:
        """Per arrayset, whether the data of some sample are not on this machine."""
        return {name: aset.contains_remote_references for name, aset in self.items()}

    @property
    def remote_sample_keys(self) -> dict[str, list[SampleKey]]:
        """Per arrayset, the samples whose data are not on this machine."""
        return {name: aset.remote_reference_keys for name, aset in self.items()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.keys()) or 'none'})"


class ArraysetsReader(_Arraysets):
    """The arraysets of a commit."""

    def __init__(self, session: ReadSession, root: Root) -> None:
        super().__init__(session)
        self._root = root
        self._sorted = sorted(root.arraysets)

    @property
    def iswriteable(self) -> bool:
        """Whether arraysets can be created here."""
        return False

    def _names(self) -> Sequence[str]:
        return self._sorted

    def _make(self, name: str) -> ArraysetDataReader:
        one = self._root.arraysets[name]
        keys = CommittedKeys(self._shared.objects, one.tree, one.count)
        return ArraysetDataReader.committed(self._shared, name, one.schema, one.options, keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Arraysets(_Arraysets):
    """The arraysets of the staging area; they can be created and removed."""

    if TYPE_CHECKING:  # `_make` sees to it; a generic base class could not be closed (its object layout differs)

        def __getitem__(self, name: str) -> ArraysetDataWriter: ...

        def get(self, name: str) -> ArraysetDataWriter: ...

        def values(self) -> Iterator[ArraysetDataWriter]: ...

        def items(self) -> Iterator[tuple[str, ArraysetDataWriter]]: ...

    def __init__(self, session: WriteSession) -> None:
        super().__init__(session)
        self._session = session
        self._entered: list[list[str]] = []

    @property
    def iswriteable(self) -> bool:
        """Whether arraysets can be created here."""
        return True

    def _names(self) -> Sequence[str]:
        return sorted(self._session.staging.overlay.arraysets)

    def _make(self, name: str) -> ArraysetDataWriter:
        return ArraysetDataWriter(self._session, name)

    def __setitem__(self, name: str, value: object) -> NoReturn:
        raise NotAllowed(
            f"Not allowed! To add a arrayset use `init_arrayset` (assigning to `{name}` would hide its schema)."
        )

    def __delitem__(self, name: str) -> None:
        self.remove_aset(name)

    def init_arrayset(
        self,
        name: str,
        shape: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
        prototype: NDArray[Any] | None = None,
        named_samples: bool = True,
        variable_shape: bool = False,
        *,
        backend_opts: str | Mapping[str, Any] | None = None,
    ) -> ArraysetDataWriter:
        """Create an arrayset and return it.

        `shape` is that of every sample (an int means one dimension, ``()`` a scalar), or with `variable_shape` the
        largest size of each dimension. Raises `InvalidName`, `InvalidInput`, `UnsupportedDtype`, `AlreadyExists` (a
        `LookupError`), `NotAllowed` inside a `with` block.
        """
        from hangar_core.storage.validation import make_schema

        self._refuse_inside_with("created")
        check_plain(name, "Arrayset")
        if name in self:
            raise AlreadyExists(kind="Arrayset", name=name)
        schema = make_schema(shape, dtype, prototype, named=named_samples, variable=variable_shape)
        options = {BACKEND_OPTION: backend_code(backend_opts)}
        self._session.staging.stage_arrayset(name, schema, options)
        return self[name]

    def remove_aset(self, name: str) -> str:
        """Remove an arrayset with all its samples and return its name; earlier commits keep it.

        Its handles are dead at once. Raises `ArraysetNotFound`, `NotAllowed` inside a `with` block.
        """
        self._refuse_inside_with("removed")
        if name not in self:
            raise ArraysetNotFound(f"Cannot remove: {name}. Key does not exist.", name=name)
        self._session.staging.remove_arrayset(name)
        handle = self._made.pop(name, None)
        if handle is not None:
            self._session.handles.close(handle)
        return name

    def close_removed(self) -> None:
        """Close the handles of arraysets that are gone: a merge may have removed some."""
        for name in [name for name in self._made if name not in self]:
            self._session.handles.close(self._made.pop(name))

    def multi_add(self, mapping: Mapping[str, NDArray[Any]]) -> str:
        """Add one sample to each of several un-named arraysets under one made-up name, and return that.

        Everything is checked before anything is staged. Raises `ArraysetNotFound`, `InvalidInput`, `InvalidData`.
        """
        from hangar_core.storage.validation import check_fits

        checked = []
        for name, data in mapping.items():
            aset = self[name]
            if aset.named_samples:
                raise InvalidInput(f"Samples of `{name}` have names of their own; multi_add makes names up.")
            checked.append((aset, check_fits(aset.schema, data)))
        key = uuid.uuid4().hex
        for aset, array in checked:
            aset.add(array, key)
        return key

    def _refuse_inside_with(self, verb: str) -> None:
        if self._session.any_entered:
            raise NotAllowed(f"No arrayset can be {verb} while one is inside its `with` block.")

    def __enter__(self) -> Self:
        # Entering the collection enters each arrayset, whichever there are now.
        self._entered.append(self.keys())
        for name in self._entered[-1]:
            self._session.enter(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not is_closed(self):
            for name in self._entered.pop():
                self._session.leave(name)
