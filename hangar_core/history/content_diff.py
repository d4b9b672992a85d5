"""Differences between commits for people and scripts: rows, statistics, and the life of one sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from hangar_core.errors import InvalidInput
from hangar_core.hashing import digests
from hangar_core.history import tree
from hangar_core.history.changes import ArraysetStep, Changes, Tally, tally
from hangar_core.history.commits import root_of
from hangar_core.history.identities import names_of
from hangar_core.history.objects import Objects
from hangar_core.history.sizes import ByteTally, Sizes, size_of_each
from hangar_core.model import Digest, NestedKey, Root, SampleKey, Schema
from hangar_core.records.keys import decode_either, encode_either
from hangar_core.reports import LogEntry, SampleEvent


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One difference. `what` is schema, sample or metadata; `kind` added, deleted or mutated; digests as text.

    The key of a nested arrayset is (sample, subsample). Of a schema the two schemas are given instead of digests; equal
    ones mean that options of the arrayset changed, or its name: `renamed_from` is the one it had, empty if that is the
    same.
    """

    what: str
    kind: str
    arrayset: str
    key: SampleKey | NestedKey | None
    old: str
    new: str
    old_schema: Schema | None = None
    new_schema: Schema | None = None
    renamed_from: str = ""


@dataclass(frozen=True, slots=True)
class ArraysetStatistics:
    """How one arrayset differs. `state` is added, deleted, mutated (schema, options or name) or same.

    `renamed_from` is the name it had, empty if that is the same.
    """

    name: str
    state: str
    samples: Tally
    measure: Callable[[], ByteTally] = field(repr=False, compare=False)
    renamed_from: str = ""

    def bytes(self) -> ByteTally:
        """Return how many bytes of data were added and removed, a mutated sample counting for both.

        Found now: where samples may differ in size, by looking where each lies. None stands for sizes that are not
        known on this machine.
        """
        return self.measure()


@dataclass(frozen=True, slots=True)
class DiffStatistics:
    """How two contents differ, arrayset by arrayset."""

    arraysets: tuple[ArraysetStatistics, ...]
    metadata: Tally


class ContentDiff:
    """The way from one content to another; rows are found while they are asked for."""

    def __init__(self, objects: Objects, old: Root, new: Root, sizes: Sizes) -> None:
        self._objects = objects
        self._sizes = sizes
        self._changes = Changes(objects, old, new)

    @property
    def arraysets(self) -> frozenset[str]:
        """Names of the arraysets of either content, whether they differ or not."""
        return frozenset(self._changes.old.arraysets.keys() | self._changes.new.arraysets.keys())

    def statistics(self) -> DiffStatistics:
        """Return the counts per arrayset; arraysets that do not differ are not listed."""
        with self._objects.snapshot():
            return self._statistics()

    def _statistics(self) -> DiffStatistics:
        changes = self._changes
        rows = []
        for step in changes.arraysets:
            counts = changes.tally(step)
            state = _kind(step.old, step.new) if step.in_schema else "same"
            measure = partial(self._bytes, step, counts)
            rows.append(ArraysetStatistics(step.name, state, counts, measure, step.renamed_from))
        return DiffStatistics(tuple(rows), tally(changes.metadata()))

    def _bytes(self, step: ArraysetStep, counts: Tally) -> ByteTally:
        added = self._total(step, counts.added + counts.mutated, new=True)
        return ByteTally(added, self._total(step, counts.deleted + counts.mutated, new=False))

    def _total(self, step: ArraysetStep, count: int, *, new: bool) -> int | None:
        side = step.new if new else step.old
        if side is None or not count:
            return 0
        each = size_of_each(side.schema)
        if each is not None:
            return count * each
        with self._objects.snapshot():
            found = (after if new else before for _, before, after in self._changes.samples(step))
            return self._sizes.total(side.schema, (one for one in found if one is not None))

    def step(self, arrayset: str) -> ArraysetStep | None:
        """Return what an arrayset was and is, by the name that stands in rows; None if it does not differ."""
        return next((step for step in self._changes.arraysets if step.name == arrayset), None)

    def rows(self, arrayset: str | None = None) -> Iterator[DiffRow]:
        """Yield every difference: schemas, samples in order of keys, metadata; or those of one arrayset.

        An arrayset that was renamed has either name, and its samples stand under the new one.
        """
        changes = self._changes
        chosen = [step for step in changes.arraysets if arrayset in (None, step.name, step.renamed_from or None)]
        for step in chosen:
            if step.in_schema:
                schemas = (step.old.schema if step.old else None), (step.new.schema if step.new else None)
                kind = _kind(step.old, step.new)
                yield DiffRow("schema", kind, step.name, None, "", "", *schemas, step.renamed_from)
        for step in chosen:
            yield from (_row("sample", step.name, *change) for change in changes.samples(step))
        if arrayset is None:
            yield from (_row("metadata", "", *change) for change in changes.metadata())


def sample_events(
    objects: Objects, log: Sequence[LogEntry], arrayset: str, sample: SampleKey | NestedKey
) -> list[SampleEvent]:
    """Return the entries of a log (newest first) that changed one sample, of a nested arrayset (sample, subsample).

    Commits whose arrayset has the very tree of their parent are passed over without a look inside. A merge counts only
    if it gave the sample a value that none of its parents had. The arrayset is the newest one of that name, followed
    through all names it had.
    """
    key = encode_either(sample)
    known: dict[tuple[Digest, bytes], Digest | None] = {}
    contents = (root_of(objects, entry.id).arraysets for entry in log)
    newest = next((found for found in contents if arrayset in found), {})
    identity = next((one for one, name in names_of(newest).items() if name == arrayset), None)
    if identity is not None and newest[arrayset].schema.nested and not isinstance(sample, tuple):
        raise InvalidInput(
            f"The samples of `{arrayset}` are nested: each subsample has a history of its own.",
            hint="ask for (sample, subsample); on the command line with --subsample NAME",
        )

    def value_at(root: Root) -> Digest | None:
        name = names_of(root.arraysets).get(identity) if identity is not None else None
        if name is None:
            return None
        aset = root.arraysets[name]
        if (aset.tree, key) not in known:
            known[aset.tree, key] = tree.lookup(objects, aset.tree, key)
        return known[aset.tree, key]

    values = {entry.id: value_at(root_of(objects, entry.id)) for entry in log}
    events = []
    for entry in log:
        now = values[entry.id]
        before = [values[parent] for parent in entry.commit.parents] or [None]
        if all(one != now for one in before):
            kind = "removed" if now is None else "added" if before[0] is None else "mutated"
            if entry.commit.hidden and kind == "added":
                kind = "unknown"
            events.append(SampleEvent(entry, kind, now))
    return events


def _row(what: str, arrayset: str, key: bytes, old: Digest | None, new: Digest | None) -> DiffRow:
    before, after = digests.text(old or b""), digests.text(new or b"")
    return DiffRow(what, _kind(old, new), arrayset, decode_either(key), before, after)


def _kind(old: object, new: object) -> str:
    return "added" if old is None else "deleted" if new is None else "mutated"
