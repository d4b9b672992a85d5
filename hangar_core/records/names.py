"""What is recorded about names that point at commits: annotated tags and the reflog.

Format: docs/formats/repository.md.
"""

from __future__ import annotations

from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.model import CommitId, User
from hangar_core.reports import Move, Tag

_FORMAT = 1


def encode_tag(tag: Tag) -> bytes:
    """Return the value of a tag; its name is the key."""
    return FieldWriter().u8(_FORMAT).raw(tag.commit).u64(tag.time).text(tag.user).text(tag.message).done()


def decode_tag(name: str, data: bytes) -> Tag:
    """Return the tag. Raises `CorruptRecord`."""
    fields = _begin(data, "tag")
    commit = CommitId(digests.check(fields.raw(digests.DIGEST_SIZE), digests.COMMIT, "tag"))
    tag = Tag(name, commit, fields.moment(), fields.text(), fields.text())
    fields.done()
    return tag


def encode_move(move: Move) -> bytes:
    """Return the value of a reflog entry; name and time are in the key."""
    out = FieldWriter().u8(_FORMAT).blob(move.old or b"").blob(move.new or b"").text(move.user).text(move.reason)
    return out.done()


def decode_move(name: str, time: int, data: bytes) -> Move:
    """Return the reflog entry. Raises `CorruptRecord`."""
    fields = _begin(data, "reflog")
    old, new = (
        CommitId(digests.check(one, digests.COMMIT, "reflog")) if (one := fields.blob()) else None for _ in "on"
    )
    move = Move(name, time, old, new, fields.text(), fields.text())
    fields.done()
    return move


def signature(user: User) -> str:
    """Return how a person is written in tags and the reflog."""
    return f"{user.name} <{user.email}>"


def _begin(data: bytes, what: str) -> FieldReader:
    fields = FieldReader(data, what)
    if (form := fields.u8()) != _FORMAT:
        raise fields.corrupt(f"format {form} is unknown to this version")
    return fields
