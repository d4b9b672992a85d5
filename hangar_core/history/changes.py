"""What differs between the contents of two commits. Pure over records: no data are read, equal subtrees are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hangar_core.history import tree
from hangar_core.history.objects import Objects
from hangar_core.model import Arrayset, Digest, Root

# (key bytes, digest before or None, digest after or None)
KeyChange = tuple[bytes, Digest | None, Digest | None]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many keys were added, deleted and mutated."""

    added: int = 0
    deleted: int = 0
    mutated: int = 0

    @property
    def total(self) -> int:
        return self.added + self.deleted + self.mutated


class Changes:
    """The way from `old` to `new`. Arraysets are compared at once, samples and metadata when they are asked for."""

    def __init__(self, objects: Objects, old: Root, new: Root) -> None:
        self._objects = objects
        self.old = old
        self.new = new
        self._empty = tree.empty(objects)

    @property
    def arraysets(self) -> dict[str, tuple[Arrayset | None, Arrayset | None]]:
        """Arraysets that differ in anything, by name: what they were and what they are."""
        names = sorted(self.old.arraysets.keys() | self.new.arraysets.keys())
        pairs = {name: (self.old.arraysets.get(name), self.new.arraysets.get(name)) for name in names}
        return {name: (old, new) for name, (old, new) in pairs.items() if old != new}

    def schema_changes(self) -> dict[str, tuple[Arrayset | None, Arrayset | None]]:
        """Arraysets that were added, deleted, or changed in schema or options."""
        return {
            name: (old, new)
            for name, (old, new) in self.arraysets.items()
            if old is None or new is None or (old.schema, old.options) != (new.schema, new.options)
        }

    def samples(self, name: str) -> Iterator[KeyChange]:
        """Yield what differs in one arrayset, in order of keys; all samples of one that was added or deleted."""
        old, new = self.old.arraysets.get(name), self.new.arraysets.get(name)
        return tree.diff(self._objects, old.tree if old else self._empty, new.tree if new else self._empty)

    def metadata(self) -> Iterator[KeyChange]:
        """Yield what differs in the metadata, in order of keys."""
        return tree.diff(self._objects, self.old.metadata, self.new.metadata)

    def tally(self, name: str) -> Tally:
        """Count the changes of one arrayset by entries of its tree: by subsample where samples are nested.

        An arrayset that was added or deleted whole is not walked.
        """
        old, new = self.old.arraysets.get(name), self.new.arraysets.get(name)
        if old is None or new is None:
            added, deleted = (tree.count(self._objects, one.tree) if one else 0 for one in (new, old))
            return Tally(added, deleted)
        return tally(self.samples(name))

    @property
    def nothing(self) -> bool:
        """Whether both contents are equal."""
        return not self.arraysets and self.old.metadata == self.new.metadata


def tally(changes: Iterator[KeyChange]) -> Tally:
    """Count changes."""
    added = deleted = mutated = 0
    for _, before, after in changes:
        added += before is None
        deleted += after is None
        mutated += before is not None and after is not None
    return Tally(added, deleted, mutated)
