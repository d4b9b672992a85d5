"""Packs: what was stored comes back bit for bit, and what was damaged is an error that names file and place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from numpy.typing import NDArray
from packed import pack_of, publish, same

from hangar_core import files
from hangar_core.backends import pack_frames
from hangar_core.backends.base import Location
from hangar_core.errors import CorruptDataError, DataMissing, StorageFailed
from hangar_core.hashing import digests
from hangar_core.hashing.arrays import array_digest
from hangar_core.model import Digest
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

FIRST = np.arange(6, dtype="<i4").reshape(2, 3)
SECOND = np.linspace(0, 1, 5)
NAN = np.array([0x7FF00000DEADBEEF], "<u8")
HEADER = 64  # of the pack; the first frame begins there


def packs_of(layout: Layout) -> set[Path]:
    return set(layout.data.rglob("*.pack"))


# --- in and out -----------------------------------------------------------------------------------------------------

VALUES: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
    "as it lies": (FIRST, FIRST),
    "big-endian": (FIRST.astype(">i4"), FIRST),
    "fortran": (np.asfortranarray(FIRST), FIRST),
    "every second, backwards": (np.arange(20, dtype="<u2")[::-2], np.arange(19, -1, -2, dtype="<u2")),
    "big-endian, transposed": (FIRST.astype(">i4").T, FIRST.T.copy()),
    "broadcast": (np.broadcast_to(np.float32(2), (3, 2)), np.full((3, 2), 2, "<f4")),
    "read-only": (np.frombuffer(b"abc", "u1"), np.frombuffer(b"abc", "u1").copy()),
    "scalar": (np.array(5, ">i8"), np.array(5, "<i8")),
    "no elements": (np.empty((0, 4), "<f8"), np.empty((0, 4), "<f8")),
    "longlong": (np.arange(3, dtype="q"), np.arange(3, dtype="<i8")),
    "nan payload": (NAN.view("<f8"), NAN.view("<f8")),
    "big-endian nan": (NAN.astype(">u8").view(">f8"), NAN.view("<f8")),
    "dates": (np.array(["2001-01-01", "NaT"], ">M8[us]"), np.array(["2001-01-01", "NaT"], "<M8[us]")),
    "three megabytes": (np.arange(400_000, dtype=">f8"), np.arange(400_000, dtype="<f8")),
}


@pytest.mark.parametrize("name", VALUES)
def test_an_array_comes_back_in_canonical_form_to_the_last_bit(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], name: str
) -> None:
    given, wanted = VALUES[name]
    digest = writer.put(given)
    assert digest == array_digest(wanted)
    assert same(writer.get(digest), wanted)
    publish(writer, tables)
    found: Any = readers().get(digest)
    assert same(found, wanted)
    assert found.flags.c_contiguous
    assert found.flags.writeable


def test_what_is_read_is_a_copy_of_ones_own(writer: DataWriter) -> None:
    digest = writer.put(FIRST)
    first: Any = writer.get(digest)
    first[:] = 0
    assert same(writer.get(digest), FIRST)


def test_many_arrays_of_all_sizes_come_back_from_one_batch(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    """Small ones are gathered, large ones written by themselves; none may move another."""
    sizes = [0, 1, 7, 8, 1000, 1 << 20, 3, (1 << 20) + 5, 1 << 19, 1 << 19, 1 << 19, 2]
    arrays = [np.full(size, number, "u1") for number, size in enumerate(sizes)]
    found = writer.put_many(arrays)
    publish(writer, tables)
    reader = readers()
    for digest, array in zip(found, arrays, strict=True):
        assert same(reader.get(digest), array)
    offsets = [pack_frames.decode_location(place)[1] for place in writer.staged.values()]
    assert {offset % 8 for offset in offsets} == {0}


def test_the_same_data_are_stored_once(writer: DataWriter, tables: Tables, layout: Layout) -> None:
    first = writer.put_many([FIRST, SECOND, FIRST, np.asfortranarray(FIRST), FIRST.astype(">i4")])
    assert len(set(first)) == 2
    publish(writer, tables)
    size = pack_of(layout).stat().st_size
    assert writer.put_many([SECOND, FIRST]) == [first[1], first[0]]
    later = DataWriter(layout, tables)
    assert later.put(FIRST) == first[0]
    assert later.staged == {}
    later.close()
    assert pack_of(layout).stat().st_size == size


def test_readers_see_a_pack_grow(writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]) -> None:
    reader = readers()
    for number in range(20):
        digest = writer.put(np.full(500 * (number + 1), number, "<i8"))
        publish(writer, tables)
        assert same(reader.get(digest), np.full(500 * (number + 1), number, "<i8"))


def test_a_reader_that_looked_in_the_middle_of_a_write_finds_the_rest_later(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader]
) -> None:
    """The pack was mapped when half of a frame's header was there, or half of its data."""
    first, second = writer.put_many([FIRST, SECOND])
    publish(writer, tables)
    path = pack_of(layout)
    whole = path.read_bytes()
    begin = pack_frames.decode_location(writer.staged[second])[1]
    for end in (begin, begin + 20, begin + 72, begin + 80, begin + 100, len(whole) - 8):
        path.write_bytes(whole[:end])
        reader = readers()
        assert same(reader.get(first), FIRST)
        path.write_bytes(whole)
        assert same(reader.get(second), SECOND)


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(writer: DataWriter, tables: Tables) -> Digest:
    """The digest of published data: the first frame of a pack."""
    digest = writer.put_many([FIRST, SECOND])[0]
    publish(writer, tables)
    return digest


