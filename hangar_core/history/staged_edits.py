"""What can be staged: each verb writes one record of the log, whole or not at all, and lays it over the base."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Final, cast

from hangar_core.errors import ArraysetNotFound, StorageFailed
from hangar_core.hashing import digests
from hangar_core.history.commits import read_root
from hangar_core.history.guarding import place_of, refuse_changes, refuse_unknown
from hangar_core.history.identities import called, identity_of, names_of, new_identity
from hangar_core.history.merging import Conflict, MergePlan
from hangar_core.history.overlay import StagedArrayset
from hangar_core.history.replaying import lay_over, lay_over_metadata
from hangar_core.history.staging_opening import OpenStaging, in_turn
from hangar_core.model import Arrayset, Digest, Schema
from hangar_core.records import merging as merge_records
from hangar_core.records import provenance_log
from hangar_core.records import staging as records
from hangar_core.records.keys import decode_key
from hangar_core.reports import MergeState
from hangar_core.storage.layout import ORIGINALS, PROVENANCE

# So many changes of an arrayset are held in memory, some 280 bytes for each. Folding leaves free pages in the database,
# whose list small commits write again, and takes time: only an import, which holds more of each sample, does it soon.
MOST_STAGED: Final = 1 << 20
MOST_IMPORTED: Final = 1 << 17


class StagedEdits(OpenStaging):
    """Staging samples, arraysets, metadata, imports and merges. Data reach their pack before the log names them."""

    @in_turn
    def stage_samples(self, arrayset: str, changes: Collection[tuple[bytes, Digest | None]]) -> None:
        """Set samples to data that `self.data` holds or, with None, remove them: one record, whole or not at all.

        What is in conflict is decided by that. Raises `ArraysetNotFound`, `MergePending`.
        """
        self._check_owner()
        staged = self._staged(arrayset)
        merging = self.overlay.merging is not None
        if merging and (decided := self._decided_by_hand(arrayset, (key for key, _ in changes))):
            self._stage_together([self._samples(arrayset, changes), *decided])
            return
        if len(changes) == 1:
            ((key, digest),) = changes
            location = b"" if digest is None else self.data.staged.get(digest, b"")
            self._log.append(records.SAMPLES, records.encode_sample(arrayset, key, digest, location))
            self.data.keep()
            if staged.provenance.count:
                staged.set_samples([key], [digest])
            else:
                staged.samples.set(key, digest)
            if len(staged.samples.changes) >= MOST_STAGED:
                self._fold_if_many([arrayset], MOST_STAGED)
            return
        keys, named = [key for key, _ in changes], [digest for _, digest in changes]
        self._log.append(records.SAMPLES, self._columns(arrayset, keys, named))
        self.data.keep()
        staged.set_samples(keys, named)
        self._fold_if_many([arrayset], MOST_STAGED)

    @in_turn
    def stage_arrayset(self, name: str, schema: Schema, options: Mapping[str, str]) -> None:
        """Create an arrayset, or change the schema and options of one. Raises `MergePending`."""
        self._check_owner()
        self._refuse_to_define(name, schema)
        options = self._identified(name, options)
        self._log.append(records.ARRAYSET, records.encode_arrayset(name, schema, options))
        self.overlay.put_arrayset(name, schema, options)

    @in_turn
    def remove_arrayset(self, name: str) -> None:
        """Remove an arrayset with all its samples. Raises `ArraysetNotFound`, `MergePending`."""
        self._check_owner()
        self._staged(name)
        self._conflicts.refuse(self.overlay, self.branch, name, f"removing arrayset `{name}`")
        self._log.append(records.REMOVE, records.encode_remove(name))
        self.overlay.remove_arrayset(name)

    @in_turn
    def rename_arrayset(self, old: str, new: str) -> None:
        """Give an arrayset a name that is free; the tree it is based on is taken over, changes are staged anew on it.

        Raises `ArraysetNotFound`, `MergePending`.
        """
        self._check_owner()
        staged = self._staged(old)
        if self.overlay.merging is not None:  # its conflicts are kept by name
            refuse_changes(self.overlay, self.branch, f"renaming arrayset `{old}`")
        identity = identity_of(old, staged.options)
        if identity not in names_of(self.overlay.root.arraysets):  # nobody knows it under another name
            identity = new_identity(new, names_of(self.overlay.arraysets))
        options = called(staged.options, identity, new)
        self._stage_together([(records.REMOVE, records.encode_remove(old)), *self._anew(new, staged, options)])
        self.overlay.arraysets[new].samples.take_order(staged.samples)

    def _identified(self, name: str, options: Mapping[str, str]) -> Mapping[str, str]:
        """Return options that say which arrayset it is: that of this name which is there, or a new one."""
        there = self.overlay.arraysets.get(name)
        if there is not None:
            return called(options, identity_of(name, there.options), name)
        taken = set(names_of(self.overlay.arraysets))
        if self.overlay.merging is not None:  # what is decided later may bring these
            state = self.overlay.merging
            taken.update(*(names_of(read_root(self.objects, one).arraysets) for one in (state.base, state.theirs)))
        return called(options, new_identity(name, taken), name)

    def _anew(self, name: str, staged: StagedArrayset, options: Mapping[str, str]) -> list[tuple[int, bytes]]:
        """Return what stages an arrayset under a name that is free: its base is taken over, its changes follow."""
        samples = staged.samples
        if samples.base_count:
            based = Arrayset(staged.schema, samples.base, samples.base_count, options)
            first = merge_records.ADOPT, merge_records.encode_adopt(name, based)
        else:
            first = records.ARRAYSET, records.encode_arrayset(name, staged.schema, options)
        known = self._known(name, staged)
        return [first, self._samples(name, samples.edits()), *known]

    def _known(self, name: str, staged: StagedArrayset) -> list[tuple[int, bytes]]:
        """Return what stages, for an arrayset of that name, all that is known of where samples came from."""
        tree = staged.provenance_tree()
        if tree is None:
            return []
        with self._context.tables.write() as batch:
            self.objects.flush(batch)  # data first: the log may name nothing that is not there
        return [(provenance_log.PROVENANCE_TREE, provenance_log.encode_provenance_tree(name, tree))]

    @in_turn
    def stage_metadata(self, key: bytes, value: str | None) -> None:
        """Set or, with None, remove a piece of metadata. What is in conflict is decided by that."""
        self._check_owner()
        decode_key(key)
        operation = records.METADATA, records.encode_metadata(key, value)
        if decided := self._decided_by_hand("", [key]):
            self._stage_together([operation, *decided])
            return
        self._log.append(*operation)
        lay_over_metadata(self.overlay, self.objects, key, value)

    @in_turn
    def stage_import(
        self,
        arrayset: str,
        created: tuple[Schema, Mapping[str, str]] | None,
        changes: Sequence[tuple[bytes, Digest | None]],
    ) -> None:
        """Stage many samples, and with `created` the arrayset they go to, as one record: all of it or nothing.

        What is in conflict is decided by that. Raises `ArraysetNotFound`, `MergePending`.
        """
        self.stage_imports({} if created is None else {arrayset: created}, {arrayset: changes})

    @in_turn
    def stage_imports(
        self,
        defined: Mapping[str, tuple[Schema, Mapping[str, str]]],
        changes: Mapping[str, Sequence[tuple[bytes, Digest | None]]],
        provenance: Mapping[str, Mapping[bytes, Digest]] | None = None,
    ) -> None:
        """Stage samples of several arraysets as one record: all of it or nothing.

        Those `defined` are created, or get another schema or other options. `provenance` says where samples came from,
        in records that `hold_provenance` was given. What is in conflict is decided by that. Raises `ArraysetNotFound`,
        `MergePending`.
        """
        self._check_owner()
        group: list[tuple[int, bytes]] = []
        for name, (schema, options) in defined.items():
            self._refuse_to_define(name, schema)
            options = self._identified(name, options)
            group.append((records.ARRAYSET, records.encode_arrayset(name, schema, options)))
        group += [self._samples(name, rows) for name, rows in changes.items()]
        for name, known in (provenance or {}).items():
            group.append((provenance_log.PROVENANCE, provenance_log.encode_provenance(name, known)))
        for name, rows in changes.items():
            group += self._decided_by_hand(name, (key for key, _ in rows))
        self._stage_together(group)
        self._fold_if_many(changes, MOST_IMPORTED)

    def _fold_if_many(self, arraysets: Iterable[str], most: int) -> None:
        """Fold those of the arraysets that have so many changes that these take much memory.

        Their trees go to the database, which no commit need ever name, and then the log says that the arrayset is taken
        over with them. Where its data lie the log has said before.
        """
        overlay = self.overlay
        for name in arraysets:
            if overlay.merging is None and overlay.arraysets[name].pending >= most and self._may_fold:
                try:
                    self._fold(name)
                except StorageFailed:  # the changes are in the log one by one, and stay in memory
                    self._may_fold = False

    def _fold(self, name: str) -> None:
        """Put what is staged of an arrayset into trees. Raises `StorageFailed`, with everything as it was."""
        # What was held before stays: the commit needs it, however this ends.
        with self.objects.trial():
            whole = self.overlay.arraysets[name].whole()
            with self._context.tables.write() as batch:
                self.objects.flush(batch)
        group = [(merge_records.ADOPT, merge_records.encode_adopt(name, whole))]
        if whole.provenance is not None:
            known = provenance_log.encode_provenance_tree(name, whole.provenance)
            group.append((provenance_log.PROVENANCE_TREE, known))
        self._log.append(records.GROUP, records.encode_group(group))
        self.overlay.fold(name, whole)  # last of all: nothing may name a tree that is not in the database

    def require_originals(self) -> None:
        """Have everybody who opens the repository know of files that are kept as they are; before the first of them."""
        self._context.layout.require(ORIGINALS)

    @in_turn
    def hold_provenance(self, found: Collection[bytes]) -> list[Digest]:
        """Store records of where samples came from, durably, and return their digests.

        They go to the database before the log names them: in the log they would have to be read at each opening, and
        in memory until the commit. What no commit names in the end is garbage.
        """
        self._check_owner()
        named = [digests.compute(digests.PROVENANCE, one) for one in found]
        self._context.layout.require(PROVENANCE)
        with self._context.tables.write() as batch:
            batch.put_many("nodes", zip(named, found, strict=True))
        return named

    def _staged(self, arrayset: str) -> StagedArrayset:
        staged = self.overlay.arraysets.get(arrayset)
        if staged is None:
            raise ArraysetNotFound(name=arrayset)
        return staged

    def _decided_by_hand(self, arrayset: str, keys: Iterable[bytes]) -> list[tuple[int, bytes]]:
        """Return what marks conflicts as resolved whose samples (or metadata) are being set to a value of one's own.

        Raises `MergePending` while the arrayset is in conflict itself: its decision takes or leaves it as a whole.
        """
        if self.overlay.merging is None:
            return []
        if arrayset:
            what = f"changing samples of arrayset `{arrayset}`"
            self._conflicts.refuse(self.overlay, self.branch, arrayset, what, itself=True)
        places = self._conflicts.among(self.overlay, arrayset, keys)
        return [(merge_records.RESOLVED, merge_records.encode_resolved(*place)) for place in places]

    def _refuse_to_define(self, name: str, schema: Schema) -> None:
        """Raise `MergePending` if open conflicts stand against that schema of an arrayset."""
        there = self.overlay.arraysets.get(name)
        what = f"{'creating' if there is None else 'changing'} arrayset `{name}`"
        same = there is not None and there.schema == schema  # only options change
        self._conflicts.refuse(self.overlay, self.branch, name, what, itself=same)

    def _samples(self, arrayset: str, changes: Collection[tuple[bytes, Digest | None]]) -> tuple[int, bytes]:
        keys, named = [key for key, _ in changes], [digest for _, digest in changes]
        return records.SAMPLES, self._columns(arrayset, keys, named)

    def _columns(self, arrayset: str, keys: Sequence[bytes], named: Sequence[Digest | None]) -> bytes:
        found = self.data.staged.get_many([digest for digest in named if digest is not None])
        places = cast("Mapping[Digest | None, bytes]", found)  # in which there is no None
        locations = list(map(places.get, named, repeat(b"")))
        return records.encode_columns(arrayset, keys, named, locations)

    def _stage_together(self, operations: Sequence[tuple[int, bytes]]) -> None:
        """Write operations as one record, of which a crash leaves all or nothing, and lay them over.

        Raises `ArraysetNotFound`, having written nothing.
        """
        if operations:
            refuse_unknown(self.overlay.arraysets, operations)
            payload = records.encode_group(operations)
            self._log.append(records.GROUP, payload)
            self.data.keep()
            lay_over(self.overlay, self.objects, records.GROUP, payload)

    # --- merging ----------------------------------------------------------------------------------------------------

    @in_turn
    def begin_merge(self, state: MergeState, plan: MergePlan) -> None:
        """Stage what a plan decides and keep its conflicts: the merge stays in progress until they are resolved."""
        self._check_owner()
        self._stage_together([(merge_records.MERGE, merge_records.encode_merge(state)), *self._operations(plan)])

    @in_turn
    def stage_plan(self, plan: MergePlan, resolved: Iterable[Conflict] = ()) -> None:
        """Stage what a plan decides, and say which conflicts are `resolved` by that."""
        self._check_owner()
        decided = [merge_records.encode_resolved(*place_of(one)) for one in resolved]
        self._stage_together([*self._operations(plan), *((merge_records.RESOLVED, one) for one in decided)])

    def _operations(self, plan: MergePlan) -> list[tuple[int, bytes]]:
        found = [(records.REMOVE, records.encode_remove(name)) for name in (*plan.remove, *plan.rename)]
        for old, new in plan.rename.items():
            if new not in plan.adopt:
                staged = self._staged(old)
                found += self._anew(new, staged, called(staged.options, identity_of(old, staged.options), new))
        for name, aset in plan.adopt.items():
            found.append((merge_records.ADOPT, merge_records.encode_adopt(name, aset)))
            if aset.provenance is not None:
                tree = provenance_log.encode_provenance_tree(name, aset.provenance)
                found.append((provenance_log.PROVENANCE_TREE, tree))
        found += [(records.ARRAYSET, records.encode_arrayset(name, *what)) for name, what in plan.define.items()]
        found += [self._samples(name, changes) for name, changes in plan.samples.items()]
        for name, known in plan.provenance.items():
            found.append((provenance_log.PROVENANCE, provenance_log.encode_provenance(name, known)))
        for key, digest in plan.metadata:
            text = None if digest is None else self.objects.get_text(digest)
            found.append((records.METADATA, records.encode_metadata(key, text)))
        return found

    def conflicts(self) -> list[Conflict]:
        """Return the conflicts of the merge in progress that are not resolved yet."""
        return self._conflicts.of(self.overlay)
