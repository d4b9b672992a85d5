"""All arraysets of a commit: `co.arraysets`. Those of the staging area are in `staged_collection`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

from hangar_core.arraysets.mapping import MISSING
from hangar_core.arraysets.reader import ArraysetDataReader
from hangar_core.arraysets.session import CommittedKeys, CommittedNestedKeys, ReadSession
from hangar_core.errors import ArraysetNotFound, NotPicklable
from hangar_core.model import Root, SampleKey, Schema


class ArraysetCollection:
    """A mapping from names to arraysets, in order of names. Handles are made once and shared."""

    def __init__(self, session: ReadSession) -> None:
        self._shared = session
        self._made: dict[str, ArraysetDataReader] = {}
        session.handles.add(self)

    def _names(self) -> Sequence[str]:
        raise NotImplementedError

    def _schema(self, name: str) -> Schema | None:
        """Return the schema of an arrayset, or None if there is none of that name."""
        raise NotImplementedError

    def _make(self, name: str) -> ArraysetDataReader:
        raise NotImplementedError

    @property
    def iswriteable(self) -> bool:
        """Whether arraysets can be created here."""
        return False

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._schema(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __getitem__(self, name: str) -> ArraysetDataReader:
        if name not in self:
            raise ArraysetNotFound(name=name)
        handle = self._made.get(name)
        if handle is None:
            handle = self._made[name] = self._make(name)
        return handle

    def _forget(self, name: str) -> None:
        """Close the handle of an arrayset that is not what it was."""
        handle = self._made.pop(name, None)
        if handle is not None:
            self._shared.handles.close(handle)

    def get(self, name: str, default: Any = MISSING) -> Any:
        """Return the arrayset; if there is none, `default`. Raises `ArraysetNotFound` (a `KeyError`) without one."""
        try:
            return self[name]
        except ArraysetNotFound:
            if default is MISSING:
                raise
            return default

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

    def __reduce__(self) -> NoReturn:
        raise NotPicklable(what="A collection of arraysets")

    def __repr__(self) -> str:
        from hangar_core.arraysets.cards import card

        names = (f"{name} / {partial}" for name, partial in self.contains_remote_references.items())
        return card("Arraysets", {"Writeable": self.iswriteable}, "Arrayset Names / Partial Remote References", names)


class ArraysetsReader(ArraysetCollection):
    """The arraysets of a commit."""

    def __init__(self, session: ReadSession, root: Root) -> None:
        super().__init__(session)
        self._root = root
        self._sorted = sorted(root.arraysets)

    def _names(self) -> Sequence[str]:
        return self._sorted

    def _schema(self, name: str) -> Schema | None:
        one = self._root.arraysets.get(name)
        return None if one is None else one.schema

    def _make(self, name: str) -> ArraysetDataReader:
        one = self._root.arraysets[name]
        if not one.schema.nested:
            objects = self._shared.objects
            keys = CommittedKeys(objects, one.tree, one.count)
            known = None if one.provenance is None else CommittedKeys(objects, one.provenance, one.count)
            return ArraysetDataReader.committed(self._shared, name, one.schema, one.options, keys, known)
        from hangar_core.arraysets.subsamples import NestedArraysetReader

        nested = CommittedNestedKeys(self._shared.objects, one.tree, one.count)
        return NestedArraysetReader.committed(self._shared, name, one.schema, one.options, nested)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
