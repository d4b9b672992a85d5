"""Blocks that are not compressed: small arrays stored in bulk, whichever way they are read, whatever is damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from packed import pack_of, publish, same

from hangar_core.backends import pack_blocks, pack_maps
from hangar_core.errors import CorruptDataError, DataMissing
from hangar_core.hashing.array_payloads import alike
from hangar_core.hashing.arrays import dtype_text
from hangar_core.model import Digest
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

Arrays = Sequence[NDArray[Any]]
RNG = np.random.default_rng(12)
STACKS: dict[str, Arrays] = {
    "digits": list(RNG.integers(0, 255, (200, 784), dtype=np.uint8)),
    "tiny": list(RNG.integers(0, 2**60, (9000, 2))),
    "numbers": [np.array(number, "<i2") for number in range(70)],
    "odd lengths": list(RNG.integers(0, 255, (40, 13), dtype=np.uint8)),
    "halves": list(RNG.normal(size=(40, 3)).astype("<f2")),
    "dates": list(np.arange(120).astype("<M8[s]").reshape(40, 3)),
    "complex": list(RNG.normal(size=(40, 2, 2)) * (1 + 2j)),
    "as large as a block takes": list(RNG.integers(0, 255, (20, 8192), dtype=np.uint8)),
}


def store(writer: DataWriter, arrays: Arrays) -> list[Digest]:
    """Store arrays as `update` does."""
    first = arrays[0]
    rows = alike(dtype_text(first.dtype), first.shape, [one.tobytes() for one in arrays])
    return writer.put_batch(rows, apart=False, codec=None)


def as_stack(reader: DataReader, wanted: Sequence[Digest], like: NDArray[Any]) -> list[Any]:
    out = np.empty((len(wanted), *like.shape), like.dtype)
    reader.read_into(wanted, out)
    return [out[row, ...] for row in range(len(wanted))]


def again(reader: DataReader, wanted: Sequence[Digest], like: NDArray[Any]) -> list[Any]:
    """Read as handles do: from where it was, or as if for the first time."""
    found = []
    for digest, spot in zip(wanted, reader.get_many_spotted(wanted)[1], strict=True):
        array = spot and spot[0].read(spot[1], spot[2])
        found.append(reader.get(digest) if array is None else array)
    return found


WAYS: dict[str, Callable[[DataReader, Sequence[Digest], NDArray[Any]], Any]] = {
    "one": lambda reader, wanted, _: [reader.get(digest) for digest in wanted],
    "many": lambda reader, wanted, _: reader.get_many(wanted),
    "run": lambda reader, wanted, _: reader.get_run(wanted),
    "stack": as_stack,
    "again": again,
    "view": lambda reader, wanted, _: [np.array(reader.view(digest)) for digest in wanted],
}


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("name", sorted(STACKS))
def test_arrays_come_back_each_in_its_place(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], name: str, way: str
) -> None:
    arrays = STACKS[name]
    found = store(writer, arrays)
    assert {len(place) for place in writer.staged.values()} == {pack_blocks.BLOCK_LOCATION_SIZE}
    assert all(same(writer.get(digest), one) for digest, one in zip(found[:9], arrays, strict=False))
    publish(writer, tables)
    reader = readers()
    for order in (range(len(arrays)), RNG.permutation(len(arrays)), [3, 3, 1, 3] * 4, [5], range(7, 19)):
        read = WAYS[way](reader, [found[at] for at in order], arrays[0])
        assert all(same(one, arrays[at]) for at, one in zip(order, read, strict=True))
        assert all(one.flags.writeable for one in read)


def test_a_sample_costs_ten_bytes_beside_its_data(writer: DataWriter, layout: Layout) -> None:
    arrays = STACKS["digits"] * 1
    store(writer, arrays)
    writer.sync()
    assert pack_of(layout).stat().st_size < 64 + sum(one.nbytes + 10 for one in arrays)


def test_one_new_sample_among_known_ones_is_a_frame(writer: DataWriter) -> None:
    known = store(writer, STACKS["digits"][:50])
    found = store(writer, STACKS["digits"][:51])
    assert found[:50] == known
    assert len(writer.staged[found[50]]) < pack_blocks.BLOCK_LOCATION_SIZE


def test_views_are_on_the_mapped_file_and_read_only(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    found = store(writer, STACKS["dates"])
    publish(writer, tables)
    view: Any = readers().view(found[5])
    assert not view.flags.writeable
    assert not view.flags.owndata
    assert view.flags.aligned
    assert same(view, STACKS["dates"][5])


@pytest.mark.parametrize("way", sorted(WAYS))
def test_any_flipped_byte_is_an_error_that_names_the_place_or_of_other_samples(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader], way: str
) -> None:
    arrays = STACKS["odd lengths"]
    found = store(writer, arrays)
    publish(writer, tables)
    path = pack_of(layout)
    whole = bytearray(path.read_bytes())
    data_at = whole.index(arrays[0].tobytes())
    for at in range(64, data_at + sum(one.nbytes for one in arrays)):
        whole[at] ^= 0x20
        path.write_bytes(whole)
        with pytest.raises(CorruptDataError) as error:
            WAYS[way](readers(), found, arrays[0])
        assert error.value.facts["file"] == path
        if at >= data_at:
            victim = (at - data_at) // arrays[0].nbytes
            others = [one for one in range(len(arrays)) if one != victim]
            read = WAYS[way](readers(), [found[one] for one in others], arrays[0])
            assert all(same(one, arrays[at]) for at, one in zip(others, read, strict=True))
        whole[at] ^= 0x20
    path.write_bytes(whole)
    assert all(same(*pair) for pair in zip(WAYS[way](readers(), found, arrays[0]), arrays, strict=True))


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_cut_block_gives_an_error_and_the_one_before_its_data(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader], way: str
) -> None:
    arrays = STACKS["odd lengths"]
    found = store(writer, arrays[:20]) + store(writer, arrays[20:])
    publish(writer, tables)
    path = pack_of(layout)
    whole = path.read_bytes()
    second = whole.index(pack_blocks.BLOCK_MAGIC, 100)
    for end in range(second, len(whole) - 8, 7):
        path.write_bytes(whole[:end])
        reader = readers()
        assert all(same(*pair) for pair in zip(WAYS[way](reader, found[:20], arrays[0]), arrays, strict=False))
        with pytest.raises(CorruptDataError) as error:
            WAYS[way](reader, found, arrays[0])
        assert error.value.facts["file"] == path


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_reader_follows_a_pack_that_grows_between_batches(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], way: str
) -> None:
    arrays, reader = STACKS["dates"], readers()
    found: list[Digest] = []
    for start in range(0, 40, 10):
        found += store(writer, arrays[start : start + 10])
        publish(writer, tables)
        assert all(same(*pair) for pair in zip(WAYS[way](reader, found, arrays[0]), arrays, strict=False))


@pytest.mark.parametrize("way", sorted(WAYS))
def test_what_lies_at_a_wrong_place_is_never_given_out(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], way: str
) -> None:
    arrays = STACKS["dates"]
    found = store(writer, arrays)
    publish(writer, tables)
    with tables.write() as batch:
        batch.put("locations", found[7], writer.staged[found[30]])
    with pytest.raises(CorruptDataError):
        WAYS[way](readers(), [found[7]], arrays[0])
    wrong_index = writer.staged[found[30]][:-2] + (4000).to_bytes(2, "little")
    with tables.write() as batch:
        batch.put("locations", found[7], wrong_index)
    with pytest.raises(CorruptDataError):
        WAYS[way](readers(), [found[7], found[8]], arrays[0])
    assert all(same(*pair) for pair in zip(readers().get_run(found[8:]), arrays[8:], strict=True))


def test_samples_of_other_arraysets_between_do_not_confuse_a_run(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    one, two = STACKS["odd lengths"], STACKS["halves"]
    found = store(writer, one[:20])
    between = store(writer, two)
    found += store(writer, one[20:])
    publish(writer, tables)
    assert all(same(*pair) for pair in zip(readers().get_run(found), one, strict=True))
    assert all(same(*pair) for pair in zip(readers().get_run([*between, *found]), [*two, *one], strict=True))


def test_many_blocks_are_forgotten_and_met_again(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_maps, "_KNOWN_BLOCKS", 2)
    arrays = STACKS["as large as a block takes"]
    found = [digest for start in range(0, 20, 2) for digest in store(writer, arrays[start : start + 2])]
    publish(writer, tables)
    reader = readers()
    for way in WAYS.values():
        assert all(same(*pair) for pair in zip(way(reader, found[::-1], arrays[0]), arrays[::-1], strict=True))


def test_a_spot_is_void_once_the_reader_is_closed(
    writer: DataWriter, tables: Tables, readers: Callable[[], DataReader]
) -> None:
    found = store(writer, STACKS["dates"])
    publish(writer, tables)
    reader = readers()
    spot: Any = reader.get_spotted(found[3])[1]
    assert same(spot[0].read(spot[1], spot[2]), STACKS["dates"][3])
    reader.close()
    assert spot[0].read(spot[1], spot[2]) is None


def test_a_missing_pack_is_missing_data(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader]
) -> None:
    found = store(writer, STACKS["dates"])
    publish(writer, tables)
    pack_of(layout).unlink()
    for way in WAYS.values():
        with pytest.raises(DataMissing):
            way(readers(), found, STACKS["dates"][0])


def test_stored_again_what_is_damaged_heals_and_what_is_whole_stays(
    writer: DataWriter, tables: Tables, layout: Layout, readers: Callable[[], DataReader]
) -> None:
    arrays = STACKS["odd lengths"]
    found = store(writer, arrays)
    publish(writer, tables)
    places = dict(writer.staged)
    writer.discard()
    path = pack_of(layout)
    whole = bytearray(path.read_bytes())
    whole[whole.index(arrays[11].tobytes())] ^= 1
    path.write_bytes(whole)
    assert store(writer, arrays) == found
    assert list(writer.staged) == [found[11]]
    publish(writer, tables)
    assert all(same(*pair) for pair in zip(readers().get_run(found), arrays, strict=True))
    assert writer.locate(found[12]) == places[found[12]]
