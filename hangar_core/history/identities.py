"""Which arrayset is which, across names.

An arrayset goes by the name under which it was created, its identity, whatever it is called later: merges, diffs and
histories compare arraysets of equal identity. It is recorded in an option where the name does not tell it. See
docs/formats/records.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from hangar_core.model import RENAMED_FROM


class HasOptions(Protocol):
    """An arrayset, committed or staged."""

    @property
    def options(self) -> Mapping[str, str]: ...


def identity_of(name: str, options: Mapping[str, str]) -> str:
    """Return the identity of an arrayset with that name."""
    return options.get(RENAMED_FROM, name)


def first_name(identity: str) -> str:
    """Return the name under which an arrayset was created."""
    return identity.partition("/")[0]


def called(options: Mapping[str, str], identity: str, name: str) -> dict[str, str]:
    """Return the options of an arrayset of that identity under a name."""
    rest = without_identity(options)
    return rest if identity == name else {**rest, RENAMED_FROM: identity}


def without_identity(options: Mapping[str, str]) -> dict[str, str]:
    """Return what is said of an arrayset besides which one it is."""
    return {option: text for option, text in options.items() if option != RENAMED_FROM}


def new_identity(name: str, taken: Collection[str]) -> str:
    """Return the identity of an arrayset that is created where some identities are taken."""
    identity, number = name, 1
    while identity in taken:
        number += 1
        identity = f"{name}/{number}"
    return identity


def names_of(arraysets: Mapping[str, HasOptions]) -> dict[str, str]:
    """Return identity -> name.

    Each identity is there once in what this version writes. Where another one gave it to two arraysets, the first that
    was renamed has it; what is left is taken for a new arrayset, as long as that lasts.
    """
    found: dict[str, str] = {}
    by_claim = sorted(arraysets, key=lambda name: (RENAMED_FROM not in arraysets[name].options, name))
    for name in by_claim:
        identity = identity_of(name, arraysets[name].options)
        found[f"{name}/" if identity in found else identity] = name
    return found


def name_pairs(old: Mapping[str, HasOptions], new: Mapping[str, HasOptions]) -> list[tuple[str | None, str | None]]:
    """Return (old name, new name) of all arraysets, in order of the new names; None where there is none."""
    before, after = names_of(old), names_of(new)
    pairs = [(before.get(identity), after.get(identity)) for identity in before.keys() | after.keys()]
    return sorted(pairs, key=lambda pair: (pair[1] or pair[0] or "", pair[1] or ""))
