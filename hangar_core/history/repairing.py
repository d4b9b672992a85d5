"""Repair: what the table `locations` has lost is found again by walking the packs.

Only what commits name is put back, and only data whose digest was computed anew. Nothing is ever removed. It runs under
the writer lock and before any writer opens: that one would cut packs where the table `packs` says they end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hangar_core.backends.base import Location
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.backends.pack_frames import PACK_SUFFIX
from hangar_core.backends.pack_walk import Damaged, walk
from hangar_core.errors import CorruptRecord
from hangar_core.history import refs
from hangar_core.history.commits import read_commit, read_root
from hangar_core.history.objects import Objects
from hangar_core.model import CommitId, Digest
from hangar_core.storage.context import RepoContext
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.layout import COMPACT
from hangar_core.storage.lock import WriterLock
from hangar_core.storage.snapshots import Reader


class Repair(NamedTuple):
    """What a repair found. `named` counts the samples' data that commits name, `whole` those that were in order.

    `elsewhere` counts those that this repository has never had: it came from a remote without all of its data.
    """

    named: int
    whole: int
    restored: int
    missing: tuple[Digest, ...]
    damaged: tuple[Damaged, ...]
    unreadable: tuple[str, ...]
    elsewhere: int = 0


def repair(context: RepoContext, wait: float = 0.0) -> Repair:
    """Put data that lie whole in packs, and that commits name, back into `locations`.

    Every sample that a commit names is read. Raises `Locked`, `StorageFailed`.
    """
    lock = WriterLock(context.layout.lock_file, wait)
    try:
        context.layout.require(COMPACT)  # many places are put back as a run
        named, unreadable = _named(context)
        data = context.open_data()
        try:
            lost = {digest for digest in named if not _is_whole(data, digest)}
            absent = _absent(context, lost)
        finally:
            data.close()
        places, ends, damaged = _search(context, named, lost)
        _put_back(context, places, ends)
    finally:
        lock.release()
    missing = tuple(sorted(lost - absent - places.keys()))
    elsewhere = len(absent - places.keys())
    return Repair(len(named), len(named) - len(lost), len(places), missing, damaged, unreadable, elsewhere)


def _absent(context: RepoContext, lost: set[Digest]) -> set[Digest]:
    """Return those of which nothing says that they were ever here; where history is complete, none of them."""
    with context.tables.read() as reader:
        if not refs.is_partial(reader):
            return set()
        absent = set()
        for digest in lost:
            try:
                if reader.get("locations", digest) is None:
                    absent.add(digest)
            except CorruptRecord:
                pass  # somebody has recorded a place
    return absent


def _named(context: RepoContext) -> tuple[set[Digest], tuple[str, ...]]:
    """Return the digests of all data that commits name, and what could not be read of their records."""
    objects = Objects(context.tables)
    with context.tables.read() as reader:
        todo: list[CommitId] = list(starts(reader))
    named: set[Digest] = set()
    seen: set[Digest] = set()
    unreadable: list[str] = []
    while todo:
        commit_id = todo.pop()
        if commit_id in seen:
            continue
        seen.add(commit_id)
        try:
            commit = read_commit(objects, commit_id)
            todo += commit.parents
            for aset in read_root(objects, commit.root).arraysets.values():
                _gather(objects, aset.tree, named, seen, unreadable)
                if aset.provenance is not None:  # which names no data
                    _gather(objects, aset.provenance, set(), seen, unreadable)
        except CorruptRecord as why:
            unreadable.append(str(why))
    return named, tuple(unreadable)


def starts(reader: Reader) -> Iterator[CommitId]:
    """Yield the commits that branches, tags and stashes point at, and those at which branches have pointed."""
    yield from (head for head in refs.branches(reader).values() if head is not None)
    yield from (tag.commit for tag in refs.tags(reader).values())
    yield from (commit for _, commit, _ in refs.stashes(reader))
    for move in refs.moves(reader):
        yield from (commit for commit in (move.old, move.new) if commit is not None)


def _gather(objects: Objects, root: Digest, named: set[Digest], seen: set[Digest], unreadable: list[str]) -> None:
    todo = [root]
    while todo:
        digest = todo.pop()
        if digest in seen:  # most of a tree is that of the commit before
            continue
        seen.add(digest)
        try:
            node = objects.get_node(digest)
            below = node.digests
        except CorruptRecord as why:
            unreadable.append(str(why))
            continue
        if node.level:
            todo += below
        else:
            named.update(below)


def _is_whole(data: DataReader, digest: Digest) -> bool:
    try:
        location = data.locate(digest)
        # What only a remote has is where it should be.
        return location is not None and (not data.has(digest) or data.holds(digest, location, verify=True))
    except CorruptRecord:
        return False


def _search(
    context: RepoContext, named: set[Digest], lost: set[Digest]
) -> tuple[dict[Digest, Location], dict[bytes, int], tuple[Damaged, ...]]:
    """Return where lost data are, how far each pack is in use, and what of the packs is damaged."""
    directory = context.layout.data / PACK
    places: dict[Digest, Location] = {}
    ends: dict[bytes, int] = {}
    damaged: list[Damaged] = []
    for path in sorted(directory.glob(f"*{PACK_SUFFIX}")) if directory.is_dir() else ():
        for found in walk(path):
            if isinstance(found, Damaged):
                damaged.append(found)
            elif found.digest in named:
                ends[found.uid] = found.end
                if found.digest in lost:
                    places.setdefault(found.digest, found.location)
    return places, ends, tuple(damaged)


def _put_back(context: RepoContext, places: Mapping[Digest, Location], ends: Mapping[bytes, int]) -> None:
    known: dict[bytes, int] = {}
    with context.tables.read() as reader:
        for uid in ends:
            try:
                found = reader.get("packs", uid)
            except CorruptRecord:
                found = None
            known[uid] = int.from_bytes(found or b"", "little")
    # Without its length here, the next writer would take the end of a pack for what a crash left behind.
    longer = {uid: end for uid, end in ends.items() if end > known[uid]}
    if not places and not longer:
        return
    with context.tables.write() as batch:
        batch.put_many("locations", places.items())
        batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in longer.items()))
