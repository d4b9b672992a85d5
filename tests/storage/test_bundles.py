"""Bundles of small transactions: nothing is found otherwise than if every record were in its table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hangar_core.errors import CorruptRecord
from hangar_core.storage import bundles
from hangar_core.storage.bundles import MOST, decode_bundle, encode_bundle
from hangar_core.storage.tables import Tables, forget_tables, open_tables

keys = st.binary(min_size=1, max_size=40)
records = st.lists(st.tuples(st.sampled_from(bundles.BUNDLED), keys, st.binary(max_size=60)), max_size=12)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    path = tmp_path / "records"
    path.mkdir()
    return open_tables(path)


def add(tables: Tables, table: str, *rows: tuple[bytes, bytes]) -> None:
    with tables.write() as batch:
        batch.put_many(table, rows)


def count(tables: Tables) -> int:
    with tables.read() as reader:
        return sum(1 for _ in reader.items(bundles.TABLE))


def test_a_bundle_has_these_bytes() -> None:
    golden = "0200000000020003000000010100020000006b316c6162636465"
    assert encode_bundle([("nodes", b"k1", b"abc"), ("locations", b"l", b"de")]).hex() == golden


@given(records)
def test_what_was_bundled_is_found_where_it_says(rows: list[tuple[str, bytes, bytes]]) -> None:
    data = encode_bundle(rows)
    found = decode_bundle(1, data)
    places = sorted((start, table, key, end) for table, keys in found.items() for key, (start, end) in keys.items())
    last = {(table, key): value for table, key, value in rows}  # of a key that comes again, the last counts
    assert {(table, key): data[start:end] for start, table, key, end in places} == last


@given(records, st.data())
def test_a_bundle_that_was_cut_or_lengthened_is_refused(
    rows: list[tuple[str, bytes, bytes]], data: st.DataObject
) -> None:
    whole = encode_bundle(rows)
    other = data.draw(st.integers(0, len(whole) - 1).map(lambda end: whole[:end]) | st.just(whole + b"\0"))
    with pytest.raises(CorruptRecord):
        decode_bundle(1, other)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.lists(st.tuples(keys, st.binary(min_size=1, max_size=9)), min_size=1), st.booleans()), max_size=12
    )
)
def test_small_and_large_transactions_in_any_order_leave_what_a_dict_would_hold(
    tmp_path: Path, steps: list[tuple[list[tuple[bytes, bytes]], bool]]
) -> None:
    path = tmp_path / os.urandom(8).hex()
    path.mkdir()
    tables, model = open_tables(path), {}
    for rows, large in steps:
        if large:
            rows = [*rows, *((b"many" + number.to_bytes(2, "big"), b"x") for number in range(1100))]
        add(tables, "locations", *rows)
        model.update(rows)
    with tables.read() as reader:
        assert dict(reader.items("locations")) == model
        assert list(reader.items("locations")) == sorted(model.items())
        assert reader.get_many("locations", [*model, b"not there"]) == model
        assert all(reader.get("locations", key) == value for key, value in model.items())
        assert reader.get("nodes", b"k") is None
    tables.close()
    forget_tables(path)


def test_bundles_move_to_their_tables_when_there_are_many(tables: Tables) -> None:
    most = 0
    for number in range(3 * MOST):
        add(tables, "nodes", (b"k%d" % number, b"v%d" % number), (b"same", b"%d" % number))
        most = max(most, count(tables))
    assert 1 < most <= MOST
    with tables.read() as reader:
        assert all(reader.get("nodes", b"k%d" % number) == b"v%d" % number for number in range(3 * MOST))
        assert reader.get("nodes", b"same") == b"%d" % (3 * MOST - 1)


def test_a_snapshot_goes_on_while_bundles_move(tables: Tables) -> None:
    add(tables, "nodes", (b"k", b"old"))
    code = f"""
from pathlib import Path
from hangar_core.storage.tables import open_tables
tables = open_tables(Path({str(tables.path)!r}))
for number in range(200):
    with tables.write() as batch:
        batch.put("nodes", b"k", b"new%d" % number)
"""
    with tables.read() as reader:
        assert reader.get("nodes", b"k") == b"old"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert reader.get("nodes", b"k") == b"old"
    with tables.read() as reader:
        assert reader.get("nodes", b"k") == b"new199"


def test_a_record_that_is_removed_is_gone_from_its_bundle_too(tables: Tables) -> None:
    add(tables, "locations", (b"a", b"1"), (b"b", b"2"))
    with tables.write() as batch:
        batch.delete("locations", b"a")
    with tables.read() as reader:
        assert dict(reader.items("locations")) == {b"b": b"2"}


def test_a_damaged_bundle_is_an_error_and_never_a_missing_record(tables: Tables) -> None:
    add(tables, "locations", (b"a", b"the value of a"))
    tables.close()
    forget_tables(tables.path)
    file = tables.path / "data.mdb"
    data = bytearray(file.read_bytes())
    start = data.rindex(b"the value of a")
    data[start] ^= 1
    file.write_bytes(data)
    with open_tables(tables.path).read() as reader, pytest.raises(CorruptRecord):
        reader.get("locations", b"a")
    with open_tables(tables.path).read() as reader, pytest.raises(CorruptRecord):
        reader.get("locations", b"another")
