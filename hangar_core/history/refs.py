"""Names that point at commits, and the state of staging, in the table `refs`.

::

    HEAD              name of the branch that staging is based on
    generation        u64, raised whenever the staging log starts anew
    heads/NAME        commit, or nothing while the branch has none
    remotes/R/NAME    commit: where a branch of a remote was last seen
"""

from __future__ import annotations

from hangar_core.errors import AlreadyExists, AmbiguousDigest, BranchNotFound, CommitNotFound, CorruptRecord, NoCommits
from hangar_core.hashing import digests
from hangar_core.model import CommitId
from hangar_core.names import check_plain
from hangar_core.storage.tables import Batch, Reader

DEFAULT_BRANCH = "master"
_HEAD = b"HEAD"
_GENERATION = b"generation"
_BRANCHES = b"heads/"
_REMOTES = b"remotes/"
_SHORTEST = 4
_LISTED = 5


def _branch_key(name: str) -> bytes:
    return _BRANCHES + name.encode()


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


def move_head(batch: Batch, branch: str, old: CommitId | None, new: CommitId) -> None:
    """Set a branch, if it still points at `old`."""
    batch.expect("refs", _branch_key(branch), old or b"", branch)
    batch.put("refs", _branch_key(branch), new)


def create_branch(reader: Reader, batch: Batch, name: object, commit: CommitId) -> str:
    """Add a branch. Raises `InvalidName`, `AlreadyExists`."""
    checked = check_plain(name, "Branch")
    key = _branch_key(checked)
    if reader.get("refs", key) is not None:
        raise AlreadyExists(
            kind="Branch", name=checked, hint=f"choose another name, or use `hangar checkout {checked}`"
        )
    batch.expect("refs", key, None, checked)
    batch.put("refs", key, commit)
    return checked


def branches(reader: Reader) -> dict[str, CommitId | None]:
    """Return local branches and, as `remote/branch`, those of remotes, by name."""
    local = {key[len(_BRANCHES) :].decode(): _commit(value) for key, value in reader.items("refs", _BRANCHES)}
    remote = {key[len(_REMOTES) :].decode(): _commit(value) for key, value in reader.items("refs", _REMOTES)}
    return dict(sorted({**local, **remote}.items()))


def resolve(reader: Reader, text: str | None) -> CommitId:
    """Return the commit that a branch name or a full or short digest means; None means the staging branch.

    Raises `CommitNotFound`, `AmbiguousDigest`, `NoCommits`.
    """
    name = staging_branch(reader) if text is None else text
    known = branches(reader)
    if name in known:
        commit = known[name]
        if commit is None:
            raise NoCommits(branch=name)
        return commit
    wanted = name.lower()
    if len(wanted) < _SHORTEST or not digests.is_hex(wanted):
        raise CommitNotFound(text=name)
    found = [
        CommitId(digests.check(key, digests.COMMIT, "commit"))
        for key, _ in reader.items("nodes", bytes.fromhex(wanted[: len(wanted) // 2 * 2]))
        if digests.code_of(key) == digests.COMMIT and digests.text(key).startswith(wanted)
    ]
    if not found:
        raise CommitNotFound(text=name)
    if len(found) > 1:
        listed = ", ".join(digests.text(one)[: len(wanted) + 8] for one in found[:_LISTED])
        raise AmbiguousDigest(text=name, count=len(found), candidates=listed)
    return found[0]
