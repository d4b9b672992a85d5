"""Branches of a bare remote: each move is a file of its own, numbered, and whoever creates the next one has won.

::

    refs/NAME IN HEX/NUMBER          NUMBER is 16 hex digits, from 0000000000000001 on

    u8      format, 1
    blob    commit, or nothing: the branch has gone
    u64     time in microseconds since 1970 UTC
    text    who: NAME <EMAIL>
    text    why
    16 bytes  write id: who made this file knows it by that, if the answer was lost

The highest number is where the branch is; the others are its reflog. Format: docs/formats/bare-remote.md.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hangar_core.errors import CorruptRecord, InvalidName
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.model import CommitId
from hangar_core.names import check_plain

_FORMAT: Final = 1
WRITE_ID_SIZE: Final = 16
_NUMBER_SIZE = 16


class Position(NamedTuple):
    """Where a branch was put by one move."""

    commit: CommitId | None
    time: int
    user: str
    reason: str
    write_id: bytes


def encode_position(position: Position) -> bytes:
    """Return the bytes of one move."""
    out = FieldWriter().u8(_FORMAT).blob(position.commit or b"").u64(position.time)
    return out.text(position.user).text(position.reason).raw(position.write_id).done()


def decode_position(data: bytes) -> Position:
    """Return what `encode_position` wrote. Raises `CorruptRecord`."""
    fields = FieldReader(data, "move of a branch")
    if (form := fields.u8()) != _FORMAT:
        raise fields.corrupt(f"format {form} is unknown to this version")
    name = fields.blob()
    commit = CommitId(digests.check(name, digests.COMMIT, "move of a branch")) if name else None
    found = Position(commit, fields.moment(), fields.text(), fields.text(), fields.raw(WRITE_ID_SIZE))
    fields.done()
    return found


def place_of(branch: str, number: int) -> str:
    """Return the name of the file with one move of a branch. Hex: no name of a branch is ever the name of a file."""
    return f"{folder_of(branch)}{number:0{_NUMBER_SIZE}x}"


def folder_of(branch: str) -> str:
    """Return the folder with the moves of a branch. Raises `InvalidName`."""
    return f"refs/{check_plain(branch, 'Branch').encode().hex()}/"


def parse_place(place: str) -> tuple[str, int]:
    """Return branch and number of a file below ``refs/``. Raises `CorruptRecord`."""
    folder, _, number = place.partition("/")
    try:
        branch = check_plain(bytes.fromhex(folder).decode("ascii"), "Branch")
        if len(number) == _NUMBER_SIZE and place == place_of(branch, int(number, 16)).removeprefix("refs/"):
            return branch, int(number, 16)
    except (ValueError, InvalidName) as why:
        raise CorruptRecord(what=f"refs/{place}", reason=str(why)) from why
    raise CorruptRecord(what=f"refs/{place}", reason="this is no place of a branch")
