"""Content-addressed records: put by value, got by digest, verified on every read.

What a writer makes is held back until a commit writes it in its one transaction; reads see it at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.model import CommitId, Digest
from hangar_core.records.compact_nodes import canonical, compacted
from hangar_core.records.nodes import Node, is_leaf, view_node
from hangar_core.storage.tables import Snapshot, Tables

if TYPE_CHECKING:
    from hangar_core.storage.batches import Batch

_CACHED_NODES = 8192
_LOOKED_AT_ONCE = 1024
# Where `hangar_core.history.cuts` keeps where history was cut, in the table `refs`.
CUT: Final = b"cut"
# The table of what `hangar_core.history.short_cuts` notes.
_EDITS: Final = "edits"
# From so many records on, room counts for more than the time that it takes to make nodes compact and whole again.
_MANY = 64


class Objects:
    """The `nodes` table, with a bounded cache of parsed tree nodes."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._cache: OrderedDict[Digest, Node] = OrderedDict()
        self._pending: dict[Digest, bytes] = {}
        # What is held of `hangar_core.history.short_cuts`.
        self._edits: dict[Digest, bytes] = {}
        self._cut: tuple[bytes | None, frozenset[CommitId]] = (None, frozenset())

    def get(self, digest: Digest) -> bytes:
        """Return the canonical bytes with that digest. Raises `CorruptRecord` when they are missing or other ones."""
        data = self._pending.get(digest)
        if data is not None:
            return data
        with self._tables.read() as reader:
            data = reader.get("nodes", digest)
        if data is None:
            raise CorruptRecord(what=digests.text(digest), reason="it is missing")
        code = digests.code_of(digest)
        if code == digests.NODE:
            data = canonical(data)
        if code not in digests.DOMAINS or digests.compute(code, data) != digest:
            raise CorruptRecord(what=digests.text(digest), reason="its content has another digest")
        return data

    def snapshot(self) -> Snapshot:
        """Read everything inside a `with` block from one snapshot: many small reads become cheaper.

        Not to be held while a caller gets the word: a snapshot that waits keeps the database from reusing its pages.
        """
        return self._tables.read()

    def get_text(self, digest: Digest) -> str:
        """Return the text with that digest. Raises `CorruptRecord`."""
        try:
            return self.get(digest).decode()
        except UnicodeDecodeError as why:
            raise CorruptRecord(what=digests.text(digest), reason=f"the text is not UTF-8: {why}") from why

    def has(self, digest: Digest) -> bool:
        """Whether the record is here."""
        if digest in self._pending:
            return True
        with self._tables.read() as reader:
            return reader.get("nodes", digest) is not None

    def present(self, wanted: Collection[Digest]) -> set[Digest]:
        """Return those of the records that are here."""
        found = {digest for digest in wanted if digest in self._pending} if self._pending else set()
        left = iter(wanted)
        with self._tables.read() as reader:
            while some := list(islice(left, _LOOKED_AT_ONCE)):  # for their bytes come along
                found.update(map(Digest, reader.get_many("nodes", some)))
        return found

    def get_commit(self, commit: CommitId) -> tuple[bytes, bool]:
        """Return the bytes of a commit, and whether history was cut there. Raises `CorruptRecord`."""
        with self._tables.read() as reader:
            data = self.get(commit)
            is_whole = reader.get("refs", CUT) is None  # nearly always; every commit of a walk is asked for
            return data, not is_whole and commit in self.cut()

    def cut(self) -> frozenset[CommitId]:
        """Return the commits at which history was cut: not all of their parents are here. Nearly always none."""
        with self._tables.read() as reader:
            value = reader.get("refs", CUT)
        if value != self._cut[0]:
            from hangar_core.history.cuts import decode_cut  # whole histories have no use for it

            self._cut = value, decode_cut(value)
        return self._cut[1]

    def hold_edits(self, root: Digest, data: bytes) -> None:
        """Hold, for the next `flush`, how a tree was made."""
        self._edits[root] = data

    def edits_of(self, root: Digest) -> bytes | None:
        """Return how a tree was made, if somebody has noted that. Whatever is wrong with a note counts as none."""
        with self._tables.read() as reader, suppress(CorruptRecord):
            return self._edits.get(root) or reader.get(_EDITS, root)
        return None

    def put(self, code: int, data: bytes) -> Digest:
        """Hold a record for the next `flush` and return its digest."""
        digest = digests.compute(code, data)
        self._pending[digest] = data
        return digest

    def get_node(self, digest: Digest) -> Node:
        """Return a tree node, parsed."""
        cache = self._cache
        node = cache.get(digest)
        if node is None:
            node = view_node(self.get(digest))
            self._keep(digest, node)
        return node

    def put_node(self, node: Node) -> Digest:
        """Hold a tree node for the next `flush`."""
        data = node.encoded()
        digest = self.put(digests.NODE, data)
        self._keep(digest, node if node.is_view else view_node(data))
        return digest

    def _keep(self, digest: Digest, node: Node) -> None:
        cache = self._cache
        cache[digest] = node
        if len(cache) > _CACHED_NODES:
            cache.popitem(last=False)

    def flush(self, batch: Batch) -> None:
        """Add what is held to the transaction of a commit."""
        batch.put_many("nodes", stored(self._pending))
        if self._edits:
            batch.put_many(_EDITS, self._edits.items())

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Hold what is put inside the block only as long as the block lasts: for trees that nobody will commit."""
        held, edits = dict(self._pending), dict(self._edits)
        try:
            yield
        finally:
            self._pending, self._edits = held, edits

    def clear_pending(self) -> None:
        """Forget what is held: it was written, or the commit was given up."""
        self._pending.clear()
        self._edits.clear()


def stored(records: Mapping[Digest, bytes]) -> Iterator[tuple[Digest, bytes]]:
    """Yield records as the database keeps them: leaves in their compact form, if there are many.

    Nodes of a small commit are read again before long, by the next and by who compares the two. Inner nodes are few,
    and little of them is said twice.
    """
    if len(records) < _MANY:
        yield from records.items()
        return
    node = digests.NODE
    for digest, data in records.items():
        yield digest, compacted(data) if digest[digests.HASH_SIZE] == node and is_leaf(data) else data
