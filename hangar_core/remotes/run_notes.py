"""Notes about runs, there and back, when they are asked for: host names and parameters may be nobody else's business.

At a remote they are the metadata of a branch with a name of its own, which no other use may have: each note under the
digest of its text. So they are sent, verified and merged by the means that all history has; nothing in them is ever
executed. Format: docs/formats/bare-remote.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import BadAnswer, CorruptRecord, PushRejected
from hangar_core.hashing import digests
from hangar_core.history import refs, tree, tree_edits
from hangar_core.history.commits import read_commit, read_root, write_commit, write_root
from hangar_core.history.objects import Objects
from hangar_core.history.run_notes import append_notes, arrived, run_notes, travelling
from hangar_core.model import Commit, CommitId, Digest, Root
from hangar_core.names import RUNS_BRANCH
from hangar_core.records.keys import encode_key
from hangar_core.remotes.fetch import fetch_history
from hangar_core.remotes.push import send_commit
from hangar_core.remotes.transport import Transport
from hangar_core.remotes.working import WorkingRemote

if TYPE_CHECKING:
    from hangar_core.history.integrating import Author
    from hangar_core.storage.context import RepoContext
    from hangar_core.storage.tables import Tables

_TRIES: Final = 20
_MOST_BYTES: Final = 4 << 20
_MESSAGE: Final = "notes about runs"


def push_notes(context: RepoContext, transport: Transport, remote: str, author: Author) -> int:
    """Send the notes that the remote lacks, and return how many those are. Raises `RemoteError`, `PushRejected`."""
    if isinstance(transport, WorkingRemote):  # keeps its own as this repository does
        return _add(transport.tables, list(run_notes(context.tables)))
    for left in reversed(range(_TRIES)):
        info = transport.info()
        old = info.branches.get(RUNS_BRANCH)
        objects = Objects(context.tables)
        if old is not None:
            _bring(context, transport, remote, old)
        root = _root(objects, old)
        held = (_held(objects, note) for note in run_notes(context.tables))
        fresh = {
            key: digest
            for key, digest in ((_key(one), one) for one in held)
            if tree.lookup(objects, root.metadata, key) is None
        }
        if not fresh:
            return 0
        try:
            head = _commit(context, objects, old, root, fresh, author)
            note = author.note("push")
            send_commit(context, transport, remote, RUNS_BRANCH, head, info, note, force=False, progress=None)
        except PushRejected:  # somebody else has just sent theirs
            if not left:
                raise
        else:
            return len(fresh)
    raise AssertionError("unreachable")


def fetch_notes(context: RepoContext, transport: Transport, remote: str) -> int:
    """Add the notes of a remote that are not here, and return how many those are.

    Raises `BadAnswer` for what are no notes, with nothing added; `RemoteError`, `StorageFailed`.
    """
    if isinstance(transport, WorkingRemote):
        return _add(context.tables, list(run_notes(transport.tables)))
    head = transport.info().branches.get(RUNS_BRANCH)
    if head is None:
        return 0
    _bring(context, transport, remote, head)
    objects = Objects(context.tables)
    here = _names(context.tables)
    fresh: list[dict[str, Any]] = []
    for key, digest in tree.items(objects, _root(objects, head).metadata):
        if digest in here:
            continue
        try:
            text = objects.get_text(digest)
            if key != _key(digest) or len(text) > _MOST_BYTES:
                raise CorruptRecord(what="run note", reason="it is not under its digest, or too long")
            fresh.append(arrived(text))
        except CorruptRecord as why:
            raise BadAnswer(address=remote, reason=f"among its notes about runs: {why}") from why
    append_notes(context.tables, fresh)
    return len(fresh)


def _add(tables: Tables, notes: list[dict[str, Any]]) -> int:
    """Add those of other notes, newest first, that are not here; return how many those are."""
    here = _names(tables)
    fresh = [note for note in reversed(notes) if digests.text_digest(travelling(note)) not in here]
    append_notes(tables, fresh)
    return len(fresh)


def _names(tables: Tables) -> set[Digest]:
    return {digests.text_digest(travelling(note)) for note in run_notes(tables)}


def _bring(context: RepoContext, transport: Transport, remote: str, head: CommitId) -> None:
    """Have the notes of a remote here as it keeps them. They are no branch that anybody wants to see in a list."""
    if not Objects(context.tables).has(head):
        fetch_history(context, transport, remote, RUNS_BRANCH, head)
    with context.tables.write() as batch:
        refs.forget_remote_head(batch, remote, RUNS_BRANCH)


def _root(objects: Objects, head: CommitId | None) -> Root:
    if head is None:
        return Root({}, tree_edits.empty(objects), 0)
    return read_root(objects, read_commit(objects, head).root)


def _held(objects: Objects, note: dict[str, Any]) -> Digest:
    """Hold the text of a note for the next transaction."""
    return objects.put(digests.TEXT, travelling(note).encode())


def _key(digest: Digest) -> bytes:
    """Return the key of a note: its digest without the code, which is as long as a name may be."""
    return encode_key(digest[: digests.HASH_SIZE].hex())


def _commit(
    context: RepoContext, objects: Objects, old: CommitId | None, root: Root, fresh: dict[bytes, Digest], author: Author
) -> CommitId:
    """Store what the remote is to have: its own notes and ours."""
    metadata = tree_edits.apply(objects, root.metadata, sorted(fresh.items()))
    content = write_root(objects, Root({}, metadata, tree.count(objects, metadata)))
    user = author.user
    parents = () if old is None else (old,)
    head = write_commit(objects, Commit(parents, content, author.time, user.name, user.email, _MESSAGE))
    with context.tables.write() as batch:
        objects.flush(batch)
    return head
