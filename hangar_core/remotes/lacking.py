"""What a remote lacks of a branch: a walk from the head that never goes below what the remote has.

Whatever a remote has it has with everything that is named, so one answer about a node is one about all that is below.
Costs one round trip for each level of the trees, however long the history is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

from hangar_core.hashing import digests
from hangar_core.hashing.schemas import decode_schema
from hangar_core.history.commits import read_commit
from hangar_core.history.objects import Objects
from hangar_core.model import Commit, CommitId, Digest, Schema
from hangar_core.records.commits import decode_root
from hangar_core.remotes.checking import read_by
from hangar_core.remotes.transport import Transport

# So many objects are asked about in one request.
ASKED_AT_ONCE: Final = 1 << 16
_FIRST_COMMITS = 32
_MOST_COMMITS = 4096


class Lacking:
    """What is to be sent: `commits` with parents first, `nodes` by level, leaves also with the schema of their data."""

    def __init__(self) -> None:
        self.commits: list[CommitId] = []
        self.roots: list[Digest] = []
        self.schemas: list[Digest] = []
        # Metadata and provenance; a reading before the sources that name it.
        self.values: list[Digest] = []
        self.nodes: dict[int, list[Digest]] = {}
        self.leaves: list[tuple[Digest, Schema]] = []

    @property
    def records(self) -> int:
        """Number of records to be sent."""
        nodes = sum(map(len, self.nodes.values()))
        return len(self.commits) + len(self.roots) + len(self.schemas) + len(self.values) + nodes


def lacking(objects: Objects, transport: Transport, head: CommitId, known: Collection[CommitId]) -> Lacking:
    """Return what the remote lacks of `head`; it has the commits `known`. Raises `CorruptRecord`, `RemoteError`."""
    found = Lacking()
    commits = _commits(objects, transport, head, set(known))
    found.commits = parents_first(commits)
    found.roots = _absent(transport, dict.fromkeys(commits[one].root for one in found.commits))
    schemas: dict[Digest, None] = {}
    trees: dict[Digest, Schema | None] = {}
    for root in found.roots:
        rows, metadata, _ = decode_root(objects.get(root))
        trees.setdefault(metadata, None)
        for row in rows:
            schemas[row.schema] = None
            trees[row.tree] = decode_schema(objects.get(row.schema))
            if row.provenance is not None:
                trees.setdefault(row.provenance, None)
    found.schemas = _absent(transport, schemas)
    _descend(objects, transport, trees, found)
    return found


def _commits(objects: Objects, transport: Transport, head: CommitId, known: set[CommitId]) -> dict[CommitId, Commit]:
    """Return the commits that the remote lacks. It is asked about more and more of them at a time."""
    lacked: dict[CommitId, Commit] = {}
    todo: dict[CommitId, None] = {head: None}
    size = _FIRST_COMMITS
    while todo:
        asked: dict[CommitId, Commit] = {}
        while todo and len(asked) < size:
            one = next(iter(todo))
            del todo[one]
            if one not in known and one not in lacked:
                asked[one] = read_commit(objects, one)
                todo.update(dict.fromkeys(parent for parent in asked[one].parents if parent not in asked))
        there = {one for one, here in zip(asked, transport.has(list(asked)), strict=True) if here} if asked else set()
        known |= there
        lacked.update((one, commit) for one, commit in asked.items() if one not in there)
        # Behind what it has there is nothing to be asked.
        wanted = (parent for commit in lacked.values() for parent in commit.parents)
        todo = (
            {one: None for one in todo if one not in known}
            if not there
            else {one: None for one in wanted if one not in lacked and one not in known}
        )
        size = min(2 * size, _MOST_COMMITS)
    return lacked


def parents_first(commits: dict[CommitId, Commit]) -> list[CommitId]:
    """Return commits in an order in which parents, as far as they are among them, stand before their children."""
    children: dict[CommitId, list[CommitId]] = {}
    waiting: dict[CommitId, int] = {}
    for one, commit in commits.items():
        inside = [parent for parent in dict.fromkeys(commit.parents) if parent in commits]
        waiting[one] = len(inside)
        for parent in inside:
            children.setdefault(parent, []).append(one)
    ready = [one for one, count in waiting.items() if not count]
    ordered = []
    while ready:
        one = ready.pop()
        ordered.append(one)
        for child in children.get(one, ()):
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return ordered


def _descend(objects: Objects, transport: Transport, trees: dict[Digest, Schema | None], found: Lacking) -> None:
    values: dict[Digest, None] = {}
    met: set[Digest] = set()
    while trees:
        met.update(trees)
        below: dict[Digest, Schema | None] = {}
        with objects.snapshot():
            for digest in _absent(transport, trees):
                node, schema = objects.get_node(digest), trees[digest]
                found.nodes.setdefault(node.level, []).append(digest)
                if node.level:
                    below.update((child, schema) for child in node.digests if child not in met)
                elif schema is None:
                    values.update(dict.fromkeys(node.digests))
                else:
                    found.leaves.append((digest, schema))
        trees = below
    absent = _absent(transport, values)
    readings = dict.fromkeys(
        reading
        for one in absent
        if digests.code_of(one) == digests.PROVENANCE and (reading := read_by(objects.get(one))) is not None
    )
    found.values = [*_absent(transport, readings), *absent]


def _absent(transport: Transport, wanted: Iterable[Digest]) -> list[Digest]:
    """Return those that the remote does not have."""
    absent: list[Digest] = []
    left = iter(wanted)
    while some := list(islice(left, ASKED_AT_ONCE)):
        absent += (one for one, here in zip(some, transport.has(some), strict=True) if not here)
    return absent