def test_any_flipped_byte_of_header_or_frame_is_an_error_that_names_the_place(
    stored: Digest, layout: Layout, damage: Callable[..., Any], readers: Callable[[], DataReader]
) -> None:
    path = pack_of(layout)
    frame = pack_frames.decode_frame(path.read_bytes(), HEADER)
    for offset in range(HEADER + frame.size):
        with damage(path, offset):
            reader = readers()
            if offset >= HEADER + frame.payload_at + frame.payload_size:
                assert same(reader.get(stored), FIRST)  # the zeros behind the data mean nothing
                continue
            with pytest.raises(CorruptDataError) as error:
                reader.get(stored)
        assert error.value.file == path
        where = 0 if offset < HEADER else HEADER + (0 if offset < HEADER + frame.payload_at else frame.payload_at)
        assert error.value.offset == where
        assert str(path) in str(error.value)
        assert digests.text(stored) in str(error.value)
        assert error.value.exit_code == 6
    assert same(readers().get(stored), FIRST)


def test_a_pack_cut_anywhere_gives_an_error_or_the_right_data(
    stored: Digest, layout: Layout, readers: Callable[[], DataReader]
) -> None:
    path = pack_of(layout)
    whole = path.read_bytes()
    frame = pack_frames.decode_frame(whole, HEADER)
    needed = HEADER + frame.payload_at + frame.payload_size
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        reader = readers()
        if end >= needed:
            assert same(reader.get(stored), FIRST)
        else:
            with pytest.raises(CorruptDataError, match="damaged in"):
                reader.get(stored)


def test_a_missing_pack_is_missing_data_and_names_the_file(
    stored: Digest, layout: Layout, readers: Callable[[], DataReader]
) -> None:
    path = pack_of(layout)
    path.unlink()
    with pytest.raises(DataMissing, match=str(path)) as error:
        readers().get(stored)
    assert isinstance(error.value, FileNotFoundError)


def test_unknown_data_are_missing(readers: Callable[[], DataReader]) -> None:
    with pytest.raises(DataMissing):
        readers().get(array_digest(FIRST))
    assert not readers().has(array_digest(FIRST))


