"""Records that decode field by field and are still not what a writer makes: one content has one form."""

from __future__ import annotations

import struct

import pytest
from drawn.records import LATEST

from hangar_core.errors import CorruptRecord, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldWriter
from hangar_core.hashing.schemas import decode_schema
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records import merging, staging
from hangar_core.records.commits import decode_commit, decode_root
from hangar_core.records.names import decode_tag
from hangar_core.records.nodes import decode_node

Options = list[tuple[str, str]]


def digest(code: int) -> Digest:
    return digests.compute(code, b"")


def root(
    *rows: tuple[str, Options], count: int = 1, metadata: int = digests.NODE, schema: int = digests.SCHEMA
) -> bytes:
    """Return a root whose rows and options stand in the order given."""
    out = FieldWriter().u8(1).raw(digest(metadata)).u64(count).u32(len(rows))
    for name, options in rows:
        out.text(name).raw(digest(schema)).raw(digest(digests.NODE)).u64(count).u32(len(options))
        for key, value in options:
            out.text(key).text(value)
    return out.done()


def test_rows_and_options_in_order_are_a_root() -> None:
    rows, _, count = decode_root(root(("a", []), ("b", [("x", "1"), ("y", "2")]), count=2**63 - 1))
    assert [(row.name, row.options) for row in rows] == [("a", {}), ("b", {"x": "1", "y": "2"})]
    assert count == 2**63 - 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (root(("b", []), ("a", [])), "out of order"),
        (root(("a", []), ("a", [])), "out of order"),
        (root(("a", [("y", ""), ("x", "")])), "out of order"),
        (root(("a", [("x", "1"), ("x", "2")])), "out of order"),
        (root(("a", []), count=2**63), "more than there can be"),
        (root(count=2**63), "more than there can be"),
        (root(("..", [])), "invalid"),
        (root(("../../tmp/x", [])), "invalid"),
        (root(("a\n", [])), "invalid"),
        (root(("", [])), "invalid"),
        (root(("é", [])), "invalid"),
        (root(metadata=digests.TEXT), "no digest with code 20"),
        (root(("a", []), schema=digests.NODE), "no digest with code 10"),
        (b"\x03" + root()[1:], "format 3"),
    ],
)
def test_any_other_root_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CorruptRecord, match=reason):
        decode_root(data)


def commit(*, time: int = 0, parent: int = digests.COMMIT, content: int = digests.ROOT) -> bytes:
    return (
        FieldWriter().u8(1).u8(1).raw(digest(parent)).raw(digest(content)).u64(time).text("").text("").text("").done()
    )


def test_a_commit_of_the_last_moment_of_the_year_9999_is_one() -> None:
    assert decode_commit(commit(time=LATEST)).time == LATEST


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (commit(time=LATEST + 1), "9999"),
        (commit(time=2**64 - 1), "9999"),
        (commit(parent=digests.NODE), "no digest with code 22"),
        (commit(content=digests.NODE), "no digest with code 21"),
        (b"\x00" + commit()[1:], "format 0"),
    ],
)
def test_a_commit_that_no_calendar_shows_or_that_names_other_things_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CorruptRecord, match=reason):
        decode_commit(data)


def test_a_tag_that_no_calendar_shows_is_refused() -> None:
    data = FieldWriter().u8(1).raw(digest(digests.COMMIT)).u64(LATEST + 1).text("").text("").done()
    with pytest.raises(CorruptRecord, match="9999"):
        decode_tag("v1", data)


def schema(dtype: str, *, kind: int = 1, flags: int = 0, shape: tuple[int, ...] = ()) -> bytes:
    out = FieldWriter().u8(1).u8(kind).u8(flags).text(dtype).u8(len(shape))
    for size in shape:
        out.u64(size)
    return out.done()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (schema("O"), "no dtype"),
        (schema("|O"), "no dtype"),
        (schema("f4"), "no dtype"),
        (schema(">f4"), "no dtype"),
        (schema("<M8"), "no dtype"),
        (schema("text"), "no dtype"),
        (schema("text\n\x1b", kind=1), "no dtype"),
        (schema("<f4", kind=2, flags=1), "samples of kind text"),
        (schema("text", kind=2), "samples of kind text"),
        (schema("bytes", kind=3, flags=1, shape=(1,)), "samples of kind bytes"),
        (schema("<f4", flags=8), "flags 08"),
        (schema("<f4", flags=0x80), "flags 80"),
    ],
)
def test_a_schema_of_something_that_is_never_stored_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CorruptRecord, match=reason):
        decode_schema(data)


