"""How arraysets are called after a merge, and which of their names cannot be decided without asking.

A name is merged like anything else: the side that changed it decides. Two things are left to be asked: both sides
changed the name of an arrayset differently, or two arraysets would have one name. Until it is decided every arrayset
keeps the name of our side; what our side does not have stays away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hangar_core.history.identities import first_name, names_of, new_identity, without_identity
from hangar_core.model import Arrayset, Root


class Named(NamedTuple):
    """An arrayset of one side; its options do not say which one it is, for `identity` does."""

    identity: str
    name: str
    aset: Arrayset


class Names(NamedTuple):
    """What an arrayset is called on each side; empty where it is not."""

    base: str
    ours: str
    theirs: str


class Sides(NamedTuple):
    """One arrayset, as each side has it; None where it is not."""

    base: Named | None
    ours: Named | None
    theirs: Named | None

    @property
    def names(self) -> Names:
        return Names(*(side.name if side else "" for side in self))

    @property
    def shown_name(self) -> str:
        """The name that people on our side know it by."""
        return self.names.ours or self.names.theirs or self.names.base


@dataclass(frozen=True, slots=True)
class MergedNames:
    """What arraysets are called (by identity) until conflicts are decided, None where one is not there.

    `disputed` arraysets are those whose name has to be decided, `bound` the names of those that have to be decided
    together with one, and `usurpers` those that have the name of one on their side and are not there on ours.
    """

    names: Mapping[str, str | None]
    disputed: Collection[str]
    bound: Mapping[str, tuple[str, ...]]
    usurpers: Mapping[str, str]


def sides_of(base: Root, ours: Root, theirs: Root) -> dict[str, Sides]:
    """Return all arraysets of three contents by identity."""
    before, mine, other = (_by_identity(root) for root in (base, ours, theirs))
    identities = before.keys() | mine.keys() | other.keys()
    found = {one: Sides(before.get(one), mine.get(one), other.get(one)) for one in identities}
    for one, (base_side, our_side, their_side) in sorted(found.items()):
        if base_side is None and our_side and their_side and our_side.name != their_side.name:
            # An arrayset that was removed, and another one that was created later under its first name.
            apart = new_identity(their_side.name, found)
            found[one] = Sides(None, our_side, None)
            found[apart] = Sides(None, None, their_side._replace(identity=apart))
    return found


def merge_names(sides: Mapping[str, Sides]) -> MergedNames:
    """Merge the names of arraysets, which are given by identity."""
    names = {identity: _merged(identity, one) for identity, one in sides.items()}
    disputed = {identity for identity, one in sides.items() if _both_renamed(identity, one)}
    while (loser := _in_the_way(names, sides)) is not None:
        names[loser] = sides[loser].names.ours or None
        disputed.add(loser)
    together, usurpers = _bind(names, sides, disputed)
    bound = {}
    for group in together:
        for identity in group:
            others = (names[other] for other in group if other != identity)
            bound[identity] = tuple(sorted(name for name in others if name is not None))
    return MergedNames(names, disputed, bound, usurpers)


def _by_identity(root: Root) -> dict[str, Named]:
    found = {}
    for identity, name in names_of(root.arraysets).items():
        aset = root.arraysets[name]
        found[identity] = Named(identity, name, aset._replace(options=without_identity(aset.options)))
    return found


def _born(identity: str, sides: Sides) -> str:
    """Return the name from which both sides started."""
    return sides.names.base or first_name(identity)


def _both_renamed(identity: str, sides: Sides) -> bool:
    _, ours, theirs = sides.names
    return bool(ours and theirs) and ours != theirs and _born(identity, sides) not in (ours, theirs)


def _merged(identity: str, sides: Sides) -> str | None:
    """Return the merged name of one arrayset, as if it were alone."""
    _, ours, theirs = sides.names
    if sides.ours == sides.base and not (ours and theirs):
        return theirs or None
    if not (ours and theirs):
        return ours or None
    return theirs if ours == _born(identity, sides) else ours


def _in_the_way(names: Mapping[str, str | None], sides: Mapping[str, Sides]) -> str | None:
    """Return an arrayset whose name comes from their side although another one has it, if there is one."""
    held = Counter(names.values())
    clashing = (one for one, name in names.items() if name is not None and held[name] > 1)
    return min((one for one in clashing if names[one] != sides[one].names.ours), default=None)


def _bind(
    names: Mapping[str, str | None], sides: Mapping[str, Sides], disputed: set[str]
) -> tuple[list[set[str]], dict[str, str]]:
    """Return which arraysets can take their names of their side only together, and who has whose name there.

    All those whose name that concerns become `disputed`.
    """
    holders = {name: identity for identity, name in names.items() if name is not None}
    groups = {identity: {identity} for identity in sides}
    usurpers = {}
    away = [one for one, name in names.items() if name is None and sides[one].theirs not in (None, sides[one].base)]
    to_do = sorted({*disputed, *away})
    while to_do:
        identity = to_do.pop()
        holder = holders.get(sides[identity].names.theirs)
        if holder is None or holder == identity:
            continue
        if names[identity] is None:
            usurpers[holder] = identity
        else:
            groups[identity] |= groups[holder]
            for other in groups[identity]:
                groups[other] = groups[identity]
        if holder not in disputed:
            disputed.add(holder)
            to_do.append(holder)
    distinct = {id(group): group for group in groups.values() if len(group) > 1}
    return list(distinct.values()), usurpers
