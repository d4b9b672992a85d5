"""What may not be staged: next to conflicts that are open, and what no replay could get past.

Conflicts are never stored: they are found anew from the contents, and the staging log only says which are decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hangar_core.errors import ArraysetNotFound, InvalidData, InvalidInput, MergePending, PendingChanges
from hangar_core.hashing.canonical import FieldReader
from hangar_core.history.commits import read_root
from hangar_core.history.identities import identity_of, names_of
from hangar_core.history.merging import Conflict, KeyConflict, has_room_for, plan_merge
from hangar_core.history.objects import Objects
from hangar_core.history.overlay import Overlay
from hangar_core.model import Schema
from hangar_core.records import merging as merge_records
from hangar_core.records import provenance_log
from hangar_core.records import staging as records
from hangar_core.reports import MergeState

# (arrayset, key): the arrayset is empty for metadata, the key for an arrayset that is in conflict itself.
Place = tuple[str, bytes]
_WAY_OUT = "`hangar merge --abort` goes back to before the merge"


def refuse_changes(overlay: Overlay, branch: str, blocked: str) -> None:
    """Raise `PendingChanges` (or `MergePending`) if anything is staged; `blocked` is what that makes impossible."""
    if overlay.merging is not None:
        raise MergePending(branch=branch, kind=overlay.merging.kind, blocked=blocked)
    if not overlay.clean:
        raise PendingChanges(branch=branch, blocked=blocked)


def place_of(conflict: Conflict) -> Place:
    """Return where a conflict is, as the staging log names it."""
    return conflict.arrayset, conflict.key if isinstance(conflict, KeyConflict) else b""


def open_conflicts(overlay: Overlay, objects: Objects) -> list[Conflict]:
    """Return the conflicts of the merge in progress that are not resolved yet, found anew from the contents."""
    return OpenConflicts(objects).of(overlay)


class OpenConflicts:
    """Tells the open conflicts of overlays. Those of a merge are found once, however many samples are staged then."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._overlay: Overlay | None = None
        self._state: MergeState | None = None
        self._found: dict[Place, Conflict] = {}

    def of(self, overlay: Overlay) -> list[Conflict]:
        """Return the conflicts of the merge in progress that are not resolved yet."""
        return [one for place, one in self._all(overlay).items() if place not in overlay.resolved]

    def among(self, overlay: Overlay, arrayset: str, keys: Iterable[bytes]) -> list[Place]:
        """Return the open conflicts of samples of an arrayset (empty: of metadata) under some keys."""
        found = self._all(overlay)
        places = [(arrayset, key) for key in keys]
        return [place for place in places if place in found and place not in overlay.resolved]

    def refuse(self, overlay: Overlay, branch: str, arrayset: str, blocked: str, *, itself: bool = False) -> None:
        """Raise `MergePending` while an arrayset has open conflicts; with `itself` only if it is in conflict itself.

        `blocked` is what that makes impossible.
        """
        state = overlay.merging
        if state is None:
            return
        # Many samples may be staged one by one: the arrayset itself is looked up, its samples are gone through.
        is_open = bool(self.among(overlay, arrayset, [b""]))
        if not itself:
            is_open = is_open or any(one.arrayset == arrayset for one in self.of(overlay))
        if is_open:
            raise MergePending(
                branch=branch,
                kind=state.kind,
                blocked=blocked,
                hint=f"decide its conflicts first: `hangar resolve {arrayset} --ours|--theirs`; {_WAY_OUT}",
            )

    def _all(self, overlay: Overlay) -> dict[Place, Conflict]:
        state = overlay.merging
        if state is None:
            return {}
        if self._overlay is not overlay or self._state is not state:
            base, theirs = read_root(self._objects, state.base), read_root(self._objects, state.theirs)
            plan = plan_merge(self._objects, base, overlay.root, theirs)
            self._found = {place_of(one): one for one in plan.conflicts}
            self._overlay, self._state = overlay, state
        return self._found


def refuse_unknown(arraysets: Iterable[str], operations: Sequence[tuple[int, bytes]]) -> None:
    """Raise `ArraysetNotFound` if operations, one after another, change an arrayset that is not there then.

    Once such a record is logged, no replay could ever get past it.
    """
    names = set(arraysets)
    for operation, payload in operations:
        if operation in (records.ARRAYSET, merge_records.ADOPT):
            names.add(FieldReader(payload, "staging log").text())
        elif operation in (provenance_log.PROVENANCE, provenance_log.PROVENANCE_TREE):
            name = FieldReader(payload, "staging log").text()
            if name not in names:
                raise ArraysetNotFound(name=name)
        elif operation in (records.SAMPLES, records.REMOVE):
            is_samples = operation == records.SAMPLES
            name = payload[1 : 1 + payload[0]].decode() if is_samples else records.decode_remove(payload)
            if name not in names:
                raise ArraysetNotFound(name=name)
            if not is_samples:
                names.remove(name)


def schema_in_force(overlay: Overlay, arrayset: str) -> Schema:
    """Return the schema that samples which decide a conflict must fit.

    Raises `ArraysetNotFound`: versions that let an arrayset in conflict be removed have left logs without it.
    """
    staged = overlay.arraysets.get(arrayset)
    if staged is None:
        raise ArraysetNotFound(name=arrayset, hint=_WAY_OUT)
    return staged.schema


def refuse_misfits(overlay: Overlay, objects: Objects, chosen: Sequence[Conflict]) -> None:
    """Raise unless all that conflicts of samples would take from their side fits the schema in force.

    Raises `ArraysetNotFound`, `InvalidData`.
    """
    state = overlay.merging
    names = {one.arrayset for one in chosen if isinstance(one, KeyConflict) and one.arrayset}
    if state is None or not names:
        return
    theirs = read_root(objects, state.theirs).arraysets
    their_names = names_of(theirs)
    for name in sorted(names):
        schema = schema_in_force(overlay, name)
        brought = theirs[their_names[identity_of(name, overlay.arraysets[name].options)]].schema
        if not has_room_for(schema, brought):
            raise InvalidData(
                f"What is brought in for arrayset `{name}` does not fit it any more: "
                f"{brought.dtype} {brought.shape} into {schema.dtype} {schema.shape}.",
                hint=f"decide with a sample that fits: `hangar resolve {name} KEY --take FILE`; {_WAY_OUT}",
            )


def check_message(message: object) -> None:
    """Raise `InvalidInput` unless a commit, a tag or a stash can carry the message; it may be empty."""
    if not isinstance(message, str):
        raise InvalidInput(f"A message is text, not {type(message).__name__}.")
    try:
        message.encode()
    except UnicodeEncodeError as why:
        raise InvalidInput("This message holds half of a surrogate pair, which no encoding can store.") from why
