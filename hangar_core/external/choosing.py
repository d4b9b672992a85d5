"""The order in which plugins are chosen. No order of installation can change it.

    plugin named > preference of the repository > preference of the user > longest registered suffix
    > content (magic bytes), for a file whose suffix nobody has > PRIORITY > bundled before others > name

Where nothing but the name decides between two plugins there is a tie: it is logged once, and marked in the list.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hangar_core.errors import BadFile
from hangar_core.external.base_plugin import extension_tails
from hangar_core.external.discovery import MAGIC_WITHIN
from hangar_core.external.facts import PluginFacts
from hangar_core.external.slots import Slot
from hangar_core.external.sources import open_file

Fitting = tuple[Slot, PluginFacts]
Preferences = Sequence[tuple[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Who was chosen, for which extension, by what (`why`, in words), and who else would have fitted, best first."""

    slot: Slot
    extension: str
    why: str
    others: tuple[str, ...] = ()
    tie: bool = False


def choices_by_extension(
    working: Sequence[Fitting], method: str, extension: str, preferences: Preferences
) -> Iterator[Choice]:
    """Yield whom to take for an extension, and then whom to take if that one turns out to be broken."""
    able = {slot.name: (slot, facts) for slot, facts in working if method in facts.provides}
    tails = list(extension_tails(extension))
    for whose, prefer in preferences:
        for tail in tails:
            slot, facts = able.get(prefer.get(tail, ""), (None, None))
            # Any plugin may be told to read a file of any name; to write one it has to know the format.
            if slot is not None and facts is not None and (method == "load" or tail in facts.extensions):
                yield Choice(slot, tail, f"{whose} for {tail}", _names(able.values(), tail, slot))
    for tail in tails:
        fitting = sorted((one for one in able.values() if tail in one[1].extensions), key=_rank)
        for place, (slot, facts) in enumerate(fitting):
            rest = fitting[place + 1 :]
            tie = bool(rest) and _rank(rest[0])[:-1] == _rank((slot, facts))[:-1]
            why = f"suffix {tail}, priority {facts.priority}"
            yield Choice(slot, tail, why, tuple(other.name for other, _ in rest), tie)


def choices_by_content(working: Sequence[Fitting], method: str, path: str | os.PathLike[str]) -> Iterator[Choice]:
    """Yield whom to take for a file by how it begins, best first. A file that cannot be read begins like nothing."""
    start = beginning(path)
    found = [
        (slot, facts, extension, f"magic {_shown(signature)} at {offset}, priority {facts.priority}")
        for slot, facts in working
        if method in facts.provides
        for extension, offset, signature in facts.magic
        if start[offset : offset + len(signature)] == signature
    ]
    found.sort(key=lambda one: _rank(one[:2]))
    for place, (slot, _, extension, why) in enumerate(found):
        yield Choice(slot, extension, why, tuple(dict.fromkeys(other.name for other, *_ in found[place + 1 :])))


def beginning(path: str | os.PathLike[str]) -> bytes:
    """Return the first bytes of a regular file, none if it cannot be read. Never blocks."""
    try:
        with open_file(path) as file:
            return file.read(MAGIC_WITHIN)
    except (BadFile, OSError):
        return b""


def extension_of(filename: str | os.PathLike[str]) -> str:
    """Return everything after the first dot of a file's name; a dot in front hides a file and begins no extension."""
    return Path(filename).name.lstrip(".").partition(".")[2]


def _rank(one: Fitting) -> tuple[int, bool, str]:
    slot, facts = one
    return -facts.priority, not slot.origin.bundled, slot.name


def _names(able: Iterable[Fitting], tail: str, but: Slot) -> tuple[str, ...]:
    fitting = sorted((one for one in able if tail in one[1].extensions and one[0] is not but), key=_rank)
    return tuple(slot.name for slot, _ in fitting)


def _shown(signature: bytes) -> str:
    text = signature.rstrip(b"\0").decode("latin-1")
    return text if text.isascii() and text.isprintable() and text else signature.hex(" ")
