"""What client and server say to each other over HTTP, besides frames: both sides of each message side by side.

Format: docs/formats/http.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from hangar_core.errors import CorruptRecord, InvalidName
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.hashing.digests import DIGEST_SIZE, DOMAINS, HASH_SIZE
from hangar_core.model import CommitId, Digest
from hangar_core.names import check_plain
from hangar_core.remotes.frames import split_digests
from hangar_core.remotes.transport import Info, RefUpdate

PROTOCOL: Final = "hangar-remote/1"
CONTENT_TYPE: Final = "application/x-hangar-frames"
# So many digests in one request, and bytes of one that carries no objects.
MOST_DIGESTS: Final = 1 << 16
MOST_QUESTION: Final = 4 << 20
# What is said of a `put` that is to be told of: it is kept, whoever is killed; and then that it is stored, durably.
KEPT: Final = b"kept\n"
STORED: Final = b"stored\n"
_CODES: Final = bytes(sorted(DOMAINS))
_MOST_BRANCHES: Final = 100_000


def encode_digests(wanted: Sequence[Digest]) -> bytes:
    """Return the body of `has` and `get`."""
    return b"".join(wanted)


def decode_digests(data: bytes) -> list[Digest]:
    """Return the digests in a body. Raises `CorruptRecord`."""
    if len(data) % DIGEST_SIZE or len(data) > MOST_DIGESTS * DIGEST_SIZE:
        raise CorruptRecord(what="list of digests", reason=f"{len(data)} bytes")
    if data[HASH_SIZE::DIGEST_SIZE].translate(None, _CODES):
        raise CorruptRecord(what="list of digests", reason="a digest has an unknown code")
    return split_digests(data)


def encode_history(heads: Sequence[CommitId], known: Sequence[CommitId], limit: int) -> bytes:
    """Return the body of `history`."""
    out = FieldWriter().u32(limit).u32(len(heads))
    return out.raw(b"".join(heads)).raw(b"".join(known)).done()


def decode_history(data: bytes) -> tuple[list[CommitId], list[CommitId], int]:
    """Return heads, known commits and limit. Raises `CorruptRecord`."""
    fields = FieldReader(data, "question about history")
    limit, count = fields.u32(), fields.u32()
    commits = [
        CommitId(digests.check(one, digests.COMMIT, "question about history")) for one in decode_digests(data[8:])
    ]
    if count > len(commits):
        raise fields.corrupt(f"{count} heads, and {len(commits)} commits")
    return commits[:count], commits[count:], limit


def encode_info(info: Info) -> bytes:
    """Return the answer to `info`."""
    branches = {name: digests.text(commit) for name, commit in info.branches.items()}
    return json.dumps({"protocol": PROTOCOL, "batch_bytes": info.batch_bytes, "branches": branches}).encode()


def decode_info(data: bytes) -> Info:
    """Return what a server says of itself. Raises `CorruptRecord`."""
    match _parsed(data, "answer"):
        case {"protocol": str(protocol), "batch_bytes": int(size), "branches": dict(branches)}:
            if protocol != PROTOCOL:
                raise CorruptRecord(what="answer", reason=f"the server speaks {protocol!a}, not {PROTOCOL}")
            if len(branches) <= _MOST_BRANCHES and size > 0:
                found = {_branch(name): _commit(commit) for name, commit in branches.items()}
                return Info(found, min(size, 64 << 20))
    raise CorruptRecord(what="answer", reason="it does not say what the server is")


def encode_update(update: RefUpdate) -> bytes:
    """Return the body of `move`."""
    old, new = (None if one is None else digests.text(one) for one in (update.old, update.new))
    return json.dumps({**update._asdict(), "old": old, "new": new}).encode()


def decode_update(data: bytes) -> RefUpdate:
    """Return what is to be moved. Raises `CorruptRecord`."""
    match _parsed(data, "move"):
        case {
            "branch": branch,
            "old": old,
            "new": new,
            "user": str(user),
            "time": int(time),
            "reason": str(reason),
            "force": bool(force),
        }:
            if 0 <= time < 1 << 60 and len(user) <= 1024 and len(reason) <= 4096:
                ends = [None if one is None else _commit(one) for one in (old, new)]
                return RefUpdate(_branch(branch), ends[0], ends[1], user, time, reason, force)
    raise CorruptRecord(what="move", reason="it does not say which branch is to go where")


def encode_error(code: str, message: str, hint: str | None = None) -> bytes:
    """Return the body of an answer that refuses; `code` is stable, `message` for people."""
    return json.dumps({"error": code, "message": message[:2000], "hint": hint}).encode()


def decode_error(data: bytes) -> tuple[str, str, str | None]:
    """Return code, message and hint; of what is no such body, an empty code and nothing of what it says."""
    try:
        match json.loads(data[:16384]):
            case {"error": str(code), "message": str(message), **others}:
                hint = others.get("hint")
                return code[:64], message[:2000], hint[:2000] if isinstance(hint, str) else None
    except (ValueError, RecursionError):
        pass
    return "", "", None


def _parsed(data: bytes, what: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as why:
        raise CorruptRecord(what=what, reason=str(why)) from why


def _branch(name: object) -> str:
    try:
        return check_plain(name, "Branch")
    except InvalidName as why:
        raise CorruptRecord(what="branch", reason=str(why)) from why


def _commit(text: object) -> CommitId:
    found = digests.from_text(text) if isinstance(text, str) else None
    return CommitId(digests.check(found or b"", digests.COMMIT, "commit"))