@pytest.mark.parametrize("data", [schema("<f4", kind=0), schema("<f4", kind=4), b"\x02" + schema("<f4")[1:]])
def test_a_schema_of_a_newer_version_is_no_damage(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match=r"samples of kind [04]|schema format 2"):
        decode_schema(data)


def node(level: int, count: int, ends: list[int], keys: bytes, rest: bytes, form: int = 1) -> bytes:
    return struct.pack(f"<BBHI{len(ends)}I", form, level, 32, count, *ends) + keys + rest


LEAF, BELOW = digest(digests.ARRAY), digest(digests.NODE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        node(0, 0, [], b"", b"", form=2),
        node(41, 1, [1], b"a", BELOW + struct.pack("<Q", 1)),
        node(1, 0, [], b"", b""),
        node(0, 1, [0], b"", LEAF),
        node(0, 2, [1, 2], b"aa", LEAF * 2),
        node(0, 2, [1, 2], b"ba", LEAF * 2),
        node(0, 2, [2, 1], b"a", LEAF * 2),
        node(0, 2, [3, 2], b"ab", LEAF * 2),
        node(0, 1, [2], b"a", LEAF),
        node(0, 1, [2**32 - 1], b"a", LEAF),
        node(0, 2**32 - 1, [1], b"a", LEAF),
        node(0, 1, [1], b"a", LEAF + b"\0"),
        node(0, 1, [1], b"a", LEAF[:-1]),
        node(1, 1, [1], b"a", BELOW),
        node(1, 1, [1], b"a", BELOW + struct.pack("<Q", 0)),
        node(1, 1, [1], b"a", LEAF + struct.pack("<Q", 1)),
        node(0, 1, [1], b"a", BELOW),
        node(0, 2, [1, 2], b"ab", LEAF + digest(digests.COMMIT)),
    ],
)
def test_a_node_whose_parts_contradict_each_other_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode_node(data)


@pytest.mark.parametrize("name", [b"", b"..", b"../x", b"a b", b"\xff", b"a" * 65])
def test_operations_on_an_arrayset_with_a_forbidden_name_are_refused(name: bytes) -> None:
    valid_schema = schema("<f4")
    forged = {
        staging.decode_samples: bytes([len(name)]) + name,
        staging.decode_arrayset: FieldWriter().blob(name).blob(valid_schema).u32(0).done(),
        staging.decode_remove: FieldWriter().blob(name).done(),
        merging.decode_adopt: FieldWriter().blob(name).blob(valid_schema).raw(BELOW).u64(1).u32(0).done(),
    }
    if name:  # no name stands for the metadata here
        forged[merging.decode_resolved] = FieldWriter().blob(name).blob(b"").done()
    for decode, payload in forged.items():
        with pytest.raises(CorruptRecord):
            decode(payload)


def test_a_sample_set_to_something_that_is_no_data_is_refused() -> None:
    with pytest.raises(CorruptRecord, match="no data"):
        staging.decode_samples(b"\x01a\x01\x00\x01k" + BELOW)


@pytest.mark.parametrize("operation", [staging.BEGIN, staging.SYNCED, staging.BOOT, staging.GROUP])
def test_what_is_about_the_whole_log_is_refused_in_a_group(operation: int) -> None:
    with pytest.raises(CorruptRecord, match="stands in a group"):
        staging.decode_group(staging.encode_group([(operation, b"")]))


def test_a_text_that_is_not_utf_8_is_refused(objects: Objects) -> None:
    with pytest.raises(CorruptRecord, match="UTF-8"):
        objects.get_text(objects.put(digests.TEXT, b"\xff"))


@pytest.mark.parametrize(
    "changes",
    [
        b"\x01",
        b"\x01\x00",
        b"\x01\x00\x00",
        b"\xff\xff\x00",
        b"\xff\xff\xff",
        b"\x01\x00\x01k",
        b"\x01\x00\x01k" + LEAF[:-1],
        b"\x01\x00\x02k" + LEAF,
        b"\x01\x00\xffk" + LEAF + bytes(253),
    ],
)
def test_sample_records_that_are_cut_off_are_refused(changes: bytes) -> None:
    with pytest.raises(CorruptRecord, match="cut off"):
        staging.decode_samples(b"\x01a" + changes)
