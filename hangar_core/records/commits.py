"""Commits and what they contain, as canonical bytes. Format: docs/formats/records.md."""

from __future__ import annotations

from hangar_core.errors import InvalidName
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.model import Commit, CommitId, Digest
from hangar_core.names import check_plain

_FORMAT = 1
# Of a root in which some arrayset has provenance.
_WITH_PROVENANCE = 2
# What Python's `len` can return.
_MOST = 2**63 - 1


class ArraysetRow:
    """One arrayset as a root lists it: the schema by its digest."""

    __slots__ = ("count", "name", "options", "provenance", "schema", "tree")

    def __init__(
        self,
        name: str,
        schema: Digest,
        tree: Digest,
        count: int,
        options: dict[str, str],
        provenance: Digest | None = None,
    ) -> None:
        self.name = name
        self.schema = schema
        self.tree = tree
        self.count = count
        self.options = options
        self.provenance = provenance


def encode_commit(commit: Commit) -> bytes:
    """Return the canonical bytes of a commit."""
    out = FieldWriter().u8(_FORMAT).u8(len(commit.parents))
    for parent in commit.parents:
        out.raw(parent)
    out.raw(commit.root).u64(commit.time).text(commit.user).text(commit.email).text(commit.message)
    return out.done()


def decode_commit(data: bytes) -> Commit:
    """Return the commit that `encode_commit` wrote. Raises `CorruptRecord`."""
    fields = FieldReader(data, "commit")
    if (form := fields.u8()) != _FORMAT:
        raise fields.corrupt(f"format {form} is unknown to this version")
    parents = tuple(
        CommitId(digests.check(fields.raw(digests.DIGEST_SIZE), digests.COMMIT, "commit")) for _ in range(fields.u8())
    )
    root = digests.check(fields.raw(digests.DIGEST_SIZE), digests.ROOT, "commit")
    commit = Commit(parents, root, fields.moment(), fields.text(), fields.text(), fields.text())
    fields.done()
    return commit


def encode_root(rows: list[ArraysetRow], metadata: Digest, metadata_count: int) -> bytes:
    """Return the canonical bytes of a commit's content: arraysets by name, options by key."""
    form = _FORMAT if all(row.provenance is None for row in rows) else _WITH_PROVENANCE
    out = FieldWriter().u8(form).raw(metadata).u64(metadata_count).u32(len(rows))
    for row in sorted(rows, key=lambda row: row.name):
        out.text(row.name).raw(row.schema).raw(row.tree).u64(row.count).options(row.options)
        if form == _WITH_PROVENANCE:
            out.blob(row.provenance or b"")
    return out.done()


def decode_root(data: bytes) -> tuple[list[ArraysetRow], Digest, int]:
    """Return (arraysets, metadata tree, metadata count). Raises `CorruptRecord`.

    Names are checked by their rule, and names and option keys must ascend: equal content has one form.
    """
    fields = FieldReader(data, "commit root")
    if (form := fields.u8()) not in (_FORMAT, _WITH_PROVENANCE):
        raise fields.corrupt(f"format {form} is unknown to this version")
    metadata = digests.check(fields.raw(digests.DIGEST_SIZE), digests.NODE, "commit root")
    metadata_count = _count(fields)
    rows: list[ArraysetRow] = []
    for _ in range(fields.u32()):
        try:
            name = check_plain(fields.text(), "Arrayset")
        except InvalidName as why:
            raise fields.corrupt(str(why)) from why
        if rows and name <= rows[-1].name:
            raise fields.corrupt(f"arrayset `{name}` is out of order")
        schema = digests.check(fields.raw(digests.DIGEST_SIZE), digests.SCHEMA, "commit root")
        tree = digests.check(fields.raw(digests.DIGEST_SIZE), digests.NODE, "commit root")
        count, options = _count(fields), fields.options()
        provenance = fields.blob() if form == _WITH_PROVENANCE else b""
        if provenance:
            digests.check(provenance, digests.NODE, "commit root")
        rows.append(ArraysetRow(name, schema, tree, count, options, Digest(provenance) if provenance else None))
    fields.done()
    if form == _WITH_PROVENANCE and all(row.provenance is None for row in rows):
        raise fields.corrupt("it has the format for provenance, and none")
    return rows, metadata, metadata_count


def _count(fields: FieldReader) -> int:
    count = fields.u64()
    if count > _MOST:
        raise fields.corrupt(f"{count} samples are more than there can be")
    return count
