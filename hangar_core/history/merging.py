"""Three-way merges of contents, as a plan: what to change on our side, and what both sides changed differently.

The same plan serves merge, cherry-pick, revert and taking a stash back; they differ only in which contents are base and
theirs. Costs what was changed, reads no data. Conflicts have the documented types:

t1   added on both sides with different values
t21  removed on our side, mutated on theirs
t22  removed on their side, mutated on ours
t3   mutated on both sides to different values

Arraysets are compared by identity: one that a side renamed takes what the other changed along, under its new name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from hangar_core.history import tree, tree_edits
from hangar_core.history.changes import KeyChange
from hangar_core.history.identities import called, identity_of
from hangar_core.history.lookups import lookup_many
from hangar_core.history.merged_names import MergedNames, Named, Names, Sides, merge_names, sides_of
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
    # Where their sample came from, if that is known.
    their_provenance: Digest | None = field(default=None, compare=False)

    @property
    def kind(self) -> ConflictKind:
        return _kind(self.base, self.ours, self.theirs)


@dataclass(frozen=True, slots=True)
class SchemaConflict:
    """An arrayset whose existence, name, schema or options both sides changed differently.

    Where samples of both sides can live together, only name and options are in conflict, and samples are merged as
    ever; otherwise the samples go with their side. `arrayset` is the name that it has until the conflict is decided,
    `their_name` the one that deciding for theirs gives it, `names` are those of base, ours and theirs.

    Names can be in each other's way: such conflicts are decided together, with those of the arraysets in `bound`.
    `usurper` is another arrayset that has this name on their side and is not there on ours.
    """

    arrayset: str
    identity: str
    base: Arrayset | None
    ours: Arrayset | None
    theirs: Arrayset | None
    names: Names
    their_name: str
    bound: tuple[str, ...] = ()
    usurper: Named | None = None

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
    """What makes the merge out of our side: first removals, then renames (old -> new), then the rest by new names.

    An adopted arrayset is taken over with its tree as it is. What is known of where a sample came from travels with it.
    """

    remove: list[str] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)
    adopt: dict[str, Arrayset] = field(default_factory=dict)
    define: dict[str, tuple[Schema, Mapping[str, str]]] = field(default_factory=dict)
    samples: dict[str, list[tuple[bytes, Digest | None]]] = field(default_factory=dict)
    provenance: dict[str, dict[bytes, Digest]] = field(default_factory=dict)
    metadata: list[tuple[bytes, Digest | None]] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def settle(self, conflicts: Collection[Conflict], side: Side) -> None:
        """Add what decides conflicts for one side, those that are bound to each other together.

        Deciding for ours changes nothing.
        """
        if side == "ours":
            return
        schemas = [one for one in conflicts if isinstance(one, SchemaConflict)]
        for conflict in conflicts:
            self._take(conflict)
        self._call({one.arrayset: one.their_name for one in schemas if one.their_name != one.arrayset})
        for one in schemas:
            if one.usurper is not None:
                self.adopt[one.arrayset] = _as_named(one.usurper.aset, one.usurper.identity, one.arrayset)

    def _take(self, conflict: Conflict) -> None:
        """Take what their side has, under the name that our side has for it."""
        name = conflict.arrayset
        if isinstance(conflict, KeyConflict):
            changes = self.samples.setdefault(name, []) if name else self.metadata
            changes.append((conflict.key, conflict.theirs))
            if conflict.their_provenance is not None:
                self.provenance.setdefault(name, {})[conflict.key] = conflict.their_provenance
        elif conflict.theirs is None:
            self.remove.append(name)
        elif conflict.ours is not None and conflict.theirs in (conflict.base, conflict.ours):
            pass  # only its name is in conflict
        elif (schema := _common_schema(conflict.base, conflict.ours, conflict.theirs)) is not None:
            assert conflict.ours is not None
            options = _merge_options(conflict.base, conflict.ours, conflict.theirs, "theirs")
            self.define[name] = schema, called(options, conflict.identity, name)
        else:
            self.adopt[name] = _as_named(conflict.theirs, conflict.identity, name)

    def _call(self, names: Mapping[str, str]) -> None:
        """Give arraysets other names than this plan has for them, all at once."""
        renamed = {old: names.get(new, new) for old, new in self.rename.items()}
        renamed |= {old: new for old, new in names.items() if old not in self.rename.values()}
        self.rename = {old: new for old, new in renamed.items() if old != new}
        self.samples = {names.get(name, name): changes for name, changes in self.samples.items()}
        self.provenance = {names.get(name, name): known for name, known in self.provenance.items()}
        defined, self.define = self.define, {}
        for name, (schema, options) in defined.items():
            new = names.get(name, name)
            self.define[new] = schema, called(options, identity_of(name, options), new)
        adopted, self.adopt = self.adopt, {}
        for name, one in adopted.items():
            self.adopt[names.get(name, name)] = _as_named(one, identity_of(name, one.options), names.get(name, name))


def plan_merge(objects: Objects, base: Root, ours: Root, theirs: Root) -> MergePlan:
    """Return how to bring the changes from `base` to `theirs` into `ours`."""
    plan = MergePlan()
    sides = sides_of(base, ours, theirs)
    names = merge_names(sides)
    for identity in sorted(sides, key=lambda one: (sides[one].shown_name, one)):
        one, name = sides[identity], names.names[identity]
        is_open = _plan_arrayset(objects, plan, one, name) or identity in names.disputed
        if is_open and identity not in names.usurpers.values():
            plan.conflicts.append(_conflict(identity, sides, names))
    mine, other = (tree.diff(objects, base.metadata, side.metadata) for side in (ours, theirs))
    taken, conflicts = _three_way(mine, other, "")
    plan.metadata += taken
    plan.conflicts += conflicts
    return plan


def _conflict(identity: str, sides: Mapping[str, Sides], names: MergedNames) -> SchemaConflict:
    one = sides[identity]
    name = names.names[identity] or one.shown_name
    takes_theirs = identity in names.disputed and one.ours is not None and one.theirs is not None
    usurper = names.usurpers.get(identity)
    base, ours, theirs = (side.aset if side is not None else None for side in one)
    return SchemaConflict(
        name,
        identity,
        base,
        ours,
        theirs,
        names=one.names,
        their_name=one.names.theirs if takes_theirs else name,
        bound=names.bound.get(identity, ()),
        usurper=sides[usurper].theirs if usurper is not None else None,
    )


def _plan_arrayset(objects: Objects, plan: MergePlan, sides: Sides, name: str | None) -> bool:
    """Plan one arrayset, whose name is merged already (None: it is not there), and whether it is in conflict itself."""
    if sides.theirs in (sides.base, sides.ours):
        return False
    ours, theirs = sides.ours, sides.theirs
    if ours == sides.base and (ours is None or theirs is None):
        if ours is not None:
            plan.remove.append(ours.name)
        elif theirs is not None and name is not None:
            plan.adopt[name] = _as_named(theirs.aset, theirs.identity, name)
        return False
    if ours is None or theirs is None or name is None:
        return True
    if ours.name != name:
        plan.rename[ours.name] = name
    base = sides.base.aset if sides.base is not None else None
    if ours.aset == base:
        if theirs.aset != base:
            plan.adopt[name] = _as_named(theirs.aset, theirs.identity, name)
        return False
    if theirs.aset in (base, ours.aset):
        return False
    return _plan_content(objects, plan, (base, ours.aset, theirs.aset), (ours.identity, name))


def _plan_content(
    objects: Objects,
    plan: MergePlan,
    sides: tuple[Arrayset | None, Arrayset, Arrayset],
    named: tuple[str, str],
) -> bool:
    """Plan schema, options and samples of an arrayset that both sides changed: (identity, name).

    Returns whether schema or options are in conflict.
    """
    (base, ours, theirs), (identity, name) = sides, named
    schema = _common_schema(base, ours, theirs)
    if schema is None:
        return True
    options = _merge_options(base, ours, theirs, "ours")
    if (schema, options) != (ours.schema, ours.options):
        plan.define[name] = schema, called(options, identity, name)
    start = tree_edits.empty(objects) if base is None else base.tree
    left, right = (tree.diff(objects, start, side.tree) for side in (ours, theirs))
    taken, conflicts = _three_way(left, right, name)
    known = _provenance(objects, theirs, [*(key for key, _ in taken), *(one.key for one in conflicts)])
    if taken:
        plan.samples[name] = taken
        plan.provenance[name] = {key: known[key] for key, _ in taken if key in known}
    plan.conflicts += [replace(one, their_provenance=known.get(one.key)) for one in conflicts]
    return options != _merge_options(base, ours, theirs, "theirs")


def _provenance(objects: Objects, aset: Arrayset, keys: list[bytes]) -> dict[bytes, Digest]:
    """Return what is known of where some samples of an arrayset came from."""
    return {} if aset.provenance is None else lookup_many(objects, aset.provenance, keys)


def _as_named(aset: Arrayset, identity: str, name: str) -> Arrayset:
    return aset._replace(options=called(aset.options, identity, name))


def _common_schema(base: Arrayset | None, ours: Arrayset | None, theirs: Arrayset | None) -> Schema | None:
    """Return the schema under which the samples of both sides can be, or None."""
    if ours is None or theirs is None:
        return None
    schema = _merge_schema(base.schema if base else None, ours.schema, theirs.schema)
    return schema if schema is not None and all(has_room_for(schema, side.schema) for side in (ours, theirs)) else None


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


def has_room_for(schema: Schema, own: Schema) -> bool:
    """Whether a schema allows every sample that their `own` one allows."""
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
