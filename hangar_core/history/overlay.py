"""What is staged, in memory: the base commit's trees with the changes laid over them. Pure: no log, no data.

An overlay is exact at all times: setting a sample to what the base has already takes the change back, so that "clean"
means that a commit would record nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hangar_core.history import tree
from hangar_core.history.changes import tally
from hangar_core.history.key_overlay import KeyOverlay, overlay_of
from hangar_core.history.objects import Objects
from hangar_core.model import Arrayset, CommitId, Digest, Root, Schema
from hangar_core.reports import ArraysetChange, MergeState, Status

if TYPE_CHECKING:
    from hangar_core.history.merging import MergePlan


@dataclass(slots=True)
class StagedArrayset:
    """An arrayset of the staging area; `base` is the committed one whose samples it started with."""

    schema: Schema
    options: Mapping[str, str]
    base: Arrayset | None
    samples: KeyOverlay

    @property
    def changed(self) -> bool:
        if self.base is None or self.samples.changes or self.samples.base != self.base.tree:
            return True
        return self.base.schema != self.schema or self.base.options != self.options


class Overlay:
    """All that is staged over one base commit."""

    def __init__(self, objects: Objects, root: Root) -> None:
        self._objects = objects
        self.root = root
        self.arraysets: dict[str, StagedArrayset] = {
            name: StagedArrayset(one.schema, one.options, one, _samples_of(objects, one))
            for name, one in root.arraysets.items()
        }
        self.metadata = KeyOverlay(objects, root.metadata, root.metadata_count)
        self.merging: MergeState | None = None
        self.resolved: set[tuple[str, bytes]] = set()

    def put_arrayset(self, name: str, schema: Schema, options: Mapping[str, str]) -> None:
        """Create an arrayset without samples, or change schema and options of the one that is there."""
        there = self.arraysets.get(name)
        if there is not None:
            there.schema, there.options = schema, dict(options)
            return
        samples = overlay_of(self._objects, self.empty, 0, is_nested=schema.nested)
        self.arraysets[name] = StagedArrayset(schema, dict(options), None, samples)

    def adopt_arrayset(self, name: str, aset: Arrayset) -> None:
        """Take over an arrayset of another commit in place of what is there."""
        samples = _samples_of(self._objects, aset)
        self.arraysets[name] = StagedArrayset(aset.schema, aset.options, self.root.arraysets.get(name), samples)

    def remove_arrayset(self, name: str) -> None:
        del self.arraysets[name]

    def lay(self, plan: MergePlan) -> None:
        """Carry out a merge plan, conflicts aside."""
        for name, aset in plan.adopt.items():
            self.adopt_arrayset(name, aset)
        for name in plan.remove:
            self.remove_arrayset(name)
        for name, (schema, options) in plan.define.items():
            self.put_arrayset(name, schema, options)
        for name, changes in plan.samples.items():
            for key, digest in changes:
                self.arraysets[name].samples.set(key, digest)
        for key, digest in plan.metadata:
            self.metadata.set(key, digest)

    @property
    def empty(self) -> Digest:
        return tree.empty(self._objects)

    def content(self) -> Root:
        """Return what a commit would contain; changed trees are held in `Objects`."""
        arraysets = {}
        for name, staged in self.arraysets.items():
            if staged.base is not None and not staged.changed:
                arraysets[name] = staged.base
            else:
                samples = staged.samples
                arraysets[name] = Arrayset(staged.schema, samples.tree(), samples.count, staged.options)
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
        for name in sorted(self.root.arraysets.keys() | self.arraysets.keys()):
            change = self._arrayset_change(name)
            if change is not None:
                changes.append(change)
        added, deleted, mutated = self.metadata.tallies()
        return Status(branch, base, tuple(changes), added, deleted, mutated, self.merging)

    def _arrayset_change(self, name: str) -> ArraysetChange | None:
        before, now = self.root.arraysets.get(name), self.arraysets.get(name)
        if now is None:
            assert before is not None
            return ArraysetChange(name, before.schema, before.options, "deleted", deleted=self._entries(before))
        added, deleted, mutated = now.samples.tallies()
        if before is None or now.base is None:
            added = now.samples.entries  # all of them, an adopted tree included
        elif now.samples.base != before.tree:
            changed = tally(tree.diff(self._objects, before.tree, now.samples.tree()))
            added, deleted, mutated = changed.added, changed.deleted, changed.mutated
        if before is None:
            return ArraysetChange(name, now.schema, now.options, "added", added, deleted, mutated)
        if now.base is None:  # removed and created anew under the same name: the old samples are gone
            return ArraysetChange(name, now.schema, now.options, "mutated", added, self._entries(before), mutated)
        if not now.changed:
            return None
        same = before.schema == now.schema and before.options == now.options
        return ArraysetChange(name, now.schema, now.options, "same" if same else "mutated", added, deleted, mutated)

    def _entries(self, aset: Arrayset) -> int:
        return tree.count(self._objects, aset.tree)


def _samples_of(objects: Objects, aset: Arrayset) -> KeyOverlay:
    return overlay_of(objects, aset.tree, aset.count, is_nested=aset.schema.nested)
