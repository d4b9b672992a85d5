"""What is staged, in memory: the base commit's trees with the changes laid over them. Pure: no log, no data.

An overlay is exact at all times: setting a sample to what the base has already takes the change back, so that "clean"
means that a commit would record nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hangar_core.history import tree, tree_edits
from hangar_core.history.arrivals import MOST
from hangar_core.history.changes import tally
from hangar_core.history.identities import called, identity_of, name_pairs
from hangar_core.history.key_overlay import KeyOverlay, overlay_of
from hangar_core.history.objects import Objects
from hangar_core.model import Arrayset, CommitId, Digest, Root, Schema
from hangar_core.reports import ArraysetChange, MergeState, Status

if TYPE_CHECKING:
    from hangar_core.history.merging import MergePlan


@dataclass(slots=True)
class StagedArrayset:
    """An arrayset of the staging area; `base` is the committed one whose samples it started with.

    `provenance` says where samples came from. A sample that is set or removed comes from nowhere until somebody says.
    """

    schema: Schema
    options: Mapping[str, str]
    base: Arrayset | None
    samples: KeyOverlay
    provenance: KeyOverlay

    @property
    def changed(self) -> bool:
        base = self.base
        if base is None or self.samples.changes or self.samples.base != base.tree or self.provenance.changes:
            return True
        if self.provenance.base_count and self.provenance.base != base.provenance:
            return True
        return base.schema != self.schema or base.options != self.options

    def set_samples(self, keys: Sequence[bytes], digests: Sequence[Digest | None]) -> None:
        """Set samples or, with None, remove them."""
        self.samples.set_many(keys, digests)
        if self.provenance.count:
            self.provenance.set_many(keys, [None] * len(keys))

    @property
    def is_folded(self) -> bool:
        """Whether the samples lie over another tree than the committed one."""
        return bool(self.samples.base_count) and (self.base is None or self.samples.base != self.base.tree)

    @property
    def pending(self) -> int:
        """How many changes folding would take out of memory: none of provenance when none is left."""
        return len(self.samples.changes) + (len(self.provenance.changes) if self.provenance.count else 0)

    def whole(self) -> Arrayset:
        """Return the arrayset as it is now; its trees, with all changes in them, are held in `Objects`."""
        return Arrayset(self.schema, self.samples.tree(), self.samples.count, self.options, self.provenance_tree())

    def provenance_tree(self) -> Digest | None:
        """Return the root of the tree of provenance, held in `Objects`; None if there is none."""
        return self.provenance.tree() if self.provenance.count else None


class Overlay:
    """All that is staged over one base commit."""

    def __init__(self, objects: Objects, root: Root, before: Overlay | None = None) -> None:
        """`before` is the overlay of the same session in whose place this one comes."""
        self._objects = objects
        self.root = root
        self.arraysets: dict[str, StagedArrayset] = {
            name: StagedArrayset(one.schema, one.options, one, _samples_of(objects, one), _provenance_of(objects, one))
            for name, one in root.arraysets.items()
        }
        self.metadata = KeyOverlay(objects, root.metadata, root.metadata_count)
        self.merging: MergeState | None = None
        self.resolved: set[tuple[str, bytes]] = set()
        # How many keys the session has changed and committed.
        self._settled = 0
        if before is not None:
            self._follow(before)

    def _follow(self, before: Overlay) -> None:
        """List keys in the order in which they came, unless there have been too many to remember that."""
        self._settled = before._settled + len(before.metadata.changes)
        self._settled += sum(len(one.samples.changes) for one in before.arraysets.values())
        if self._settled <= MOST:
            self.metadata.follow(before.metadata)
            for name in self.arraysets.keys() & before.arraysets.keys():
                self.arraysets[name].samples.follow(before.arraysets[name].samples)

    @property
    def objects(self) -> Objects:
        """The records behind it."""
        return self._objects

    def put_arrayset(self, name: str, schema: Schema, options: Mapping[str, str]) -> None:
        """Create an arrayset without samples, or change schema and options of the one that is there."""
        there = self.arraysets.get(name)
        if there is not None:
            there.schema, there.options = schema, dict(options)
            return
        samples = overlay_of(self._objects, self.empty, 0, is_nested=schema.nested)
        nothing = KeyOverlay(self._objects, self.empty, 0)
        self.arraysets[name] = StagedArrayset(schema, dict(options), None, samples, nothing)

    def adopt_arrayset(self, name: str, aset: Arrayset) -> None:
        """Take over an arrayset of another commit in place of what is there."""
        samples = _samples_of(self._objects, aset)
        base, provenance = self.root.arraysets.get(name), _provenance_of(self._objects, aset)
        self.arraysets[name] = StagedArrayset(aset.schema, aset.options, base, samples, provenance)

    def adopt_provenance(self, name: str, tree: Digest) -> None:
        """Take over what is known of the samples of an arrayset that was adopted."""
        self.arraysets[name].provenance = _provenance_at(self._objects, tree)

    def fold(self, name: str, whole: Arrayset) -> None:
        """Lay what further changes are staged of an arrayset over its trees as it `whole` has them.

        What is in these is listed in order of keys from then on: what came in which order may be gone by now.
        """
        staged = self.arraysets[name]
        self._settled += len(staged.samples.changes)
        staged.samples = _samples_of(self._objects, whole)
        if whole.provenance is not None:
            staged.provenance = _provenance_of(self._objects, whole)

    def remove_arrayset(self, name: str) -> None:
        del self.arraysets[name]

    def rename_arraysets(self, names: Mapping[str, str]) -> None:
        """Give arraysets other names, old -> new, all at once: they may change names with each other."""
        moved = {old: self.arraysets.pop(old) for old in names}
        for old, staged in moved.items():
            new = names[old]
            options = called(staged.options, identity_of(old, staged.options), new)
            self.arraysets[new] = replace(staged, options=options, base=self.root.arraysets.get(new))

    def lay(self, plan: MergePlan) -> None:
        """Carry out a merge plan, conflicts aside."""
        for name in plan.remove:
            self.remove_arrayset(name)
        self.rename_arraysets(plan.rename)
        for name, aset in plan.adopt.items():
            self.adopt_arrayset(name, aset)
        for name, (schema, options) in plan.define.items():
            self.put_arrayset(name, schema, options)
        for name, changes in plan.samples.items():
            self.arraysets[name].set_samples([key for key, _ in changes], [digest for _, digest in changes])
        for name, known in plan.provenance.items():
            self.arraysets[name].provenance.set_many(list(known), list(known.values()))
        for key, digest in plan.metadata:
            self.metadata.set(key, digest)

    @property
    def empty(self) -> Digest:
        return tree_edits.empty(self._objects)

    def content(self) -> Root:
        """Return what a commit would contain; changed trees are held in `Objects`."""
        arraysets = {}
        for name, staged in self.arraysets.items():
            if staged.base is not None and not staged.changed:
                arraysets[name] = staged.base
            else:
                arraysets[name] = staged.whole()
        return Root(arraysets, self.metadata.tree(), self.metadata.count)

    @property
    def clean(self) -> bool:
        """Whether nothing is staged and no merge is in progress."""
        if self.merging is not None or self.metadata.changes or self.arraysets.keys() != self.root.arraysets.keys():
            return False
        return not any(staged.changed for staged in self.arraysets.values())

    def status(self, branch: str, base: CommitId | None) -> Status:
        """Return what is staged, arrayset by arrayset."""
        changes = []
        for old, new in name_pairs(self.root.arraysets, self.arraysets):
            change = self._arrayset_change(old, new)
            if change is not None:
                changes.append(change)
        added, deleted, mutated = self.metadata.tallies()
        return Status(branch, base, tuple(changes), added, deleted, mutated, self.merging)

    def _arrayset_change(self, old: str | None, new: str | None) -> ArraysetChange | None:
        """Return what became of an arrayset that has one name in the base commit and one that is staged."""
        before = self.root.arraysets[old] if old is not None else None
        if new is None:
            assert before is not None
            assert old is not None
            return ArraysetChange(old, before.schema, before.options, "deleted", deleted=self._entries(before))
        now = self.arraysets[new]
        if before is None:
            return ArraysetChange(new, now.schema, now.options, "added", now.samples.entries)
        if old == new and not now.changed:
            return None
        if now.samples.base == before.tree:
            added, deleted, mutated = now.samples.tallies()
        elif now.base is None and not now.samples.base_count:  # removed and created anew: the old samples are gone
            added, deleted, mutated = now.samples.entries, self._entries(before), 0
        else:
            changed = tally(tree.diff(self._objects, before.tree, now.samples.tree()))
            added, deleted, mutated = changed.added, changed.deleted, changed.mutated
        same = now.base is not None and (before.schema, before.options) == (now.schema, now.options)
        renamed_from = old if old is not None and old != new else ""
        state = "same" if same else "mutated"
        return ArraysetChange(new, now.schema, now.options, state, added, deleted, mutated, renamed_from)

    def _entries(self, aset: Arrayset) -> int:
        return tree.count(self._objects, aset.tree)


def _samples_of(objects: Objects, aset: Arrayset) -> KeyOverlay:
    return overlay_of(objects, aset.tree, aset.count, is_nested=aset.schema.nested)


def _provenance_of(objects: Objects, aset: Arrayset) -> KeyOverlay:
    return _provenance_at(objects, aset.provenance)


def _provenance_at(objects: Objects, root: Digest | None) -> KeyOverlay:
    if root is None:
        return KeyOverlay(objects, tree_edits.empty(objects), 0)
    return KeyOverlay(objects, root, tree.count(objects, root))
