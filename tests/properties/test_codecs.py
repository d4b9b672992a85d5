"""Every codec: what was encoded decodes to the same value; other bytes give a typed error or what they say."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from drawn import records as drawn
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.backends import pack_frames
from hangar_core.backends.pack_frames import BadFrame
from hangar_core.errors import CorruptRecord, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.originals import Original, decode_original, encode_original
from hangar_core.hashing.schemas import decode_schema, encode_schema
from hangar_core.history.cuts import decode_cut, encode_cut
from hangar_core.provenance import (
    ReadingRecord,
    SourceRecord,
    decode_reading,
    decode_source,
    encode_reading,
    encode_source,
)
from hangar_core.records import merging, names, provenance_log, staging
from hangar_core.records.commits import decode_commit, decode_root, encode_commit, encode_root
from hangar_core.records.edits import decode_edits, encode_edits
from hangar_core.records.keys import (
    decode_either,
    decode_key,
    decode_nested,
    encode_either,
    encode_key,
    encode_nested,
)
from hangar_core.records.nodes import Node, decode_node, encode_node


class Codec(NamedTuple):
    """`values` draws arguments of `encode`; `decode` gives them back, compared through `seen`."""

    values: st.SearchStrategy[Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    seen: Callable[[Any], Any] = lambda value: value


def _seen_node(node: Node) -> tuple[Any, ...]:
    counts = None if node.counts is None else tuple(node.counts)
    return node.level, tuple(node.keys), tuple(node.digests), counts, node.fanout, node.total


def _seen_edits(value: Any) -> Any:
    before, edits = value
    return before, list(edits)


def _seen_root(root: Any) -> Any:
    rows, metadata, count = root
    seen = {row.name: (row.schema, row.tree, row.count, row.options, row.provenance) for row in rows}
    return seen, metadata, count


def _seen_provenance(value: Any) -> Any:
    """Encoded from a mapping, decoded into columns."""
    if len(value) == 2:
        return value
    name, keys, found = value
    return name, dict(zip(keys, found, strict=True))


def _spread(encode: Callable[..., bytes]) -> Callable[[Any], bytes]:
    return lambda value: encode(*value)


CODECS: dict[str, Codec] = {
    "key": Codec(drawn.sample_keys, encode_key, decode_key),
    "nested key": Codec(drawn.nested_keys, encode_nested, decode_nested),
    "either key": Codec(drawn.sample_keys | drawn.nested_keys, encode_either, decode_either),
    "schema": Codec(drawn.schemas, encode_schema, decode_schema),
    "commit": Codec(drawn.commits, encode_commit, decode_commit),
    "cut": Codec(st.frozensets(drawn.of_code(digests.COMMIT), max_size=5), encode_cut, decode_cut),
    "edits": Codec(
        st.tuples(drawn.of_code(digests.NODE), drawn.tree_edits), _spread(encode_edits), decode_edits, _seen_edits
    ),
    "root": Codec(drawn.roots, _spread(encode_root), decode_root, _seen_root),
    "original": Codec(
        st.tuples(drawn.originals, st.binary(max_size=20)),
        lambda value: encode_original(value[0]) + value[1],
        decode_original,
    ),
    "reading": Codec(drawn.readings, encode_reading, decode_reading),
    "source": Codec(drawn.sources, encode_source, decode_source),
    "node": Codec(drawn.nodes(), encode_node, decode_node, _seen_node),
    "location": Codec(
        st.tuples(st.binary(min_size=16, max_size=16), drawn.u64),
        _spread(pack_frames.encode_location),
        pack_frames.decode_location,
    ),
    "pack header": Codec(
        st.binary(min_size=16, max_size=16), pack_frames.encode_pack_header, pack_frames.decode_pack_header
    ),
    "begin": Codec(drawn.begins, staging.encode_begin, staging.decode_begin),
    "samples": Codec(
        st.tuples(drawn.plain_names, st.lists(drawn.changes, max_size=6)),
        _spread(staging.encode_samples),
        staging.decode_samples,
        lambda value: (value[0], list(value[1])),
    ),
    "arrayset": Codec(
        st.tuples(drawn.plain_names, drawn.schemas, drawn.option_sets),
        _spread(staging.encode_arrayset),
        staging.decode_arrayset,
    ),
    "remove": Codec(drawn.plain_names, staging.encode_remove, staging.decode_remove),
    "metadata": Codec(
        st.tuples(drawn.encoded_keys, st.none() | drawn.texts),
        _spread(staging.encode_metadata),
        staging.decode_metadata,
    ),
    "group": Codec(
        st.lists(st.tuples(st.sampled_from([0, 2, 3, 4, 5, 8, 9, 10, 12, 13]), st.binary(max_size=20)), max_size=5),
        staging.encode_group,
        staging.decode_group,
    ),
    "boot": Codec(drawn.texts, staging.encode_boot, staging.decode_boot),
    "merge": Codec(drawn.merges, merging.encode_merge, merging.decode_merge),
    "resolved": Codec(
        st.tuples(st.just("") | drawn.plain_names, st.just(b"") | drawn.encoded_keys),
        _spread(merging.encode_resolved),
        merging.decode_resolved,
    ),
    "adopt": Codec(st.tuples(drawn.plain_names, drawn.arraysets), _spread(merging.encode_adopt), merging.decode_adopt),
    "provenance": Codec(
        st.tuples(drawn.plain_names, st.dictionaries(drawn.encoded_keys, drawn.of_code(digests.PROVENANCE))),
        _spread(provenance_log.encode_provenance),
        provenance_log.decode_provenance,
        _seen_provenance,
    ),
    "provenance tree": Codec(
        st.tuples(drawn.plain_names, drawn.of_code(digests.NODE)),
        _spread(provenance_log.encode_provenance_tree),
        provenance_log.decode_provenance_tree,
    ),
    "tag": Codec(drawn.tags, names.encode_tag, lambda data: names.decode_tag("v1", data)),
    "move": Codec(drawn.moves, names.encode_move, lambda data: names.decode_move("dev", 7, data)),
}
# Equal values have equal bytes and no others: these become digests.
HASHED = ("key", "nested key", "either key", "schema", "commit", "root", "node", "original", "reading", "source")
# A name may be cut to another name, a list of changes to a shorter one; and both may go on.
OPEN_ENDED = {"key", "nested key", "either key", "samples", "group", "original"}

codecs = pytest.mark.parametrize("name", CODECS)


def _decoded(codec: Codec, data: bytes) -> Any:
    """Return what `data` decode to, or None where they are refused in the foreseen way."""
    try:
        return codec.decode(data)
    except (CorruptRecord, BadFrame, UnsupportedFormat):
        return None


@codecs
@given(data=st.data())
def test_what_was_encoded_decodes_to_the_same_value(name: str, data: st.DataObject) -> None:
    codec = CODECS[name]
    value = data.draw(codec.values)
    assert codec.seen(codec.decode(codec.encode(value))) == codec.seen(value)


@codecs
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_with_a_typed_error_or_decode(name: str, data: bytes) -> None:
    _decoded(CODECS[name], data)


@codecs
@given(data=st.data())
def test_damaged_bytes_are_refused_with_a_typed_error_or_decode_to_what_they_say(
    name: str, data: st.DataObject
) -> None:
    """A few bytes replaced, cut out or put in: nearer to the real thing than arbitrary ones."""
    codec = CODECS[name]
    whole = bytearray(codec.encode(data.draw(codec.values)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    found = _decoded(codec, bytes(whole))
    if found is not None and name in HASHED:
        assert codec.encode(found) == whole, "one value has two forms"


@codecs
@given(data=st.data())
def test_no_beginning_of_a_record_is_a_record(name: str, data: st.DataObject) -> None:
    codec = CODECS[name]
    whole = codec.encode(data.draw(codec.values))
    if name in OPEN_ENDED:
        for end in range(len(whole)):
            _decoded(codec, whole[:end])
    else:
        assert [end for end in range(len(whole)) if _decoded(codec, whole[:end]) is not None] == []


@codecs
@given(data=st.data())
def test_bytes_behind_a_record_are_refused(name: str, data: st.DataObject) -> None:
    codec = CODECS[name]
    whole = codec.encode(data.draw(codec.values))
    if name in OPEN_ENDED or name == "pack header":  # the file goes on behind its header
        _decoded(codec, whole + b"\xff")
    else:
        assert _decoded(codec, whole + b"\0") is None


@codecs
def test_no_claimed_size_is_allocated(name: str) -> None:
    """Every place where a length may stand is set to the largest one."""
    codec = CODECS[name]
    whole = codec.encode(_example(name))
    for at in range(len(whole)):
        for size in (1, 2, 4, 8):
            forged = whole[:at] + b"\xff" * min(size, len(whole) - at) + whole[at + size :]
            tracemalloc.start()
            try:
                _decoded(codec, forged)
                assert tracemalloc.get_traced_memory()[1] < 1 << 20
            finally:
                tracemalloc.stop()


def _example(name: str) -> Any:
    node, schema_id = digests.compute(digests.NODE, b""), digests.compute(digests.SCHEMA, b"")
    array, root = digests.compute(digests.ARRAY, b""), digests.compute(digests.ROOT, b"")
    commit = drawn.CommitId(digests.compute(digests.COMMIT, b""))
    schema = drawn.Schema("<f4", (2, 3))
    examples: dict[str, Any] = {
        "key": "name",
        "nested key": ("name", 7),
        "either key": (7, "name"),
        "schema": schema,
        "commit": drawn.Commit((commit,), root, 1, "user", "mail", "message"),
        "cut": frozenset({commit}),
        "root": ([drawn.ArraysetRow("images", schema_id, node, 3, {"key": "value"})], node, 1),
        "node": Node(1, (b"a", b"b"), (node, node), (1, 2), 32),
        "location": (bytes(16), 64),
        "pack header": bytes(16),
        "begin": drawn.Begin(1, "master", commit, "boot"),
        "edits": (node, [(b"\x02a", array, None), (b"\x02b", None, array)]),
        "samples": ("images", [(b"\x02a", array, b"location"), (b"\x02b", None, b"")]),
        "arrayset": ("images", schema, {"key": "value"}),
        "remove": "images",
        "metadata": (b"\x02a", "value"),
        "group": [(2, b"payload"), (6, b"")],
        "boot": "boot",
        "merge": drawn.MergeState("merge", "dev", "message", root, root, commit),
        "resolved": ("images", b"\x02a"),
        "adopt": ("images", drawn.Arrayset(schema, node, 3, {"key": "value"})),
        "original": (Original("image", "", "jpg", {"a": "1"}, "<f4", (2, 3), array), b"bytes"),
        "reading": ReadingRecord("image", "1", "photos", {"mode": "null"}),
        "source": SourceRecord(digests.compute(digests.PROVENANCE, b""), bytes(32), 3, 1, "a.jpg"),
        "provenance": ("images", {b"\x02a": digests.compute(digests.PROVENANCE, b"")}),
        "provenance tree": ("images", node),
        "tag": drawn.Tag("v1", commit, 1, "user", "message"),
        "move": drawn.Move("dev", 7, commit, commit, "user", "reason"),
    }
    return examples[name]
