"""Strategies for what becomes a record."""

from __future__ import annotations

from hypothesis import strategies as st

from hangar_core.errors import InvalidName
from hangar_core.hashing import digests
from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_core.hashing.originals import Original
from hangar_core.model import Arrayset, Commit, CommitId, Digest, Schema
from hangar_core.names import check_sample_key
from hangar_core.provenance import ReadingRecord, SourceRecord
from hangar_core.records.commits import ArraysetRow
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import MAX_LEVEL, Node
from hangar_core.records.staging import Begin
from hangar_core.reports import MergeState, Move, Tag

LATEST = 253_402_300_799_999_999
u64 = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**63 - 1)
moments = st.integers(0, LATEST)
texts = st.text(max_size=40)
plain_names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True).filter(lambda name: name not in {".", ".."})
option_sets = st.dictionaries(texts, texts, max_size=4)


def of_code(code: int) -> st.SearchStrategy[Digest]:
    """Digests of one code, of nothing in particular."""
    return st.binary(min_size=32, max_size=32).map(lambda hashed: Digest(hashed + bytes([code])))


commit_ids = of_code(digests.COMMIT).map(CommitId)


def _stored(name: str) -> str | None:
    try:
        return check_sample_key(name)  # type: ignore[return-value]  # text stays text
    except InvalidName:
        return None


sample_names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"]), min_size=1, max_size=60)
sample_keys = st.one_of(u64, sample_names.map(_stored).filter(lambda name: name is not None))
nested_keys = st.tuples(sample_keys, sample_keys)
encoded_keys = sample_keys.map(encode_key)  # type: ignore[arg-type]  # None is filtered out

_UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
_NUMBERS = ["|b1", "|i1", "|u1", *(f"<{kind}{size}" for kind in "iu" for size in (2, 4, 8))]
dtypes = st.one_of(
    st.sampled_from(sorted(ML_DTYPES)),
    st.sampled_from(
        ["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"]
    ),
    st.builds("<{}8[{}]".format, st.sampled_from("mM"), st.sampled_from(_UNITS)),
    st.builds("<{}8[{}{}]".format, st.sampled_from("mM"), st.integers(2, 2**31 - 1), st.sampled_from(_UNITS)),
)
array_schemas = st.builds(
    Schema,
    dtypes,
    st.lists(u64, max_size=31).map(tuple),
    variable=st.booleans(),
    named=st.booleans(),
    kind=st.just("array"),
    nested=st.booleans(),
)
other_schemas = st.builds(
    lambda kind, named, nested: Schema(kind, (), variable=True, named=named, kind=kind, nested=nested),
    st.sampled_from(["text", "bytes"]),
    st.booleans(),
    st.booleans(),
)
schemas = array_schemas | other_schemas
commits = st.builds(
    Commit,
    st.lists(commit_ids, max_size=4).map(tuple),
    of_code(digests.ROOT),
    moments,
    texts,
    texts,
    texts,
    st.just(()),
)
rows = st.builds(
    ArraysetRow,
    plain_names,
    of_code(digests.SCHEMA),
    of_code(digests.NODE),
    counts,
    option_sets,
    st.none() | of_code(digests.NODE),
)
originals = st.builds(
    Original,
    texts,
    texts,
    texts,
    option_sets,
    dtypes,
    st.lists(u64, max_size=31).map(tuple),
    st.none() | of_code(digests.ARRAY),
)
readings = st.builds(ReadingRecord, texts, texts, texts, option_sets)
sources = st.builds(SourceRecord, of_code(digests.PROVENANCE), st.binary(min_size=32, max_size=32), u64, u64, texts)
roots = st.tuples(st.lists(rows, max_size=5, unique_by=lambda row: row.name), of_code(digests.NODE), counts)
begins = st.builds(Begin, u64, texts, st.none() | commit_ids, texts)
locations = st.binary(max_size=254)
changes = st.one_of(
    st.tuples(encoded_keys, st.none(), st.just(b"")), st.tuples(encoded_keys, of_code(digests.ARRAY), locations)
)
merges = st.builds(
    MergeState, texts, texts, texts, of_code(digests.ROOT), of_code(digests.ROOT), st.none() | commit_ids
)
arraysets = st.builds(Arrayset, schemas, of_code(digests.NODE), counts, option_sets, st.none())
tags = st.builds(Tag, st.just("v1"), commit_ids, moments, texts, texts)
moves = st.builds(Move, st.just("dev"), st.just(7), st.none() | commit_ids, st.none() | commit_ids, texts, texts)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """A node of any level, with keys that need not be sample keys."""
    level = draw(st.integers(0, MAX_LEVEL))
    keys = sorted(draw(st.sets(st.binary(min_size=1, max_size=12), min_size=1 if level else 0, max_size=8)))
    code = digests.NODE if level else digests.ARRAY
    below = [draw(of_code(code)) for _ in keys]
    samples = [draw(st.integers(1, 2**64 - 1)) for _ in keys] if level else None
    return Node(level, keys, below, samples, draw(st.integers(0, 2**16 - 1)))


_data = of_code(digests.ARRAY)
# Sorted (key, digest before, digest after), of which at least one is there.
tree_edits = st.dictionaries(
    encoded_keys, st.tuples(_data, _data) | st.tuples(st.none(), _data) | st.tuples(_data, st.none()), max_size=6
).map(lambda drawn: [(key, *drawn[key]) for key in sorted(drawn)])
