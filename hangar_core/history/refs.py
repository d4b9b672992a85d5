"""Names that point at commits, and the state of staging, in the table `refs`.

::

    HEAD              name of the branch that staging is based on
    generation        u64, raised whenever the staging log starts anew
    heads/NAME        commit, or nothing while the branch has none
    remotes/R/NAME    commit: where a branch of a remote was last seen
    tags/NAME         commit, and who tagged it when and why
    stash/NUMBER      commit that holds changes put aside, and the branch they were on
    runs              note about a run (see `run_notes`): the newest; it names the one before
    partial           nothing; there once history has come without all of its data

Every move of a branch is noted in the table `reflog`, and every stash that goes, so that nothing a user had becomes
unreachable by accident: see `hangar_core.history.roots`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hangar_core.errors import (
    AlreadyExists,
    AmbiguousDigest,
    BranchNotFound,
    CommitNotFound,
    CorruptRecord,
    InvalidName,
    TagNotFound,
)
from hangar_core.hashing import digests
from hangar_core.model import CommitId, Digest
from hangar_core.names import check_plain

if TYPE_CHECKING:
    from hangar_core.reports import Move, Tag
    from hangar_core.storage.batches import Batch
    from hangar_core.storage.snapshots import Reader

DEFAULT_BRANCH = "master"
RESERVED = "HEAD"
# Where the reflog keeps stashes that are gone. No branch can have this name.
DROPPED_STASHES = "stash/dropped"
_HEAD = b"HEAD"
_GENERATION = b"generation"
_BRANCHES = b"heads/"
_REMOTES = b"remotes/"
_TAGS = b"tags/"
_STASHES = b"stash/"
_PARTIAL = b"partial"
_RUNS = b"runs"
_SHORTEST = 4
_LISTED = 5


class Note:
    """What the reflog says about a move: who, when (microseconds), and why.

    `renamed_from` is the name that the branch has had so far, if all that changes is that.
    """

    __slots__ = ("reason", "renamed_from", "time", "user")

    def __init__(self, user: str, time: int, reason: str, renamed_from: str | None = None) -> None:
        self.user, self.time, self.reason, self.renamed_from = user, time, reason, renamed_from


def _encoded(name: str) -> bytes:
    """Return the key of a name that someone asks for: half a character, which no name has, finds nothing."""
    return name.encode(errors="backslashreplace")


def _branch_key(name: str) -> bytes:
    return _BRANCHES + _encoded(name)


def _commit(value: bytes) -> CommitId | None:
    return CommitId(digests.check(value, digests.COMMIT, "branch head")) if value else None


def create_first(batch: Batch) -> None:
    """Write the refs of a fresh repository."""
    batch.put("refs", _HEAD, DEFAULT_BRANCH.encode())
    batch.put("refs", _GENERATION, (1).to_bytes(8, "little"))
    batch.put("refs", _branch_key(DEFAULT_BRANCH), b"")


def staging_branch(reader: Reader) -> str:
    """Return the branch last used for writing."""
    name = reader.get("refs", _HEAD)
    if name is None:
        raise CorruptRecord(what="refs/HEAD", reason="it is missing")
    return name.decode()


def set_staging_branch(batch: Batch, name: str) -> None:
    batch.put("refs", _HEAD, name.encode())


def generation(reader: Reader) -> int:
    """Return the generation of the staging log that counts; older logs were committed or dropped."""
    value = reader.get("refs", _GENERATION)
    if value is None:
        raise CorruptRecord(what="refs/generation", reason="it is missing")
    return int.from_bytes(value, "little")


def raise_generation(batch: Batch, current: int) -> None:
    """Make the staging log of generation `current` void, if it still is the one that counts."""
    batch.expect("refs", _GENERATION, current.to_bytes(8, "little"), "the staging area")
    batch.put("refs", _GENERATION, (current + 1).to_bytes(8, "little"))


def head(reader: Reader, branch: str) -> CommitId | None:
    """Return the commit of a local branch, None while it has none. Raises `BranchNotFound`."""
    value = reader.get("refs", _branch_key(branch)) if branch else None
    if value is None:
        raise BranchNotFound(name=branch)
    return _commit(value)


def move_head(batch: Batch, branch: str, old: CommitId | None, new: CommitId, note: Note) -> None:
    """Set a branch, if it still points at `old`."""
    batch.expect("refs", _branch_key(branch), old or b"", branch)
    batch.put("refs", _branch_key(branch), new)
    _log_move(batch, branch, old, new, note)


def remove_branch(batch: Batch, branch: str, old: CommitId | None, note: Note) -> None:
    """Remove a branch, if it still points at `old`. Of one that is renamed the moves are with the new name already."""
    batch.expect("refs", _branch_key(branch), old or b"", branch)
    batch.delete("refs", _branch_key(branch))
    if note.renamed_from != branch:
        _log_move(batch, branch, old, None, note)


def create_branch(reader: Reader, batch: Batch, name: object, commit: CommitId | None, note: Note) -> str:
    """Add a branch; one that is renamed takes its moves along. Raises `InvalidName`, `AlreadyExists`."""
    checked = _check_name(name, "Branch")
    key = _branch_key(checked)
    if reader.get("refs", key) is not None:
        raise AlreadyExists(
            kind="Branch", name=checked, hint=f"choose another name, or use `hangar checkout {checked}`"
        )
    batch.expect("refs", key, None, checked)
    batch.put("refs", key, commit or b"")
    if note.renamed_from is not None:
        _rename_moves(reader, batch, note.renamed_from, checked)
    _log_move(batch, checked, None if note.renamed_from is None else commit, commit, note)
    return checked


def _check_name(name: object, kind: str) -> str:
    """Return `name` if a branch or a tag may have it. Raises `InvalidName`."""
    if name == RESERVED:
        raise InvalidName(kind=kind, name=RESERVED, rule="It means the staging branch.")
    return check_plain(name, kind)


def branches(reader: Reader) -> dict[str, CommitId | None]:
    """Return local branches and, as `remote/branch`, those of remotes, by name."""
    local = {key[len(_BRANCHES) :].decode(): _commit(value) for key, value in reader.items("refs", _BRANCHES)}
    if not local:  # there is one from the first moment on, and the last one cannot be removed
        raise CorruptRecord(what="table refs", reason="it has no branch left")
    remote = {key[len(_REMOTES) :].decode(): _commit(value) for key, value in reader.items("refs", _REMOTES)}
    return dict(sorted({**local, **remote}.items()))


def remote_heads(reader: Reader, remote: str) -> dict[str, CommitId]:
    """Return where the branches of a remote were last seen."""
    prefix = _remote_key(remote, "")
    found = ((key[len(prefix) :].decode(), _commit(value)) for key, value in reader.items("refs", prefix))
    return {name: commit for name, commit in found if commit is not None}


def set_remote_head(batch: Batch, remote: str, branch: str, commit: CommitId) -> None:
    """Note where a branch of a remote is. Raises `InvalidName`: a remote may call its branches anything."""
    batch.put("refs", _remote_key(check_plain(remote, "Remote"), check_plain(branch, "Branch")), commit)


def forget_remote_head(batch: Batch, remote: str, branch: str) -> None:
    """Remove what is noted of one branch of a remote."""
    batch.delete("refs", _remote_key(remote, branch))


def forget_remote(reader: Reader, batch: Batch, remote: str) -> None:
    """Remove all that is noted of a remote; its commits stay."""
    for branch in remote_heads(reader, remote):
        batch.delete("refs", _remote_key(remote, branch))


def _remote_key(remote: str, branch: str) -> bytes:
    return _REMOTES + _encoded(f"{remote}/{branch}")


def by_digest(reader: Reader, text: str) -> CommitId:
    """Return the commit that a full or short digest means. Raises `CommitNotFound`, `AmbiguousDigest`."""
    wanted = text.lower()
    if len(wanted) < _SHORTEST or not digests.is_hex(wanted):
        raise CommitNotFound(text=text)
    found = [
        CommitId(digests.check(key, digests.COMMIT, "commit"))
        for key, _ in reader.items("nodes", bytes.fromhex(wanted[: len(wanted) // 2 * 2]))
        if digests.code_of(key) == digests.COMMIT and digests.text(key).startswith(wanted)
    ]
    if not found:
        raise CommitNotFound(text=text)
    if len(found) > 1:
        listed = ", ".join(digests.text(one)[: len(wanted) + 8] for one in found[:_LISTED])
        raise AmbiguousDigest(text=text, count=len(found), candidates=listed)
    return found[0]


# --- tags -----------------------------------------------------------------------------------------------------------


def tags(reader: Reader) -> dict[str, Tag]:
    """Return all tags by name."""
    from hangar_core.records.names import decode_tag  # who reads samples has no use for it

    found = ((key[len(_TAGS) :].decode(), value) for key, value in reader.items("refs", _TAGS))
    return {name: decode_tag(name, value) for name, value in found}


def create_tag(reader: Reader, batch: Batch, tag: Tag) -> None:
    """Add a tag. Raises `InvalidName`, `AlreadyExists`."""
    from hangar_core.records.names import encode_tag

    key = _TAGS + _check_name(tag.name, "Tag").encode()
    if reader.get("refs", key) is not None:
        raise AlreadyExists(kind="Tag", name=tag.name, hint="a tag stays where it is: choose another name")
    batch.expect("refs", key, None, tag.name)
    batch.put("refs", key, encode_tag(tag))


def remove_tag(reader: Reader, batch: Batch, name: str) -> Tag:
    """Remove a tag and return it. Raises `TagNotFound`."""
    from hangar_core.records.names import decode_tag

    key = _TAGS + _encoded(name)
    value = reader.get("refs", key)
    if value is None:
        raise TagNotFound(name=name)
    batch.expect("refs", key, value, name)
    batch.delete("refs", key)
    return decode_tag(name, value)


# --- stashes --------------------------------------------------------------------------------------------------------


def stashes(reader: Reader) -> list[tuple[bytes, CommitId, str]]:
    """Return (key, commit, branch) of all stashes, newest first."""
    found = []
    for key, value in reader.items("refs", _STASHES):
        commit = CommitId(digests.check(value[: digests.DIGEST_SIZE], digests.COMMIT, "stash"))
        found.append((key, commit, value[digests.DIGEST_SIZE :].decode()))
    return found[::-1]


def put_stash(reader: Reader, batch: Batch, commit: CommitId, branch: str) -> None:
    """Add a stash behind all others."""
    before = stashes(reader)
    number = int.from_bytes(before[0][0][len(_STASHES) :], "big") + 1 if before else 0
    key = _STASHES + number.to_bytes(8, "big")
    batch.expect("refs", key, None, "the stash")
    batch.put("refs", key, commit + branch.encode())


def drop_stash(batch: Batch, key: bytes, commit: CommitId, note: Note) -> None:
    """Remove a stash by the key that `stashes` gave; the reflog keeps its commit."""
    batch.delete("refs", key)
    _log_move(batch, DROPPED_STASHES, None, commit, note)


# --- partial history ------------------------------------------------------------------------------------------------


def mark_partial(batch: Batch) -> None:
    """Note that commits may name data that are not here. Belongs into the transaction that brings such commits."""
    batch.put("refs", _PARTIAL, b"")


def is_partial(reader: Reader) -> bool:
    """Whether data that commits name may be missing here. Without the mark nobody needs to look for them."""
    return reader.get("refs", _PARTIAL) is not None


# --- runs -----------------------------------------------------------------------------------------------------------


def run_notes(reader: Reader) -> Digest | None:
    """Return the newest note about a run, None if there is none."""
    value = reader.get("refs", _RUNS)
    return None if value is None else digests.check(value, digests.TEXT, "runs")


def move_run_notes(batch: Batch, old: Digest | None, new: Digest) -> None:
    """Make `new` the newest note, if `old` still is. Whoever asks must have put it into the batch."""
    batch.expect("refs", _RUNS, old, "runs")
    batch.put("refs", _RUNS, new)


# --- reflog ---------------------------------------------------------------------------------------------------------


def _log_move(batch: Batch, name: str, old: CommitId | None, new: CommitId | None, note: Note) -> None:
    from hangar_core.records.names import encode_move
    from hangar_core.reports import Move

    # The random tail keeps two moves of one microsecond apart.
    key = name.encode() + b"\0" + note.time.to_bytes(8, "big") + os.urandom(4)
    batch.put("reflog", key, encode_move(Move(name, note.time, old, new, note.user, note.reason)))


def _rename_moves(reader: Reader, batch: Batch, old: str, new: str) -> None:
    for key, value in reader.items("reflog", _encoded(old) + b"\0"):
        batch.delete("reflog", key)
        batch.put("reflog", new.encode() + key[key.index(b"\0") :], value)


def moves(reader: Reader, branch: str | None = None) -> list[Move]:
    """Return the moves of one branch (or of `DROPPED_STASHES`), or of all, newest first."""
    from hangar_core.records.names import decode_move

    prefix = b"" if branch is None else _encoded(branch) + b"\0"
    found = []
    for key, value in reader.items("reflog", prefix):
        name, _, rest = key.partition(b"\0")
        found.append(decode_move(name.decode(), int.from_bytes(rest[:8], "big"), value))
    # Sorting is stable, so that moves of one moment stay in the order of their keys.
    return sorted(found, key=lambda move: -move.time)
