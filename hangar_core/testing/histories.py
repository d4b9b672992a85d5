"""A small history as objects, for whoever tests what carries them."""

from __future__ import annotations

import numpy as np

from hangar_core.hashing import digests
from hangar_core.hashing.samples import payload_of
from hangar_core.hashing.schemas import encode_schema
from hangar_core.model import Commit, CommitId, Digest, Schema
from hangar_core.records.commits import ArraysetRow, encode_commit, encode_root
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import Node
from hangar_core.remotes.frames import Frame, arrays_frame, plain_frame
from hangar_core.remotes.transport import RefUpdate

ROWS = [np.full((2, 3), value, "<f4") for value in range(5)]


class History:
    """A small history as objects: `frames` in an order in which a remote can take them one by one."""

    def __init__(self, length: int = 3, message: str = "commit") -> None:
        self.payloads = [payload_of(row) for row in ROWS]
        self.data = [payload.digest for payload in self.payloads]
        self.objects: dict[Digest, bytes] = {}
        tree = self._add(
            digests.NODE,
            Node(0, [encode_key(f"s{n}") for n in range(len(ROWS))], self.data, None, 32).encoded(),
        )
        note = self._add(digests.TEXT, b"a note")
        metadata = self._add(digests.NODE, Node(0, [encode_key("note")], [note], None, 32).encoded())
        schema = self._add(digests.SCHEMA, encode_schema(Schema("<f4", (2, 3))))
        rows = [ArraysetRow("numbers", schema, tree, len(ROWS), {})]
        root = self._add(digests.ROOT, encode_root(rows, metadata, 1))
        self.commits: list[CommitId] = []
        for number in range(length):
            parents = tuple(self.commits[-1:])
            commit = Commit(parents, root, 1_700_000_000_000_000 + number, "Ada", "ada@example.org", message)
            self.commits.append(CommitId(self._add(digests.COMMIT, encode_commit(commit))))

    def _add(self, code: int, data: bytes) -> Digest:
        digest = digests.compute(code, data)
        self.objects[digest] = data
        return digest

    @property
    def array_frame(self) -> Frame:
        """All arrays."""
        rows = [bytes(payload.data) for payload in self.payloads]
        return arrays_frame("<f4", (2, 3), self.data, rows)

    @property
    def record_frame(self) -> Frame:
        """All records, what is named before what names it."""
        return plain_frame(list(self.objects), list(self.objects.values()))

    def move(self, new: CommitId | None, old: CommitId | None = None, *, force: bool = False) -> RefUpdate:
        """Return the update of `master`."""
        return RefUpdate("master", old, new, "Ada <ada@example.org>", 1_700_000_000_000_000, "push", force)