def test_a_pack_under_the_name_of_another_is_refused(
    stored: Digest, writer: DataWriter, layout: Layout, readers: Callable[[], DataReader]
) -> None:
    path = pack_of(layout)
    other = path.with_name(f"{bytes(range(16)).hex()}.pack")
    path.rename(other)
    _, offset = pack_frames.decode_location(writer.staged[stored])
    with pytest.raises(CorruptDataError, match="another pack"):
        readers().get(stored, pack_frames.encode_location(bytes(range(16)), offset))


def test_data_of_another_digest_are_never_given_out(
    stored: Digest, writer: DataWriter, readers: Callable[[], DataReader]
) -> None:
    place = writer.staged[array_digest(SECOND)]
    with pytest.raises(CorruptDataError, match=digests.text(array_digest(SECOND))):
        readers().get(stored, place)


@pytest.mark.parametrize("offset", [0, 63, 65, 72, 10**6, 2**63, 2**64 - 1])
def test_a_location_where_no_frame_begins_is_an_error(
    stored: Digest, writer: DataWriter, readers: Callable[[], DataReader], offset: int
) -> None:
    uid, _ = pack_frames.decode_location(writer.staged[stored])
    with pytest.raises(CorruptDataError) as error:
        readers().get(stored, pack_frames.encode_location(uid, offset))
    assert error.value.offset == offset


@pytest.mark.parametrize("place", [b"x", b"20", b"20" + bytes(23), b"20" + bytes(25), b"00" + bytes(24), b"\xff\xfe"])
def test_bytes_that_are_no_location_are_an_error(
    stored: Digest, readers: Callable[[], DataReader], place: bytes
) -> None:
    with pytest.raises(CorruptDataError):
        readers().get(stored, Location(place))


