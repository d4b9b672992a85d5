"""A length that damage has made larger must not make anybody look behind the end of the database: that kills a process.

LMDB trusts the lengths in its pages. Here each record's length is changed in the file, in turn, and the record is read
by a process of its own: it may fail with a typed error, and may not die. That holds for the lower half of a length: the
upper half makes a value of up to 4 GiB, all of which LMDB's binding touches before anybody can look at it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from hangar_core.storage.tables import forget_tables, open_tables

_HEADER = struct.Struct("<HHHH")  # of a node of LMDB: low and high half of the length, flags, length of the key
_READ = """
    import sys
    from pathlib import Path
    from hangar_core.errors import CorruptRecord
    from hangar_core.storage.tables import open_tables

    tables = open_tables(Path(sys.argv[1]))
    for key in (bytes.fromhex(text) for text in sys.argv[2:]):
        try:
            with tables.read() as reader:
                print(len(reader.get("nodes", key)), len(reader.get_many("nodes", [key])[key]))
        except CorruptRecord as why:
            print(type(why).__name__)
"""


def _keys(count: int) -> list[bytes]:
    return [f"{number:031}!x".encode() for number in range(count)]


def _filled(path: Path, size: int, count: int) -> list[bytes]:
    """Put so many records of one size into a fresh database, in transactions of their own: no bundles, small pages."""
    path.mkdir()
    tables = open_tables(path)
    keys = _keys(count)
    with tables.write() as batch:
        batch.put_many("nodes", ((key, bytes(size)) for key in keys))
    forget_tables(path)
    return keys


def _with_length(path: Path, key: bytes, length: int) -> int:
    """Give all records of a key another length, in the file; return how many there were."""
    file = path / "data.mdb"
    data = bytearray(file.read_bytes())
    at = found = 0
    while (at := data.find(key, at + 1)) > 0:
        low, high, flags, size = _HEADER.unpack_from(data, at - _HEADER.size)
        if size == len(key) and low + (high << 16) > 0:
            _HEADER.pack_into(data, at - _HEADER.size, length & 0xFFFF, length >> 16, flags, size)
            found += 1
    file.write_bytes(data)
    return found


@pytest.mark.parametrize("length", [5_000, 60_000, (1 << 16) - 1])
@pytest.mark.parametrize(("size", "count"), [(300, 1200), (30_000, 20)])
def test_a_length_that_is_too_large_is_an_error_and_no_death(
    tmp_path: Path, run: Callable[..., str], size: int, count: int, length: int
) -> None:
    keys = _filled(tmp_path / "db", size, count)
    asked = keys[:3] + keys[-3:]
    for key in asked:
        assert _with_length(tmp_path / "db", key, length)
    answers = run(_READ, tmp_path / "db", *(key.hex() for key in asked)).splitlines()
    assert answers == ["CorruptRecord"] * len(asked)


def test_a_database_that_has_grown_since_it_was_opened_is_covered_as_well(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    """Who makes the file grow leaves room behind its end: here the last page is damaged while the file is mapped."""
    script = """
        import struct, sys
        from pathlib import Path
        from hangar_core.errors import CorruptRecord
        from hangar_core.storage.tables import open_tables

        path = Path(sys.argv[1])
        path.mkdir()
        tables = open_tables(path)
        keys = [f"{number:031}?x".encode() for number in range(2000)]
        for first in range(0, 2000, 500):
            with tables.write() as batch:
                batch.put_many("nodes", ((key, bytes(300)) for key in keys[first : first + 500]))
        with open(path / "data.mdb", "r+b", buffering=0) as file:
            data = file.read()
            for key in keys:
                at = -1
                while (at := data.find(key, at + 1)) > 0:
                    file.seek(at - 8)
                    file.write(struct.pack("<H", 0xFFFF))
        died = 0
        for key in keys:
            try:
                with tables.read() as reader:
                    reader.get("nodes", key)
            except CorruptRecord:
                died += 1
        print(died)
    """
    assert run(script, tmp_path / "db") == "2000\n"
