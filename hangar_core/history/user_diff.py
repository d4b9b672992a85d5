"""Diffs in the documented shape: named tuples of mappings, to be asked with `len`, `in`, iteration and equality."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hangar_core.hashing import digests
from hangar_core.history.changes import Changes as ContentChanges
from hangar_core.history.commits import root_of
from hangar_core.history.graph import ReadCommit, is_ancestor, merge_base
from hangar_core.history.merging import Conflict, KeyConflict, plan_merge
from hangar_core.history.objects import Objects
from hangar_core.model import Arrayset, CommitId, Digest, NestedKey, Root, SampleKey, Schema
from hangar_core.records.keys import decode_either, decode_key


class SampleRecord(NamedTuple):
    """Names one sample; of a nested arrayset one subsample, as (sample, subsample)."""

    aset_name: str
    data_name: SampleKey | NestedKey


class MetadataRecordKey(NamedTuple):
    """Names one piece of metadata; equal to the plain one-tuple of the name."""

    meta_name: SampleKey


class Changes(NamedTuple):
    """What changed, by kind: arrayset name -> schema, sample -> digest, metadata key -> digest (digests as text)."""

    schema: dict[str, Schema]
    samples: dict[SampleRecord, str]
    metadata: dict[MetadataRecordKey, str]


class Diff(NamedTuple):
    """The way from one content to another."""

    added: Changes
    deleted: Changes
    mutated: Changes


class Conflicts(NamedTuple):
    """What both sides changed differently; see `hangar_core.history.merging` for the types."""

    t1: Changes
    t21: Changes
    t22: Changes
    t3: Changes
    conflict: bool


class DiffAndConflicts(NamedTuple):
    """The answer of every diff of a checkout."""

    diff: Diff
    conflict: Conflicts


def diff_contents(objects: Objects, old: Root, new: Root) -> Diff:
    """Return what makes `new` out of `old`, collected: costs memory for each change."""
    found = Diff(_nothing(), _nothing(), _nothing())
    changes = ContentChanges(objects, old, new)
    for step in changes.arraysets:
        if step.in_schema:
            aset = step.new or step.old
            assert aset is not None
            _place(found, step.old, step.new).schema[step.name] = aset.schema
        for key, one, two in changes.samples(step):
            record = SampleRecord(step.name, decode_either(key))
            _place(found, one, two).samples[record] = digests.text(two or one or b"")
    for key, one, two in changes.metadata():
        _place(found, one, two).metadata[MetadataRecordKey(decode_key(key))] = digests.text(two or one or b"")
    return found


def conflicts_of(conflicts: Iterable[Conflict]) -> Conflicts:
    """Return conflicts by type; the digests are those of our side, or of theirs where ours has none."""
    found = {kind: _nothing() for kind in ("t1", "t21", "t22", "t3")}
    any_at_all = False
    for one in conflicts:
        any_at_all = True
        changes = found[one.kind]
        if not isinstance(one, KeyConflict):
            aset = one.ours or one.theirs
            assert aset is not None
            changes.schema[one.arrayset] = aset.schema
            continue
        value = digests.text(one.ours or one.theirs or b"")
        if one.arrayset:
            changes.samples[SampleRecord(one.arrayset, decode_either(one.key))] = value
        else:
            changes.metadata[MetadataRecordKey(decode_key(one.key))] = value
    return Conflicts(found["t1"], found["t21"], found["t22"], found["t3"], any_at_all)


def diff_sides(
    objects: Objects,
    read: ReadCommit,
    mine: tuple[CommitId | None, Root],
    theirs: tuple[CommitId, Root],
    *,
    dirty: bool = False,
) -> DiffAndConflicts:
    """Diff a checkout (`mine`: base commit and content) against a commit, in the documented direction.

    Whichever side is behind is the old one; of two that have diverged the argument is, and what could not be merged is
    listed. `dirty` says that the content holds more than its commit.
    """
    (head, content), (other, other_content) = mine, theirs
    if head is None or (not dirty and is_ancestor(head, other, read)):
        return DiffAndConflicts(diff_contents(objects, content, other_content), conflicts_of(()))
    if is_ancestor(other, head, read):
        return DiffAndConflicts(diff_contents(objects, other_content, content), conflicts_of(()))
    base = merge_base(head, other, read)
    plan = plan_merge(objects, root_of(objects, base), content, other_content)
    return DiffAndConflicts(diff_contents(objects, other_content, content), conflicts_of(plan.conflicts))


def _nothing() -> Changes:
    return Changes({}, {}, {})


def _place(found: Diff, before: Arrayset | Digest | None, after: Arrayset | Digest | None) -> Changes:
    if before is None:
        return found.added
    return found.deleted if after is None else found.mutated
