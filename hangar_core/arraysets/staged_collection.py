"""All arraysets of the staging area: `co.arraysets` of a writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.collection import ArraysetCollection
from hangar_core.arraysets.pairs import pairs_of
from hangar_core.arraysets.session import WriteSession
from hangar_core.arraysets.subsamples import NestedArraysetReader, NestedArraysetWriter
from hangar_core.arraysets.writer import ArraysetDataWriter
from hangar_core.backends.options import choose
from hangar_core.errors import AlreadyExists, ArraysetNotFound, InvalidInput, NotAllowed
from hangar_core.model import Schema
from hangar_core.names import check_plain, made_up_name

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


class Arraysets(ArraysetCollection):
    """The arraysets of the staging area; they can be created and removed."""

    if TYPE_CHECKING:  # `_make` sees to it; a generic base class could not be closed (its object layout differs)

        def __getitem__(self, name: str) -> ArraysetDataWriter: ...

        def values(self) -> Iterator[ArraysetDataWriter]: ...

        def items(self) -> Iterator[tuple[str, ArraysetDataWriter]]: ...

    def __init__(self, session: WriteSession) -> None:
        super().__init__(session)
        self._session = session
        self._entered: list[list[str]] = []

    @property
    def iswriteable(self) -> bool:
        return True

    def _names(self) -> Sequence[str]:
        return sorted(self._session.staging.overlay.arraysets)

    def _schema(self, name: str) -> Schema | None:
        staged = self._session.staging.overlay.arraysets.get(name)
        return None if staged is None else staged.schema

    def _make(self, name: str) -> ArraysetDataWriter:
        schema = self._schema(name)
        assert schema is not None
        return (NestedArraysetWriter if schema.nested else ArraysetDataWriter)(self._session, name, self)

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
        contains_subsamples: bool = False,
    ) -> ArraysetDataWriter:
        """Create an arrayset of arrays and return it.

        `shape` is that of every sample (an int means one dimension, ``()`` a scalar), or with `variable_shape` the
        largest size of each dimension. With `contains_subsamples` a sample is a mapping of such arrays. Raises
        `InvalidName`, `InvalidInput`, `UnsupportedDtype`, `AlreadyExists` (a `LookupError`), `NotAllowed` inside a
        `with` block.
        """
        from hangar_core.storage.validation import make_schema

        self._check_new(name)
        schema = make_schema(
            shape, dtype, prototype, named=named_samples, variable=variable_shape, nested=contains_subsamples
        )
        return self._create(name, schema, backend_opts)

    def init_str_arrayset(
        self,
        name: str,
        *,
        named_samples: bool = True,
        contains_subsamples: bool = False,
        backend_opts: str | Mapping[str, Any] | None = None,
    ) -> ArraysetDataWriter:
        """Create an arrayset of text, any Unicode of any length, and return it. Raises as `init_arrayset` does."""
        self._check_new(name)
        return self._create(name, _schema_of("text", named_samples, contains_subsamples), backend_opts)

    def init_bytes_arrayset(
        self,
        name: str,
        *,
        named_samples: bool = True,
        contains_subsamples: bool = False,
        backend_opts: str | Mapping[str, Any] | None = None,
    ) -> ArraysetDataWriter:
        """Create an arrayset of byte strings of any length and return it. Raises as `init_arrayset` does."""
        self._check_new(name)
        return self._create(name, _schema_of("bytes", named_samples, contains_subsamples), backend_opts)

    def _check_new(self, name: str) -> None:
        self._refuse_inside_with("created")
        check_plain(name, "Arrayset")
        if name in self:
            raise AlreadyExists(kind="Arrayset", name=name)

    def _create(self, name: str, schema: Schema, backend_opts: str | Mapping[str, Any] | None) -> ArraysetDataWriter:
        self._session.staging.stage_arrayset(name, schema, choose(backend_opts, schema))
        return self[name]

    def rename(self, old: str, new: str) -> ArraysetDataWriter:
        """Give an arrayset another name and return its new handle; the old ones are dead at once.

        Samples are taken over as they are, and merges, diffs and histories know it for the same arrayset. Raises
        `ArraysetNotFound`, `InvalidName`, `AlreadyExists`, `NotAllowed` inside a `with` block, `MergePending` while a
        merge is in progress.
        """
        self._refuse_inside_with("renamed")
        check_plain(new, "Arrayset")
        if old not in self:
            raise ArraysetNotFound(name=old)
        if new in self:
            raise AlreadyExists(kind="Arrayset", name=new)
        self._session.staging.rename_arrayset(old, new)
        self._forget(old)
        return self[new]

    def remove_aset(self, name: str) -> str:
        """Remove an arrayset with all its samples and return its name; earlier commits keep it.

        Its handles are dead at once. Raises `ArraysetNotFound`, `NotAllowed` inside a `with` block.
        """
        self._refuse_inside_with("removed")
        if name not in self:
            raise ArraysetNotFound(f"Cannot remove: {name}. Key does not exist.", name=name, hint="")
        self._session.staging.remove_arrayset(name)
        self._forget(name)
        return name

    def close_removed(self) -> None:
        """Close the handles of arraysets that are gone or of another kind now: a merge may have changed them."""
        for name, handle in list(self._made.items()):
            schema = self._schema(name)
            if schema is None or isinstance(handle, NestedArraysetReader) != schema.nested:
                self._forget(name)

    def multi_add(self, mapping: Mapping[str, Any]) -> str:
        """Add one sample to each of several un-named arraysets under one made-up name, and return that.

        Everything is checked before anything is staged. Raises `ArraysetNotFound`, `InvalidInput`, `InvalidData`.
        """
        checked = []
        for name, data in pairs_of(mapping):
            aset = self[name]
            if aset.named_samples:
                raise InvalidInput(f"Samples of `{name}` have names of their own; multi_add makes names up.")
            checked.append((aset, aset.checked(data)))
        key = made_up_name()
        for aset, sample in checked:
            aset.add(sample, key)
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


def _schema_of(kind: str, named: bool, nested: bool) -> Schema:
    """Return the schema of samples that are no arrays."""
    return Schema(kind, (), variable=True, named=named, kind=kind, nested=nested)
