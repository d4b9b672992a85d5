"""Runs of locations: what was put is found, the newest place counts, and damage is a typed error."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hangar_core.backends.pack_blocks import encode_block_location
from hangar_core.backends.pack_frames import encode_location
from hangar_core.errors import CorruptRecord
from hangar_core.storage import places
from hangar_core.storage.place_columns import columns_of, decode_run, encode_run, merged
from hangar_core.storage.places import Chunk
from hangar_core.storage.tables import Tables

UIDS = [bytes([number]) * 16 for number in (0, 1, 255)] + [bytes(15) + b"\1"]


def digest_of(number: int) -> bytes:
    return random.Random(number).randbytes(32) + b"\1"


def place_of(number: int) -> bytes:
    rng = random.Random(number)
    uid, offset = rng.choice(UIDS), 8 * rng.randrange(1 << 30)
    return encode_location(uid, offset) if number % 3 else encode_block_location(uid, offset, rng.randrange(65535))


def rows(start: int, count: int, salt: int = 0) -> dict[bytes, bytes]:
    return {digest_of(number): place_of(number + salt) for number in range(start, start + count)}


def put(tables: Tables, changes: dict[bytes, bytes | None]) -> None:
    with tables.write() as batch:
        for key, value in changes.items():
            if value is None:
                batch.delete("locations", key)
            else:
                batch.put("locations", key, value)


def check(tables: Tables, model: dict[bytes, bytes], strangers: int = 50) -> None:
    absent = [digest_of(-1 - number) for number in range(strangers)]
    with tables.read() as reader:
        assert reader.get_many("locations", [*model, *absent]) == model
        for key in [*random.Random(1).sample(sorted(model), min(200, len(model))), *absent]:
            assert reader.get("locations", key) == model.get(key)


def runs_of(tables: Tables) -> list[int]:
    """Return how many samples each run has, oldest first."""
    with tables.read() as reader:
        return [places.size_of(value) for key, value in reader.items(places.TABLE) if len(key) == 4]


OFFSETS = st.integers(0, 2**40 - 1).map(lambda number: 8 * number)
PLACES = st.builds(encode_location, st.sampled_from(UIDS), OFFSETS) | st.builds(
    encode_block_location, st.sampled_from(UIDS), OFFSETS, st.integers(0, 65534)
)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: data + b"\1")


@given(st.dictionaries(DIGESTS, PLACES, min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_what_a_run_holds_is_found_and_comes_back(locations: dict[bytes, bytes], number: int) -> None:
    columns, others = columns_of(locations)
    assume(len(columns.names))
    (first, size), *chunks = encode_run(number, columns)
    assert first == number.to_bytes(4, "big")
    assert places.size_of(size) + len(others) == len(locations)
    assert [key for key, _ in chunks] == sorted(key for key, _ in chunks)
    for digest, location in locations.items():
        if digest not in others:
            assert [found for _, value in chunks if (found := Chunk(value).find(digest[8:24]))] == [location]
    again = decode_run(places.size_of(size), dict(chunks))
    assert list(encode_run(number, again)) == [(first, size), *chunks]


@given(
    st.dictionaries(DIGESTS, PLACES, min_size=1, max_size=30), st.dictionaries(DIGESTS, PLACES, min_size=1, max_size=30)
)
def test_of_two_runs_the_newer_counts(newer: dict[bytes, bytes], older: dict[bytes, bytes]) -> None:
    both = merged((columns_of(newer)[0], columns_of(older)[0]))
    named = {digest[8:24] for digest in newer}
    kept = {digest: location for digest, location in older.items() if digest[8:24] not in named}
    assert list(encode_run(1, both)) == list(encode_run(1, columns_of(kept | newer)[0]))


def test_places_that_do_not_fit_and_names_that_clash_are_left_out() -> None:
    clash = digest_of(1)[:8] + digest_of(2)[8:24] + digest_of(3)[24:]
    locations = {
        digest_of(1): place_of(1),
        digest_of(2): place_of(2),
        clash: place_of(4),
        digest_of(4): b"00:an older kind of place",
        digest_of(5): b"20" + bytes(9),
        digest_of(6): encode_location(UIDS[0], 8 * 2**40),
        digest_of(7): encode_location(UIDS[0], 12),
    }
    columns, others = columns_of(locations)
    assert len(columns.names) == 2
    assert set(others) >= {digest_of(number) for number in (4, 5, 6, 7)}
    assert len({digest_of(2), clash} & set(others)) == 1


def test_a_chunk_has_room_for_many_files_and_no_more_than_three_pages() -> None:
    uids = [number.to_bytes(16, "big") for number in range(400)]
    locations = {digest_of(number): encode_location(uids[number % 400], 64) for number in range(3000)}
    chunks = [value for key, value in encode_run(1, columns_of(locations)[0]) if len(key) > 4]
    assert all(len(value) <= 3 * 4096 - 24 and 0 < value[0] <= 255 for value in chunks)
    found = {one: at for one in locations for value in chunks if (at := Chunk(value).find(one[8:24]))}
    assert found == locations


def test_many_new_samples_make_a_run_and_few_do_not(tables: Tables) -> None:
    model = rows(0, 3000)
    put(tables, dict(model))
    assert runs_of(tables) == [3000]
    put(tables, dict(rows(3000, 1500)))
    assert runs_of(tables) == [3000]
    check(tables, model | rows(3000, 1500))
    with tables.read() as reader:
        assert len(dict(reader.items("locations"))) == 1500


def test_runs_get_smaller_by_half_so_that_there_are_few(tables: Tables) -> None:
    model: dict[bytes, bytes] = {}
    for start in range(0, 40_000, 2500):
        put(tables, dict(rows(start, 2500)))
        model |= rows(start, 2500)
        sizes = runs_of(tables)
        assert sum(sizes) == len(model)
        assert all(older >= 2 * newer for older, newer in pairwise(sizes))
    check(tables, model)


def test_the_newest_place_counts_wherever_it_is(tables: Tables) -> None:
    model = rows(0, 10_000)
    put(tables, dict(model))
    for changes in (rows(0, 10, salt=1), rows(5, 3000, salt=2), rows(4000, 1200, salt=3), rows(0, 9000, salt=4)):
        put(tables, dict(changes))
        model |= changes
        check(tables, model)


def place(tables: Tables, pieces: list[dict[bytes, bytes]]) -> None:
    with tables.write() as batch:
        batch.place(sum(map(len, pieces)), lambda: iter(pieces))


def test_pieces_of_one_transaction_make_one_run(tables: Tables) -> None:
    known, again = rows(0, 20), rows(5, 3000, salt=1)
    put(tables, dict(known))  # these are in the table of locations
    pieces = [rows(start, 15_000) for start in range(0, 75_000, 15_000)]
    elsewhere = {digest_of(number): b"30" + bytes(4) for number in range(-300, -200)}
    pieces[2] |= elsewhere
    pieces[3] |= {digest_of(1): b"30" + bytes(5)}  # what a piece before has in the run, or in the table
    pieces.append(again)
    model: dict[bytes, bytes] = dict(known)
    for piece in pieces:
        model |= piece
    place(tables, pieces)
    assert runs_of(tables) == [75_000 - 20]
    check(tables, model)
    place(tables, [rows(100_000, 40_000), rows(140_000, 40_000)])  # merged with what is not much larger
    assert runs_of(tables) == [75_000 - 20 + 80_000]
    check(tables, model | rows(100_000, 80_000))


def test_readers_are_free_again_without_the_garbage_collector(tables: Tables) -> None:
    put(tables, rows(0, 3000))
    gc.disable()
    try:
        for number in range(1500):  # more than may read at once
            with tables.read() as reader:
                assert reader.get("locations", digest_of(number)) is not None
    finally:
        gc.enable()


def test_what_is_removed_is_gone_and_may_come_back(tables: Tables) -> None:
    model = rows(0, 5000)
    put(tables, dict(model))
    for count in (3, 2100):
        gone = list(model)[:count]
        put(tables, dict.fromkeys(gone))
        check(tables, {key: value for key, value in model.items() if key not in gone})
        with tables.read() as reader:
            assert dict(reader.items("locations")) == {}
        put(tables, {key: model[key] for key in gone})
        check(tables, model)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 4000), st.integers(0, 3), st.booleans()), max_size=6))
def test_any_order_of_changes_gives_what_a_dict_would(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int, bool]]
) -> None:
    tables = Tables(tmp_path_factory.mktemp("tables"))
    model: dict[bytes, bytes] = {}
    try:
        for start, count, salt, is_removed in steps:
            changes = rows(start, count, salt)
            put(tables, dict.fromkeys(changes) if is_removed else dict(changes))
            for key in changes:
                model.pop(key, None)
            model |= {} if is_removed else changes
            check(tables, model, strangers=5)
    finally:
        tables.close()


def test_damage_in_a_chunk_is_found_and_of_other_chunks_does_not_matter(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    model = rows(0, 3000)
    put(tables, dict(model))
    tables.close()
    with lmdb.open(str(tmp_path), max_dbs=9) as env:
        table = env.open_db(places.TABLE.encode())
        with env.begin(write=True, db=table) as txn:
            keys = [key for key, _ in txn.cursor()]
            damaged: Any = bytearray(txn.get(keys[2]))
            damaged[400] ^= 1
            txn.put(keys[2], bytes(damaged))
    tables = Tables(tmp_path)
    among = [one for one in model if keys[2][4:] <= one[8:24] < keys[3][4:]]
    others = {one: model[one] for one in model.keys() - set(among)}
    check(tables, others, strangers=0)
    with tables.read() as reader, pytest.raises(CorruptRecord, match="places/"):
        reader.get("locations", among[0])
    tables.close()


@pytest.mark.parametrize("data", [b"", b"\0", b"\1" + bytes(16), b"\1" + bytes(16 + 23), b"\0" + bytes(24)])
def test_a_chunk_that_is_none_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(CorruptRecord):
        Chunk(data).find(bytes(16))


def test_a_run_of_nothing_that_fits_is_not_made(tables: Tables) -> None:
    """Many samples of other backends, and many whose places no run can hold."""
    model = {digest_of(number): b"00:another kind of place %d" % number for number in range(2500)}
    model |= {digest_of(number): encode_location(UIDS[0], 8 * 2**40 + 8 * number) for number in range(3000, 5500)}
    put(tables, dict(model))
    assert runs_of(tables) == []
    put(tables, dict(rows(10_000, 3000)))
    check(tables, model | rows(10_000, 3000))


def damaged(path: Path, damage: Callable[[Any, list[bytes]], None]) -> Tables:
    """Open tables again after something was done to the records of their runs."""
    with lmdb.open(str(path), max_dbs=9) as env:
        table = env.open_db(places.TABLE.encode())
        with env.begin(write=True, db=table) as txn:
            damage(txn, [key for key, _ in txn.cursor()])
    return Tables(path)


def flip(txn: Any, key: bytes) -> None:
    value = bytearray(txn.get(key))
    value[len(value) // 2] ^= 1
    txn.put(key, bytes(value))


DAMAGES: dict[str, Callable[[Any, list[bytes]], None]] = {
    "a chunk": lambda txn, keys: flip(txn, keys[2]),
    "the first record": lambda txn, keys: flip(txn, keys[0]),
    "a missing chunk": lambda txn, keys: txn.delete(keys[2]) and None,
    "no chunks": lambda txn, keys: [txn.delete(key) for key in keys[1:]] and None,
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_run_is_left_alone_and_does_not_keep_others_from_being_added(tmp_path: Path, what: str) -> None:
    tables = Tables(tmp_path)
    put(tables, dict(rows(0, 3000)))
    tables.close()
    tables = damaged(tmp_path, DAMAGES[what])
    with tables.read() as reader:
        before = dict(reader.items(places.TABLE)) if what == "a missing chunk" else None
    put(tables, dict(rows(5000, 4000)))
    check(tables, rows(5000, 4000), strangers=0)
    if before is not None:
        with tables.read() as reader:
            assert before.items() <= dict(reader.items(places.TABLE)).items()
    tables.close()


def test_a_run_of_the_highest_number_is_read_and_followed_by_none(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    with tables.write() as batch:
        batch.put_many(places.TABLE, encode_run(places.MOST_NUMBER, columns_of(rows(0, 2500))[0]))
    put(tables, dict(rows(5000, 2500)))
    check(tables, rows(0, 2500) | rows(5000, 2500))
    assert runs_of(tables) == [2500]
    tables.close()
