"""Compressed packs: as good as others in everything but size, whichever way the samples came in."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xxhash
from numpy.typing import NDArray
from packed import pack_of, publish, same

from hangar_core.backends import codecs, pack_blocks, pack_frames
from hangar_core.backends.codecs import AutoCodecs, Compression
from hangar_core.errors import CorruptDataError, CorruptRecord
from hangar_core.hashing.arrays import array_digest
from hangar_core.hashing.samples import payload_of
from hangar_core.model import Digest
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

ZSTD = Compression("zstd", "digits")
AUTO = Compression("auto", "digits")
IN_BLOCK, ALONE = pack_blocks.BLOCK_LOCATION_SIZE, pack_frames.LOCATION_SIZE


def digits(count: int, size: int = 784) -> list[NDArray[Any]]:
    """Sparse bytes, no two arrays alike."""
    rng = np.random.default_rng(count)
    rows = rng.integers(0, 256, (count, size), dtype=np.uint8)
    return list(np.where(rng.random((count, size)) < 0.2, rows, np.uint8(0)))


def noise(count: int, size: int = 784) -> list[NDArray[Any]]:
    return list(np.random.default_rng(count).integers(0, 256, (count, size), dtype=np.uint8))


def ramps(count: int, size: int) -> list[NDArray[Any]]:
    """Large integers that differ in their low bytes only: they are smaller when they are shuffled."""
    return [np.arange(size, dtype="<i8") * 977 + 2**40 + number for number in range(count)]


def places(writer: DataWriter, found: list[Digest]) -> set[int]:
    return {len(writer.staged[digest]) for digest in found}


SETS: dict[str, tuple[list[NDArray[Any]], set[int]]] = {
    "many small ones": (digits(300), {IN_BLOCK}),
    "two": (digits(2), {IN_BLOCK}),
    "one": (digits(1), {ALONE}),
    "small ones that shuffle well": (ramps(300, 12), {IN_BLOCK}),
    "of one byte": ([np.full((1,), number, "u1") for number in range(200)] + digits(50, 1000), {IN_BLOCK, ALONE}),
    "noise": (noise(300), {ALONE}),
    "large ones": (digits(3, 100_000), {ALONE}),
    "larger than a write": ([np.arange(300_000, dtype="<i8") * 977, *digits(1, 3 << 20), *noise(1, 2 << 20)], {ALONE}),
    "of no elements and none of a kind": (
        [np.empty((0, 4), "<f8"), np.zeros((), "<c16"), np.zeros((7, 9), "<M8[us]"), np.zeros((2, 0), "?")],
        {ALONE},
    ),
    "mixed": (digits(70) + ramps(50, 30) + noise(5) + digits(2, 50_000) + digits(30, 99), {IN_BLOCK, ALONE}),
}


@pytest.mark.parametrize("name", SETS)
def test_arrays_come_back_by_every_way_of_reading(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], name: str
) -> None:
    arrays, sizes = SETS[name]
    found = writer.put_many(arrays, codec=ZSTD)
    assert places(writer, found) == sizes
    assert {
        pack_blocks.decode_block_location(place)[1] % 8 for place in writer.staged.values() if len(place) == IN_BLOCK
    } <= {0}
    staged = [writer.get(digest) for digest in found]
    publish(writer, tables)
    many = readers().get_many(found)
    for digest, array, old, batched in zip(found, arrays, staged, many, strict=True):
        one: Any = readers().get(digest) if len(arrays) < 10 else batched
        view: Any = readers().view(digest) if len(arrays) < 10 else batched.view()  # type: ignore[union-attr]
        assert all(same(each, array) for each in (one, view, old, batched))
        assert one.flags.writeable
        assert batched.flags.owndata or array.size == 0  # type: ignore[union-attr]
    assert all(readers().holds(digest, writer.staged[digest], verify=True) for digest in found[:3])


def test_a_view_of_compressed_data_is_read_only_and_read_into_fills_rows(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    arrays = digits(90)
    found = writer.put_many(arrays, codec=ZSTD)
    alone = writer.put(arrays[0][:700], codec=ZSTD)
    publish(writer, tables)
    reader = readers()
    for digest in (found[0], alone):
        view: Any = reader.view(digest)
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1
        again: Any = reader.get(digest)
        again[:] = 1
        assert same(reader.view(digest), view)
    out = np.empty((90, 784), np.uint8)
    reader.read_into(found[::-1], out)
    assert np.array_equal(out, np.stack(arrays[::-1]))


def test_text_and_bytes_are_compressed_alone_and_together(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    samples = [f"row {number:05} é" for number in range(500)] + [b"%05d" % number for number in range(500)]
    samples += ["long " * 9000, b"long " * 9000, "", b""]
    texts = [payload_of(sample) for sample in samples]
    found = writer.put_many(texts, codec=ZSTD)
    assert places(writer, found) == {IN_BLOCK, ALONE}
    publish(writer, tables)
    assert readers().get_many(found) == samples
    assert [readers().view(digest) for digest in found[-4:]] == samples[-4:]


def test_compressed_data_take_less_room_and_what_is_no_smaller_stays_as_it_is(
    writer: DataWriter, layout: Layout
) -> None:
    writer.put_many(digits(1000), codec=ZSTD)
    first = pack_of(layout).stat().st_size
    assert first < 0.4 * 784_000
    writer.put_many(ramps(200, 100), codec=ZSTD)
    second = pack_of(layout).stat().st_size
    assert second - first < 0.3 * 160_000
    for payload in map(payload_of, noise(4)):
        place = writer.staged[writer.put(payload, codec=ZSTD)]
        frame = pack_frames.decode_frame(pack_of(layout).read_bytes(), pack_frames.decode_location(place)[1])
        assert (frame.codec, frame.payload_size) == (codecs.PLAIN, 784)


def test_without_a_codec_the_bytes_are_what_they_always_were(writer: DataWriter, layout: Layout) -> None:
    arrays = digits(30)
    writer.put_many(arrays, codec=Compression("none", "digits"))
    wanted = b""
    for payload in map(payload_of, arrays):
        header, padding = pack_frames.encode_frame(*payload)
        wanted += header + bytes(payload.data) + bytes(padding)
    assert pack_of(layout).read_bytes()[pack_frames.PACK_HEADER_SIZE :] == wanted


def test_a_block_keeps_to_its_size_and_readers_keep_a_bounded_number(
    writer: DataWriter, tables: Tables, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hangar_core.backends.pack_20._KNOWN_BLOCKS", 3)
    arrays = digits(600)
    found = writer.put_many(arrays, codec=ZSTD)
    publish(writer, tables)
    reader = DataReader(layout, tables)
    for digest, array in zip(found, arrays, strict=True):
        assert same(reader.get(digest), array)
    kept = reader._packs._blocks
    assert len(kept) == 3
    assert all(len(block.raw) <= pack_blocks.FULL for block in kept.values())
    assert len({place[2:26] for place in writer.staged.values()}) > 3
    reader.close()
    assert not kept


@pytest.mark.parametrize("kind", ["arrays", "texts"])
def test_the_block_that_goes_is_the_one_last_used_longest_ago(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("hangar_core.backends.pack_20._KNOWN_BLOCKS", 2)
    samples: list[Any] = digits(40) if kind == "arrays" else [f"{number} text " * 40 for number in range(40)]
    found = [writer.put_many(samples[start : start + 10], apart=False, codec=ZSTD)[0] for start in (0, 10, 20)]
    publish(writer, tables)
    reader = readers()
    for number in (0, 1, 0, 2):
        reader.get(found[number])
    kept = reader._packs._blocks
    assert list(kept) == [writer.staged[found[number]][2:26] for number in (0, 2)]


def test_threads_that_read_compressed_data_get_what_they_ask_for(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hangar_core.backends.pack_20._KNOWN_BLOCKS", 2)
    arrays = digits(400)
    found = writer.put_many(arrays, codec=ZSTD)
    publish(writer, tables)
    reader, wrong = readers(), []

    def read(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, 400, 500):
            if not same(reader.get(found[number]), arrays[number]):
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []


# --- damage, forgery ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["block", "shuffled block", "frame", "shuffled frame"])
def test_any_flipped_byte_and_any_cut_is_an_error_or_the_right_data(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader], name: str
) -> None:
    make = ramps if "shuffled" in name else digits
    arrays = make(4, 40) if "block" in name else make(1, 150)
    found = writer.put_many(arrays, codec=ZSTD)
    assert places(writer, found) == {IN_BLOCK if "block" in name else ALONE}
    publish(writer, tables)
    path = pack_of(layout)
    whole = path.read_bytes()
    assert whole[68] == (codecs.SHUFFLED_ZSTD if "shuffled" in name else codecs.ZSTD)
    errors = 0
    damaged = [whole[:end] for end in range(64, len(whole), 3)]
    for at in range(len(whole)):
        for flip in (1, 0x80):
            damaged.append(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    for data in damaged:
        path.write_bytes(data)
        reader = readers()
        for digest, array in zip(found, arrays, strict=True):
            try:
                assert same(reader.get(digest), array)
                assert reader.holds(digest, writer.staged[digest], verify=True)
            except CorruptDataError as error:
                errors += 1
                assert error.file == path  # noqa: PT017 - which of the two ends it takes is the damage's choice
                assert not readers().holds(digest, writer.staged[digest], verify=True)
        reader.close()
    assert errors > len(damaged) * len(arrays) // 2


def test_a_location_in_a_block_gives_the_sample_of_its_digest_or_an_error(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    arrays = digits(5)
    found = writer.put_many(arrays, codec=ZSTD)
    publish(writer, tables)
    uid, offset, index = pack_blocks.decode_block_location(writer.staged[found[2]])
    reader = readers()
    for wrong in (0, 1, 3, 4, 5, 65535):
        place = pack_blocks.encode_block_location(uid, offset, wrong)
        with pytest.raises(CorruptDataError, match="block"):
            reader.get(found[2], place)
        assert not reader.holds(found[2], place, verify=True)
    assert same(reader.get(found[2], pack_blocks.encode_block_location(uid, offset, index)), arrays[2])
    for place in (pack_blocks.encode_block_location(uid, offset + 8, 2), pack_frames.encode_location(uid, offset)):
        with pytest.raises(CorruptDataError):
            reader.get(found[2], place)


def sealed_block(
    dtype: str, shape: tuple[int, ...], count: int, payload: bytes, codec: int = codecs.ZSTD, checks: int | None = None
) -> bytes:
    """Return a block with a right header checksum over whatever it is told to say."""
    name = dtype.encode()
    tail = struct.pack(f"<{len(shape)}Q", *shape) + name
    tail += bytes(-len(tail) % 8)
    fixed = struct.pack(
        "<4sBBBBQI4x", b"HB20", codec, len(shape), len(name), (32 + len(tail)) // 8, len(payload), count
    )
    tail += bytes(8 * (count if checks is None else checks))
    return fixed + struct.pack("<Q", xxhash.xxh3_64_intdigest(fixed + tail)) + tail + payload


@pytest.mark.parametrize(
    "block",
    [
        sealed_block("|u1", (2**40,), 3, codecs._compressor().compress(bytes(3))),
        sealed_block("|u1", (30_000,), 3, codecs._compressor().compress(bytes(90_000))),
        sealed_block("|u1", (2**62, 2**62), 3, codecs._compressor().compress(bytes(3))),
        sealed_block("|u1", (0,), 3, codecs._compressor().compress(b"")),
        sealed_block("|u1", (9,), 3, codecs._compressor().compress(bytes(28))),
        sealed_block("|u1", (9,), 3, codecs._compressor().compress(bytes(27)) + b"x"),
        sealed_block("|u1", (9,), 3, b"no zstd"),
        sealed_block("|O", (3,), 3, codecs._compressor().compress(bytes(72))),
        sealed_block("|u1", (9,), 3, codecs._compressor().compress(bytes(27)), codec=0),
        sealed_block("|u1", (9,), 3, codecs._compressor().compress(bytes(27)), codec=9),
        sealed_block("|u1", (9,), 0, codecs._compressor().compress(bytes(27))),
        sealed_block("|u1", (9,), 2**32 - 1, codecs._compressor().compress(bytes(27)), checks=3),
        sealed_block("text", (9,), 3, codecs._compressor().compress(bytes(27))),
    ],
)
def test_a_forged_block_is_an_error_and_takes_no_memory(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader], block: bytes
) -> None:
    digest = writer.put(digits(1)[0])
    publish(writer, tables)
    path = pack_of(layout)
    path.write_bytes(path.read_bytes()[:64] + block + bytes(200))
    uid, _ = pack_frames.decode_location(writer.staged[digest])
    with pytest.raises(CorruptDataError):
        readers().get(digest, pack_blocks.encode_block_location(uid, 64, 0))


@pytest.mark.parametrize("size", [2**20, 2**36, 2**62])
def test_a_frame_that_claims_to_expand_to_more_than_it_can_is_an_error_before_anything_is_allocated(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader], size: int
) -> None:
    digest = writer.put(digits(1)[0])
    publish(writer, tables)
    path = pack_of(layout)
    payload = bytes.fromhex("28b52ffde0") + size.to_bytes(8, "little")  # a zstd frame of so many bytes begins so
    header, padding = pack_frames.encode_compressed_frame(digest, "|u1", (size,), b"", codecs.ZSTD, payload)
    path.write_bytes(path.read_bytes()[:64] + header + payload + bytes(padding))
    with pytest.raises(CorruptDataError, match="compressed"):
        readers().get(digest)


def test_storing_again_what_was_damaged_in_a_block_heals_it(
    writer: DataWriter, layout: Layout, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    arrays = digits(30)
    found = writer.put_many(arrays, codec=ZSTD)
    publish(writer, tables)
    path = pack_of(layout)
    data = bytearray(path.read_bytes())
    data[-300] ^= 0xFF
    path.write_bytes(data)
    healer = DataWriter(layout, tables)
    assert healer.put_many(arrays, codec=ZSTD) == found
    publish(healer, tables)
    healer.close()
    for digest, array in zip(found, arrays, strict=True):
        assert same(readers().get(digest), array)


# --- crashes --------------------------------------------------------------------------------------------------------


def test_blocks_behind_the_published_end_are_reclaimed_and_those_before_it_untouched(
    writer: DataWriter, layout: Layout, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    arrays = digits(200)
    found = writer.put_many(arrays[:100], codec=ZSTD)
    publish(writer, tables)
    before = pack_of(layout).read_bytes()
    writer.put_many(arrays[100:], codec=ZSTD)
    assert len(pack_of(layout).read_bytes()) > len(before)
    later = DataWriter(layout, tables)
    later.recover()
    later.close()
    assert pack_of(layout).read_bytes() == before
    assert same(readers().get(found[99]), arrays[99])


def test_a_wrong_end_is_noticed_before_a_published_block_is_cut(
    writer: DataWriter, layout: Layout, tables: Tables
) -> None:
    writer.put_many(digits(100), codec=ZSTD)
    publish(writer, tables)
    (uid,) = writer.published()
    whole = pack_of(layout).read_bytes()
    with tables.write() as batch:
        batch.put("packs", uid, (64).to_bytes(8, "little"))
    later = DataWriter(layout, tables)
    with pytest.raises(CorruptRecord, match="published"):
        later.recover()
    later.close()
    assert pack_of(layout).read_bytes() == whole


# --- auto -----------------------------------------------------------------------------------------------------------


def test_auto_compresses_what_gets_smaller_by_a_fifth_and_leaves_the_rest(writer: DataWriter) -> None:
    sparse = writer.put_many(digits(300), codec=Compression("auto", "sparse"))
    random = writer.put_many(noise(300), codec=Compression("auto", "random"))
    assert (places(writer, sparse), places(writer, random)) == ({IN_BLOCK}, {ALONE})


def test_auto_decides_by_the_first_samples_of_each_arrayset_for_as_long_as_the_writer_lives() -> None:
    choice = AutoCodecs()
    sparse, random = list(map(payload_of, digits(400))), list(map(payload_of, noise(401)))
    assert choice.resolve(AUTO, sparse)
    assert choice.resolve(AUTO, random)
    assert not choice.resolve(Compression("auto", "other"), random)
    assert not choice.resolve(Compression("auto", "other"), sparse)
    assert not AutoCodecs().resolve(AUTO, random)


def test_auto_goes_by_all_it_has_measured_until_that_is_enough() -> None:
    choice = AutoCodecs()
    assert choice.resolve(AUTO, [payload_of(digits(1)[0])])
    assert not choice.resolve(AUTO, list(map(payload_of, noise(100))))
    assert choice.resolve(AUTO, [payload_of(np.zeros(1 << 20, "u1"))])
    assert choice.resolve(AUTO, list(map(payload_of, noise(50))))


def test_equal_data_are_stored_once_whatever_their_codec(writer: DataWriter, layout: Layout, tables: Tables) -> None:
    arrays = digits(50)
    found = writer.put_many(arrays, codec=ZSTD)
    publish(writer, tables)
    size = pack_of(layout).stat().st_size
    later = DataWriter(layout, tables)
    assert later.put_many(arrays) == found == [array_digest(array) for array in arrays]
    assert later.staged == {}
    later.close()
    assert pack_of(layout).stat().st_size == size
