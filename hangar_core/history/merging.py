"""Three-way merges of contents, as a plan: what to change on our side, and what both sides changed differently.

The same plan serves merge, cherry-pick, revert and taking a stash back; they differ only in which contents are base and
theirs. Costs what was changed, reads no data. Conflicts have the documented types:

t1   added on both sides with different values
t21  removed on our side, mutated on theirs
t22  removed on their side, mutated on ours
t3   mutated on both sides to different values
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from hangar_core.history import tree
from hangar_core.history.changes import Changes, KeyChange
from hangar_core.history.objects import Objects
from hangar_core.model import Arrayset, Digest, Root, Schema

ConflictKind = Literal["t1", "t21", "t22", "t3"]
Side = Literal["ours", "theirs"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyConflict:
    """A sample (or, with an empty `arrayset`, a piece of metadata) that both sides changed differently."""

    arrayset: str
    key: bytes
    base: Digest | None
    ours: Digest | None
    theirs: Digest | None

    @property
    def kind(self) -> ConflictKind:
        return _kind(self.base, self.ours, self.theirs)


@dataclass(frozen=True, slots=True)
class SchemaConflict:
    """An arrayset whose existence, schema or options both sides changed differently.

    Where samples of both sides can live together, only the options are in conflict, and samples are merged as ever;
    otherwise the samples go with their side.
    """

    arrayset: str
    base: Arrayset | None
    ours: Arrayset | None
    theirs: Arrayset | None

    @property
    def kind(self) -> ConflictKind:
        return _kind(self.base, self.ours, self.theirs)


Conflict = KeyConflict | SchemaConflict


def _kind(base: object, ours: object, theirs: object) -> ConflictKind:
    if base is None:
        return "t1"
    if ours is None:
        return "t21"
    return "t22" if theirs is None else "t3"


@dataclass(slots=True)
class MergePlan:
    """What makes the merge out of our side. An adopted arrayset is taken over with its tree as it is."""

    adopt: dict[str, Arrayset] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    define: dict[str, tuple[Schema, Mapping[str, str]]] = field(default_factory=dict)
    samples: dict[str, list[tuple[bytes, Digest | None]]] = field(default_factory=dict)
    metadata: list[tuple[bytes, Digest | None]] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def settle(self, conflict: Conflict, side: Side) -> None:
        """Add what decides a conflict for one side; deciding for ours changes nothing."""
        if side == "ours":
            return
        if isinstance(conflict, KeyConflict):
            changes = self.samples.setdefault(conflict.arrayset, []) if conflict.arrayset else self.metadata
            changes.append((conflict.key, conflict.theirs))
        elif conflict.theirs is None:
            self.remove.append(conflict.arrayset)
        elif (schema := _common_schema(conflict.base, conflict.ours, conflict.theirs)) is not None:
            assert conflict.ours is not None
            self.define[conflict.arrayset] = schema, _merge_options(conflict.base, conflict.ours, conflict.theirs, side)
        else:
            self.adopt[conflict.arrayset] = conflict.theirs

    def settle_all(self, side: Side) -> None:
        """Decide every conflict for one side."""
        for conflict in self.conflicts:
            self.settle(conflict, side)
        self.conflicts.clear()


def plan_merge(objects: Objects, base: Root, ours: Root, theirs: Root) -> MergePlan:
    """Return how to bring the changes from `base` to `theirs` into `ours`."""
    plan = MergePlan()
    mine, other = Changes(objects, base, ours), Changes(objects, base, theirs)
    for name in other.arraysets:
        _plan_arrayset(objects, plan, name, base.arraysets.get(name), mine, other)
    taken, conflicts = _three_way(mine.metadata(), other.metadata(), "")
    plan.metadata += taken
    plan.conflicts += conflicts
    return plan


def _plan_arrayset(
    objects: Objects, plan: MergePlan, name: str, base: Arrayset | None, mine: Changes, other: Changes
) -> None:
    """Plan one arrayset that their side changed."""
    ours, theirs = mine.new.arraysets.get(name), other.new.arraysets.get(name)
    if ours == theirs:
        return
    if ours == base:
        if theirs is None:
            plan.remove.append(name)
        else:
            plan.adopt[name] = theirs
        return
    schema = _common_schema(base, ours, theirs)
    if ours is None or theirs is None or schema is None:
        plan.conflicts.append(SchemaConflict(name, base, ours, theirs))
        return
    options = _merge_options(base, ours, theirs, "ours")
    if options != _merge_options(base, ours, theirs, "theirs"):
        plan.conflicts.append(SchemaConflict(name, base, ours, theirs))
    if (schema, options) != (ours.schema, ours.options):
        plan.define[name] = (schema, options)
    if base is None:
        start = tree.empty(objects)
        left, right = tree.diff(objects, start, ours.tree), tree.diff(objects, start, theirs.tree)
    else:
        left, right = mine.samples(name), other.samples(name)
    taken, conflicts = _three_way(left, right, name)
    if taken:
        plan.samples[name] = taken
    plan.conflicts += conflicts


def _common_schema(base: Arrayset | None, ours: Arrayset | None, theirs: Arrayset | None) -> Schema | None:
    """Return the schema under which the samples of both sides can be, or None."""
    if ours is None or theirs is None:
        return None
    schema = _merge_schema(base.schema if base else None, ours.schema, theirs.schema)
    return schema if schema is not None and _fits(ours, schema) and _fits(theirs, schema) else None


def _merge_schema(base: Schema | None, ours: Schema, theirs: Schema) -> Schema | None:
    """Return the merged schema, None if the sides cannot be brought together."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    only_sizes = ours.variable and ours._replace(shape=theirs.shape) == theirs and len(ours.shape) == len(theirs.shape)
    if not only_sizes:
        return None
    # Both only allowed other sizes: what allows both is no conflict.
    return ours._replace(shape=tuple(max(sizes) for sizes in zip(ours.shape, theirs.shape, strict=True)))


def _merge_options(base: Arrayset | None, ours: Arrayset, theirs: Arrayset, side: Side) -> Mapping[str, str]:
    """Return the options of both sides; where both changed one differently, those of `side`."""
    known = base.options if base else {}
    merged = dict(ours.options)
    for name in sorted(known.keys() | theirs.options.keys()):
        before, mine, other = known.get(name), ours.options.get(name), theirs.options.get(name)
        if other in (before, mine) or (mine != before and side == "ours"):
            continue
        if other is None:
            merged.pop(name, None)
        else:
            merged[name] = other
    return merged


def _fits(side: Arrayset, schema: Schema) -> bool:
    """Whether all samples of a side are allowed by the merged schema, which may have come from the other side."""
    own = side.schema
    if own._replace(shape=schema.shape, variable=schema.variable) != schema or len(own.shape) != len(schema.shape):
        return False
    if own.shape == schema.shape:
        return schema.variable or not own.variable
    return schema.variable and all(size <= limit for size, limit in zip(own.shape, schema.shape, strict=True))


def _three_way(
    ours: Iterable[KeyChange], theirs: Iterator[KeyChange], arrayset: str
) -> tuple[list[tuple[bytes, Digest | None]], list[KeyConflict]]:
    """Return (what only their side changed, what both changed differently), in order of keys."""
    mine = {key: after for key, _, after in ours}
    taken: list[tuple[bytes, Digest | None]] = []
    conflicts = []
    for key, before, after in theirs:
        if key not in mine:
            taken.append((key, after))
        elif mine[key] != after:
            conflicts.append(KeyConflict(arrayset, key, before, mine[key], after))
    return taken, conflicts
