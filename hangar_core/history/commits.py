"""Reading and writing commits and what they contain, through `Objects`."""

from __future__ import annotations

from hangar_core.hashing import digests
from hangar_core.hashing.schemas import decode_schema, encode_schema
from hangar_core.history.objects import Objects
from hangar_core.model import Arrayset, Commit, CommitId, Digest, Root
from hangar_core.records.commits import ArraysetRow, decode_commit, decode_root, encode_commit, encode_root


def read_commit(objects: Objects, commit: CommitId) -> Commit:
    """Return a commit, as it is seen where history was cut. Raises `CorruptRecord`."""
    data, is_cut = objects.get_commit(commit)
    found = decode_commit(data)
    if is_cut:
        there = tuple(parent for parent in found.parents if objects.has(parent))
        hidden = tuple(parent for parent in found.parents if parent not in there)
        return found._replace(parents=there, hidden=hidden)
    return found


def write_commit(objects: Objects, commit: Commit) -> CommitId:
    """Hold a commit for the next transaction and return its id."""
    return CommitId(objects.put(digests.COMMIT, encode_commit(commit)))


def read_root(objects: Objects, root: Digest) -> Root:
    """Return the content of a commit, schemas included; reads no tree."""
    rows, metadata, metadata_count = decode_root(objects.get(root))
    arraysets = {
        row.name: Arrayset(decode_schema(objects.get(row.schema)), row.tree, row.count, row.options, row.provenance)
        for row in rows
    }
    return Root(arraysets, metadata, metadata_count)


def root_of(objects: Objects, commit: CommitId | None) -> Root:
    """Return the content of a commit, or the content with which every history begins."""
    if commit is None:
        from hangar_core.history import tree_edits  # who reads samples has no use for it

        return Root({}, tree_edits.empty(objects), 0)
    return read_root(objects, root_digest(objects, commit))


def root_digest(objects: Objects, commit: CommitId | None) -> Digest:
    """Return by which digest the content of a commit is known; that with which every history begins is held."""
    if commit is None:
        return write_root(objects, root_of(objects, None))
    return read_commit(objects, commit).root


def write_root(objects: Objects, root: Root) -> Digest:
    """Hold the content of a commit for the next transaction."""
    rows = [
        ArraysetRow(
            name,
            objects.put(digests.SCHEMA, encode_schema(one.schema)),
            one.tree,
            one.count,
            dict(one.options),
            one.provenance,
        )
        for name, one in root.arraysets.items()
    ]
    return objects.put(digests.ROOT, encode_root(rows, root.metadata, root.metadata_count))
