"""A merge in progress, seen and decided conflict by conflict. Who calls holds the writer lock, in a `StagingArea`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, TypeAlias

from hangar_core.errors import AlreadyExists, InvalidInput, MergePending, NoMerge, NotFound, NothingToCommit
from hangar_core.hashing import digests
from hangar_core.history import integrating
from hangar_core.history.guarding import refuse_misfits, schema_in_force
from hangar_core.history.integrating import Author
from hangar_core.history.merging import Conflict, KeyConflict, MergePlan, SchemaConflict, Side
from hangar_core.history.objects import Objects
from hangar_core.history.staging import StagingArea
from hangar_core.model import CommitId, NestedKey, SampleKey, Schema
from hangar_core.records.keys import decode_either, encode_either

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample

# None is the arrayset itself.
ConflictKey: TypeAlias = SampleKey | NestedKey | None
# What metadata are, for checking.
_TEXT = Schema("text", (), variable=True, kind="text")


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """One conflict for people and scripts. `key` is None for an arrayset itself, `arrayset` empty for metadata.

    The key of a nested arrayset is (sample, subsample).
    `base`, `ours` and `theirs` are digests as text, empty where there is nothing. `texts` are the values of a piece of
    metadata by side (``base``, ``ours``, ``theirs``), without those that are nothing. `names` are those of an arrayset
    by side, if it has not the same everywhere, and `bound` other arraysets that are decided together with it.
    """

    arrayset: str
    key: ConflictKey
    kind: str
    base: str
    ours: str
    theirs: str
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    bound: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """How a merge went, and the head of `branch` now, as text. With ``conflicts`` the branch has not moved."""

    how: Literal["merged", "fast-forward", "up-to-date", "conflicts"]
    branch: str
    head: str


def merge(
    staging: StagingArea, theirs: CommitId, label: str, message: str, author: Author, strategy: Side | None = None
) -> MergeOutcome:
    """Merge a commit into the staging branch, keep conflicts, and tell how it went. Raises `PendingChanges`."""
    if strategy not in {None, "ours", "theirs"}:
        raise InvalidInput(f"No strategy is called `{strategy}`.", hint="it is 'ours', 'theirs' or None")
    before = staging.base
    made = integrating.merge(staging, theirs, label, message, author, strategy=strategy, on_conflict="keep")
    head = digests.text(staging.base or b"")
    if made is None:
        return MergeOutcome("conflicts", staging.branch, head)
    how: Literal["merged", "fast-forward", "up-to-date"] = (
        "up-to-date" if made == before else "fast-forward" if made == theirs else "merged"
    )
    return MergeOutcome(how, staging.branch, head)


def rows(conflicts: Collection[Conflict], objects: Objects) -> list[ConflictRow]:
    """Return conflicts for people and scripts."""
    return [_row(conflict, objects) for conflict in conflicts]


def resolve(staging: StagingArea, arrayset: str, keys: str | Collection[ConflictKey], side: Side) -> int:
    """Decide the conflicts of an arrayset (empty: of the metadata) that `keys` choose, and return how many.

    What was set by hand since the merge began is decided already. Arraysets whose names are in each other's way are
    decided together, and after their samples. Raises `NoMerge`, `NotFound` if no open conflict matches, `InvalidData`
    if what is brought in does not fit the arrayset, `MergePending` if samples have to be decided first, `AlreadyExists`
    if a name has been given to another arrayset since the merge began.
    """
    chosen = _matching(staging, arrayset, keys)
    if side == "theirs":
        refuse_misfits(staging.overlay, staging.objects, chosen)
        _refuse_names(staging, chosen)
    plan = MergePlan()
    plan.settle(chosen, side)
    staging.stage_plan(plan, chosen)
    staging.sync()
    return len(chosen)


def take(staging: StagingArea, arrayset: str, key: SampleKey | NestedKey, value: Sample) -> None:
    """Decide the conflict of one sample (or piece of metadata) with another value.

    Raises `NoMerge`, `NotFound`, `InvalidData`, `UnsupportedDtype`.
    """
    from hangar_core.storage.validation import fit

    conflict = next((one for one in _open(staging) if _is_at(one, arrayset, key)), None)
    if conflict is None:
        raise NotFound(f"No open conflict at `{key}`.", hint="`hangar status` lists them")
    encoded = encode_either(key)
    plan = MergePlan()
    if not arrayset:
        text = fit(_TEXT, value)
        assert isinstance(text, str)
        plan.metadata.append((encoded, staging.objects.put(digests.TEXT, text.encode())))
    else:
        schema = schema_in_force(staging.overlay, arrayset)
        if schema.nested != isinstance(key, tuple):
            raise InvalidInput(f"`{key}` names no sample of arrayset `{arrayset}` as it is now.")
        plan.samples[arrayset] = [(encoded, staging.data.put(fit(schema, value)))]
    staging.stage_plan(plan, [conflict])
    staging.sync()


def conclude(staging: StagingArea, message: str, author: Author) -> CommitId:
    """Commit the merge in progress. Raises `NoMerge`, `UnresolvedConflicts`, `NothingToCommit`."""
    state = staging.overlay.merging
    if state is None:
        raise NoMerge
    try:
        return staging.commit(message, author.user, author.time)
    except NothingToCommit as why:
        raise NothingToCommit(
            f"Resolved like this, the {state.kind} of {state.label} changes nothing here.",
            hint="`hangar merge --abort` ends it",
        ) from why


def _open(staging: StagingArea) -> list[Conflict]:
    if staging.overlay.merging is None:
        raise NoMerge
    return staging.conflicts()


def _matching(staging: StagingArea, arrayset: str, keys: str | Collection[ConflictKey]) -> list[Conflict]:
    chosen = [one for one in _open(staging) if one.arrayset == arrayset and _is_one_of(_key(one), keys)]
    if not chosen:
        where = f"arrayset `{arrayset}`" if arrayset else "the metadata"
        wanted = f"`{keys}`" if isinstance(keys, str) else "the keys given"
        raise NotFound(f"No open conflict of {where} matches {wanted}.", hint="`hangar status` lists them")
    bound = {name for one in chosen if isinstance(one, SchemaConflict) for name in one.bound}
    together = (one for one in _open(staging) if isinstance(one, SchemaConflict) and one.arrayset in bound)
    return [*chosen, *(one for one in together if one not in chosen)]


def _refuse_names(staging: StagingArea, chosen: Collection[Conflict]) -> None:
    """Raise unless arraysets can take the names of their side: conflicts of samples are kept by name."""
    renamed = {one.arrayset: one.their_name for one in chosen if isinstance(one, SchemaConflict)}
    renamed = {old: new for old, new in renamed.items() if old != new}
    undecided = next((one for one in _open(staging) if one.arrayset in renamed and one not in chosen), None)
    state = staging.overlay.merging
    if undecided is not None and state is not None:
        name = undecided.arrayset
        raise MergePending(
            branch=staging.branch,
            kind=state.kind,
            blocked=f"giving arrayset `{name}` the name `{renamed[name]}`",
            hint=f"decide its samples first, or all at once: `hangar resolve {name} --theirs`",
        )
    leaving = {one.arrayset for one in chosen if isinstance(one, SchemaConflict)}
    for old, new in renamed.items():
        if new in staging.overlay.arraysets and new not in leaving:
            raise AlreadyExists(
                f"There is an arrayset `{new}` already, which `{old}` would be called.",
                hint=f"remove it, or decide with `hangar resolve {old} --ours`",
            )


def _key(conflict: Conflict) -> ConflictKey:
    return decode_either(conflict.key) if isinstance(conflict, KeyConflict) else None


def is_meant(key: ConflictKey, pattern: str, shown: Callable[[SampleKey | NestedKey], str]) -> bool:
    """Whether a pattern chooses a conflict: by its key as it is `shown`, as a glob, or as one of all."""
    if key is None:
        return pattern == "*"
    text = shown(key)
    # A name may hold what means something in a pattern, as in `scan[1]`.
    return pattern == text or fnmatchcase(text, pattern)


def _is_one_of(key: ConflictKey, keys: str | Collection[ConflictKey]) -> bool:
    return is_meant(key, keys, _shown) if isinstance(keys, str) else key in keys


def _shown(key: SampleKey | NestedKey) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _is_at(conflict: Conflict, arrayset: str, key: SampleKey | NestedKey) -> bool:
    return isinstance(conflict, KeyConflict) and conflict.arrayset == arrayset and decode_either(conflict.key) == key


def _row(conflict: Conflict, objects: Objects) -> ConflictRow:
    if isinstance(conflict, KeyConflict):
        values = {"base": conflict.base, "ours": conflict.ours, "theirs": conflict.theirs}
        base, ours, theirs = (digests.text(one or b"") for one in values.values())
        # Both sides are commits, so their texts are stored; what is staged is nobody's side.
        texts = {side: objects.get_text(one) for side, one in values.items() if one and not conflict.arrayset}
        return ConflictRow(conflict.arrayset, _key(conflict), conflict.kind, base, ours, theirs, texts)
    base, ours, theirs = (
        digests.text(one.tree) if one else "" for one in (conflict.base, conflict.ours, conflict.theirs)
    )
    names = {side: name for side, name in conflict.names._asdict().items() if name}
    if len({*names.values(), conflict.arrayset}) == 1:
        names = {}
    return ConflictRow(conflict.arrayset, None, conflict.kind, base, ours, theirs, names=names, bound=conflict.bound)