@pytest.mark.parametrize("dtype", ["|O", "O", "<i4,O", "|V24", "|S24", "<U6"])
def test_bytes_are_never_taken_for_objects_though_every_checksum_is_right(
    stored: Digest, layout: Layout, readers: Callable[[], DataReader], dtype: str
) -> None:
    """A frame that a forger sealed: objects would be addresses in memory."""
    path = pack_of(layout)
    whole = path.read_bytes()
    payload = bytes(24)
    header, _ = pack_frames.encode_frame(stored, dtype, (24 // 8,), payload)
    path.write_bytes(whole[:HEADER] + header + payload)
    assert pack_frames.decode_frame(path.read_bytes(), HEADER).payload_check == xxhash.xxh3_64_intdigest(payload)
    with pytest.raises(CorruptDataError, match=r"do not match|no sample"):
        readers().get(stored)


# --- what is known, and what only seemed so -------------------------------------------------------------------------


def heal(layout: Layout, tables: Tables, array: NDArray[Any]) -> Digest:
    """Store an array again in a new writer, and publish it."""
    writer = DataWriter(layout, tables)
    digest = writer.put(array)
    assert digest in writer.staged
    assert same(writer.get(digest), array)
    publish(writer, tables)
    writer.close()
    return digest


@pytest.mark.parametrize("place", ["pack header", "frame header", "data"])
def test_storing_damaged_data_again_stores_a_fresh_copy(
    stored: Digest, layout: Layout, tables: Tables, readers: Callable[[], DataReader], place: str
) -> None:
    path = pack_of(layout)
    frame = pack_frames.decode_frame(path.read_bytes(), HEADER)
    offset = {"pack header": 3, "frame header": HEADER + 20, "data": HEADER + frame.payload_at}[place]
    damaged = bytearray(path.read_bytes())
    damaged[offset] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(CorruptDataError):
        readers().get(stored)
    assert heal(layout, tables, FIRST) == stored
    assert same(readers().get(stored), FIRST)


def test_storing_data_of_a_lost_pack_again_stores_a_fresh_copy(
    stored: Digest, layout: Layout, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    pack_of(layout).unlink()
    assert heal(layout, tables, FIRST) == stored
    assert same(readers().get(stored), FIRST)
    with pytest.raises(DataMissing):
        readers().get(array_digest(SECOND))


def test_storing_data_whose_location_is_no_location_stores_a_fresh_copy(
    stored: Digest, layout: Layout, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    with tables.write() as batch:
        batch.put("locations", stored, b"99nowhere")
    assert heal(layout, tables, FIRST) == stored
    assert same(readers().get(stored), FIRST)


# --- what a crash leaves behind -------------------------------------------------------------------------------------


def test_what_lies_behind_the_published_end_is_reclaimed_and_the_rest_untouched(
    stored: Digest, layout: Layout, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    path = pack_of(layout)
    before = path.read_bytes()
    with path.open("ab") as torn:
        torn.write(b"HF20 and then the power went")
    stray = path.with_name(f"{bytes(16).hex()}.pack")
    stray.write_bytes(b"a pack of which nothing is known")
    foreign = path.with_name("notes.txt")
    foreign.write_bytes(b"not ours")

    writer = DataWriter(layout, tables)
    writer.recover()
    writer.close()
    assert path.read_bytes() == before
    assert not stray.exists()
    assert foreign.exists()
    assert same(readers().get(stored), FIRST)


def test_a_writer_that_stored_nothing_leaves_no_file(layout: Layout, tables: Tables) -> None:
    DataWriter(layout, tables).close()
    assert packs_of(layout) == set()


def test_data_that_nothing_names_are_given_back_on_closing(stored: Digest, layout: Layout, tables: Tables) -> None:
    before = {path: path.stat().st_size for path in packs_of(layout)}
    writer = DataWriter(layout, tables)
    writer.put(np.arange(1000))
    writer.close()
    writer.close()
    assert {path: path.stat().st_size for path in packs_of(layout)} == before


def test_what_a_crash_had_staged_can_be_dropped_and_the_writer_goes_on(layout: Layout, tables: Tables) -> None:
    first = DataWriter(layout, tables)
    staged = {digest: first.staged[digest] for digest in first.put_many([FIRST, SECOND])}
    first.keep()
    first.close()
    writer = DataWriter(layout, tables)
    assert writer.adopt(staged, durable=False, verify=False)
    assert writer.adopted_whole()
    writer.recover()
    writer.turn_over()
    assert not packs_of(layout)
    writer.put(NAN)
    publish(writer, tables)
    assert len(packs_of(layout)) == 1
    writer.close()


def test_after_a_failed_write_the_next_frames_are_whole_and_aligned(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full for a moment, in each of the writes that a large array takes."""
    large = np.full((1 << 20) + 3, 7, "u1")
    writes = 0
    write = files.AppendFile.write

    def failing(out: files.AppendFile, data: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes == fail_at:
            raise StorageFailed(path=out.path, reason="the disk is full")
        return write(out, data)

    writer.put(FIRST)
    for fail_at in (1, 2, 3):
        writes = 0
        with monkeypatch.context() as patch:
            patch.setattr(files.AppendFile, "write", failing)
            with pytest.raises(StorageFailed):
                writer.put(large + np.uint8(fail_at))
        digest = writer.put(SECOND + fail_at)
        assert pack_frames.decode_location(writer.staged[digest])[1] % 8 == 0
    again = writer.put(large + np.uint8(3))
    publish(writer, tables)
    reader = readers()
    assert same(reader.get(again), large + np.uint8(3))
    for fail_at in (1, 2, 3):
        assert same(reader.get(array_digest(SECOND + fail_at)), SECOND + fail_at)


def test_readers_of_many_packs_keep_a_bounded_number_open(
    layout: Layout, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    found = []
    for number in range(140):
        writer = DataWriter(layout, tables)
        found.append(writer.put(np.array(number)))
        publish(writer, tables)
        writer.close()
    reader = readers()
    for _ in range(2):
        for number, digest in enumerate(found):
            assert same(reader.get(digest), np.array(number))
    mapped = Path("/proc/self/maps")
    if mapped.exists():
        # Other readers of this process may have packs of theirs mapped.
        own = [line for line in mapped.read_text().splitlines() if str(layout.data) in line]
        assert 100 < len(own) <= 129
