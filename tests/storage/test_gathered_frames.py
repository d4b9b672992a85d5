"""Frames that look alike are gathered: whatever their shape, whatever is damaged, wherever the file ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from packed import pack_of, publish, same

from hangar_core.backends import pack_alike, pack_frames
from hangar_core.errors import CorruptDataError
from hangar_core.model import Digest
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

Arrays = Sequence[NDArray[Any]]


def as_stack(reader: DataReader, wanted: Sequence[Digest], like: NDArray[Any]) -> list[Any]:
    out = np.empty((len(wanted), *like.shape), like.dtype)
    reader.read_into(wanted, out)
    return [out[row, ...] for row in range(len(wanted))]


WAYS: dict[str, Callable[[DataReader, Sequence[Digest], NDArray[Any]], Any]] = {
    "many": lambda reader, wanted, _: reader.get_many(wanted),
    "run": lambda reader, wanted, _: reader.get_run(wanted),
    "stack": as_stack,
    "again": lambda reader, wanted, _: [again(reader, *one) for one in spotted(reader, wanted)],
}


def spotted(reader: DataReader, wanted: Sequence[Digest]) -> list[tuple[Digest, Any]]:
    return list(zip(wanted, reader.get_many_spotted(wanted)[1], strict=True))


def again(reader: DataReader, digest: Digest, spot: Any) -> Any:
    """Read as handles do: from where it was, or as if for the first time."""
    array = spot and spot[0].read(spot[1], spot[2])
    return reader.get(digest) if array is None else array


RNG = np.random.default_rng(8)
STACKS: dict[str, Arrays] = {
    "numbers": [np.array(number, "<i2") for number in range(40)],
    "vectors": list(RNG.normal(size=(40, 7))),
    "odd lengths": list(RNG.integers(0, 255, (40, 13), dtype=np.uint8)),
    "halves": list(RNG.normal(size=(40, 3)).astype("<f2")),
    "dates": list(np.arange(120).astype("<M8[s]").reshape(40, 3)),
    "truths": list(RNG.random((40, 5)) < 0.5),
    "empty": [np.zeros((0, 4), "<f4")] * 40,
    "too large to be gathered": list(RNG.integers(0, 255, (12, 20_000), dtype=np.uint8)),
    "copied before they are verified": list(RNG.integers(0, 255, (9, 200_001), dtype=np.uint8)),
    "large dates": list(np.arange(180_000).astype("<M8[s]").reshape(9, -1)),
}


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("name", sorted(STACKS))
def test_arrays_of_every_shape_come_back_each_in_its_place(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], name: str, way: str
) -> None:
    arrays = STACKS[name]
    found = writer.put_many(arrays)
    publish(writer, tables)
    reader = readers()
    for order in (range(len(arrays)), RNG.permutation(len(arrays)), [3, 3, 1, 3] * 4, [5]):
        read = WAYS[way](reader, [found[at] for at in order], arrays[0])
        assert all(same(one, arrays[at]) for at, one in zip(order, read, strict=True))
        assert all(one.flags.writeable for one in read)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_any_flipped_byte_of_a_gathered_frame_is_an_error_that_names_the_place(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader], way: str
) -> None:
    arrays = STACKS["odd lengths"]
    found = writer.put_many(arrays)
    publish(writer, tables)
    path = pack_of(layout)
    whole = bytearray(path.read_bytes())
    begin = pack_frames.decode_location(writer.staged[found[20]])[1]
    frame = pack_frames.decode_frame(whole, begin)
    end = begin + frame.payload_at + frame.payload_size
    for at in range(begin, end):
        whole[at] ^= 0x20
        path.write_bytes(whole)
        with pytest.raises(CorruptDataError) as error:
            WAYS[way](readers(), found, arrays[0])
        assert error.value.facts["file"] == path
        assert begin <= error.value.facts["offset"] < end
        whole[at] ^= 0x20
    path.write_bytes(whole)
    assert all(same(*pair) for pair in zip(WAYS[way](readers(), found, arrays[0]), arrays, strict=True))


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_pack_cut_among_gathered_frames_gives_an_error_or_the_right_data(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader], way: str
) -> None:
    arrays = STACKS["odd lengths"]
    found = writer.put_many(arrays)
    publish(writer, tables)
    path = pack_of(layout)
    whole = path.read_bytes()
    begin = pack_frames.decode_location(writer.staged[found[38]])[1]
    last = pack_frames.decode_frame(whole, pack_frames.decode_location(writer.staged[found[39]])[1])
    needed = pack_frames.decode_location(writer.staged[found[39]])[1] + last.payload_at + last.payload_size
    for end in range(begin, len(whole)):
        path.write_bytes(whole[:end])
        reader = readers()
        assert all(same(*pair) for pair in zip(WAYS[way](reader, found[:38], arrays[0]), arrays, strict=False))
        if end >= needed:
            assert all(same(*pair) for pair in zip(WAYS[way](reader, found, arrays[0]), arrays, strict=True))
        else:
            with pytest.raises(CorruptDataError) as error:
                WAYS[way](reader, found, arrays[0])
            assert error.value.facts["file"] == path
    path.write_bytes(whole)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_reader_follows_a_pack_that_grows_between_batches(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], way: str
) -> None:
    arrays, reader = STACKS["vectors"], readers()
    found: list[Digest] = []
    for start in range(0, 40, 10):
        found += writer.put_many(arrays[start : start + 10])
        publish(writer, tables)
        assert all(same(*pair) for pair in zip(WAYS[way](reader, found, arrays[0]), arrays, strict=False))


def test_a_run_is_taken_from_what_is_published_alone(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    """What lies behind the last published sample may still be cut: a run ends with the last of which that is known."""
    arrays = STACKS["vectors"]
    found = writer.put_many(arrays[:20])
    publish(writer, tables)
    reader = readers()
    assert same(reader.get(found[0]), arrays[0])
    staged = writer.put_many(arrays[20:])
    with pytest.raises(FileNotFoundError):
        reader.get_run([*found, *staged])
    assert all(same(*pair) for pair in zip(reader.get_run(found), arrays, strict=False))


def test_what_lies_at_a_wrong_place_is_never_given_out_nor_remembered(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    """The place of one sample names another, whole one of the same shape."""
    arrays = STACKS["vectors"]
    found = writer.put_many(arrays)
    publish(writer, tables)
    with tables.write() as batch:
        batch.put("locations", found[7], writer.staged[found[30]])
    reader = readers()
    wanted = [found[at] for at in (1, 7, 30, 7, 2)]
    places = reader._places(wanted)
    ((positions, some),) = reader._packs.gathered(wanted, places)
    remembered = {positions[at]: spot for at, spot in enumerate(some.spots)}
    assert [remembered[at] is None for at in range(5)] == [False, True, False, True, False]
    for way in WAYS.values():
        with pytest.raises(CorruptDataError):
            way(reader, wanted, arrays[0])
    assert all(same(*pair) for pair in zip(reader.get_run(found[8:]), arrays[8:], strict=True))


def test_what_is_no_small_array_does_not_keep_what_lies_behind_it_from_being_gathered(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hangar_core.backends.pack_alike.GATHERED_BYTES", 400)
    rows = STACKS["vectors"]
    found: list[Digest] = []
    for odd in (STACKS["too large to be gathered"][0], "text", STACKS["empty"][0]):
        found += writer.put_many([odd], apart=False)
        found += writer.put_many(rows[len(found) : len(found) + 9])
    publish(writer, tables)
    reader = readers()
    gathered = reader._packs.gathered(found, reader._places(found))
    there = [at for some, those in gathered for at, spot in zip(some, those.spots, strict=True) if spot is not None]
    assert there == [at for at in range(30) if at % 10]


def test_a_run_whose_mapping_goes_meanwhile_is_read_all_the_same(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another thread meets so many kinds of frames, or packs, that those met before are forgotten."""
    arrays = STACKS["vectors"]
    found = writer.put_many(arrays)
    publish(writer, tables)
    between = pack_alike.Alike.digests_between

    def too_late(kind: pack_alike.Alike, first: int, last: int) -> bytes:
        kind.let_go()
        return between(kind, first, last)

    monkeypatch.setattr(pack_alike.Alike, "digests_between", too_late)
    assert all(same(*pair) for pair in zip(readers().get_run(found), arrays, strict=True))


@pytest.mark.parametrize("way", ["many", "run", "stack"])
def test_a_writer_reads_what_it_has_staged_over_damaged_data(
    writer: DataWriter, tables: Tables, layout: Layout, way: str
) -> None:
    arrays = STACKS["vectors"]
    found = writer.put_many(arrays)
    publish(writer, tables)
    path = pack_of(layout)
    whole = path.read_bytes()
    writer.discard()
    for number in (0, 7, 30):
        place = whole.find(arrays[number].tobytes())
        flipped = bytes([whole[place] ^ 1])
        with open(path, "r+b") as file:
            file.seek(place)
            file.write(flipped)
        assert writer.put(arrays[number]) == found[number]
    assert len(writer.staged) == 3
    rows = RNG.permutation(40)
    if way == "stack":
        out = np.zeros((40, 7))
        assert len(writer.read_into(found, out, rows.tolist())) == 40
        assert np.array_equal(out[rows], arrays)
    for order in (range(40), rows, [7, 7, 0]):
        read = WAYS[way](writer, [found[at] for at in order], arrays[0])
        assert all(same(one, arrays[at]) for at, one in zip(order, read, strict=True))
        assert all(one.flags.writeable for one in read)
