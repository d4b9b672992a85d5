"""A hostile remote: a bare remote whose files hold whatever somebody likes, past everything that verifies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hangar_core.hashing import digests
from hangar_core.hashing.schemas import encode_schema
from hangar_core.model import Commit, CommitId, Digest, Schema
from hangar_core.records.commits import ArraysetRow, encode_commit, encode_root
from hangar_core.remotes.bare import MARKER
from hangar_core.remotes.branches import Position, encode_position
from hangar_core.remotes.frames import Frame, plain_frame
from hangar_core.remotes.segments import encode_segment

# What the one segment is called.
UID = "00" * 16


class HostileRemote:
    """Collects objects; `publish` writes them all as they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[Digest, bytes] = {}
        self.frames: list[Frame] = []

    def add(self, code: int, data: bytes, *, as_digest: Digest | None = None) -> Digest:
        """Add an object, under another digest if that is wanted."""
        digest = as_digest or digests.compute(code, data)
        self.objects[digest] = data
        return digest

    def commit(
        self, tree: Digest, metadata: Digest, *, count: int = 1, parents: Sequence[CommitId] = (), name: str = "numbers"
    ) -> CommitId:
        """Add a commit with one arrayset of that tree."""
        schema = self.add(digests.SCHEMA, encode_schema(Schema("<f4", (2, 3))))
        row = ArraysetRow(name, schema, tree, count, {})
        root = self.add(digests.ROOT, encode_root([row], metadata, 0))
        return self.commit_of(root, parents)

    def commit_of(self, root: Digest, parents: Iterable[CommitId] = ()) -> CommitId:
        """Add a commit of any root."""
        data = encode_commit(Commit(tuple(parents), root, 1_700_000_000_000_000, "Eve", "eve@example.org", "trust me"))
        return CommitId(self.add(digests.COMMIT, data))

    def publish(self, head: CommitId, *, branch_file: str = "6d6173746572/0000000000000001") -> str:
        """Write everything, and return the address; `branch_file` is the place of `master`."""
        frames = [*self.frames, plain_frame(list(self.objects), list(self.objects.values()))]
        buffers, _ = encode_segment(frames)
        moved = Position(head, 1_700_000_000_000_000, "Eve", "push", bytes(16))
        for name, data in {
            MARKER: b'{"format": 1, "requires": []}',
            f"segments/{UID}": b"".join(buffers),
            f"refs/{branch_file}": encode_position(moved),
        }.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return str(self.folder)
