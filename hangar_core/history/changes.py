"""What differs between the contents of two commits. Pure over records: no data are read, equal subtrees are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hangar_core.history import short_cuts, tree, tree_edits
from hangar_core.history.identities import name_pairs
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


class ArraysetStep(NamedTuple):
    """What an arrayset was and what it is: None where there was or is none.

    `name` is the one it has now, or the last it had; `renamed_from` the one before, empty if that is the same.
    """

    name: str
    renamed_from: str
    old: Arrayset | None
    new: Arrayset | None

    @property
    def in_schema(self) -> bool:
        """Whether it was added, deleted, renamed, or changed in schema or options."""
        old, new = self.old, self.new
        if old is None or new is None or self.renamed_from:
            return True
        return (old.schema, old.options) != (new.schema, new.options)


class Changes:
    """The way from `old` to `new`. Arraysets are compared at once, samples and metadata when they are asked for."""

    def __init__(self, objects: Objects, old: Root, new: Root) -> None:
        self._objects = objects
        self.old = old
        self.new = new
        self._empty = tree_edits.empty(objects)

    @property
    def arraysets(self) -> list[ArraysetStep]:
        """Arraysets that differ in anything, their names included, in order of names."""
        found = []
        for before, after in name_pairs(self.old.arraysets, self.new.arraysets):
            old = self.old.arraysets[before] if before is not None else None
            new = self.new.arraysets[after] if after is not None else None
            renamed_from = before if before is not None and after is not None and before != after else ""
            if old != new or renamed_from:
                found.append(ArraysetStep(after or before or "", renamed_from, old, new))
        return found

    def samples(self, step: ArraysetStep) -> Iterator[KeyChange]:
        """Yield what differs in one arrayset, in order of keys; all samples of one that was added or deleted."""
        old, new = step.old, step.new
        return self._between(old.tree if old else self._empty, new.tree if new else self._empty)

    def metadata(self) -> Iterator[KeyChange]:
        """Yield what differs in the metadata, in order of keys."""
        return self._between(self.old.metadata, self.new.metadata)

    def _between(self, old: Digest, new: Digest) -> Iterator[KeyChange]:
        noted = short_cuts.between(self._objects, old, new)
        return tree.diff(self._objects, old, new) if noted is None else iter(noted)

    def tally(self, step: ArraysetStep) -> Tally:
        """Count the changes of one arrayset by entries of its tree: by subsample where samples are nested.

        An arrayset that was added or deleted whole is not walked.
        """
        if step.old is None or step.new is None:
            added, deleted = (tree.count(self._objects, one.tree) if one else 0 for one in (step.new, step.old))
            return Tally(added, deleted)
        return tally(self.samples(step))


def tally(changes: Iterator[KeyChange]) -> Tally:
    """Count changes."""
    added = deleted = mutated = 0
    for _, before, after in changes:
        added += before is None
        deleted += after is None
        mutated += before is not None and after is not None
    return Tally(added, deleted, mutated)
