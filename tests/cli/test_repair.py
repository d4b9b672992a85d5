"""`hangar repair`."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from hangar_core import Repository
from hangar_core.storage.context import RepoContext

from .conftest import Terminal


def _lost(hangar: Terminal) -> Repository:
    repo = Repository(hangar.directory)
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("a", shape=(50,), dtype="<i4", backend_opts={"codec": "zstd"})
        aset.update({number: np.arange(50, dtype="<i4") + number for number in range(20)})
        writer.commit("first")
    tables = RepoContext(hangar.directory).tables
    with tables.write() as batch, tables.read() as reader:
        for digest in dict(reader.items("locations")):
            batch.delete("locations", digest)
    return repo


def test_repair_finds_lost_places_and_says_how_many(hangar: Terminal) -> None:
    repo = _lost(hangar)
    assert "found again: 20." in hangar("repair").stdout
    assert np.array_equal(repo.checkout().arraysets["a"][7], np.arange(50) + 7)
    document = hangar.json("repair")
    assert document == {
        "version": "hangar.repair/1",
        "named": 20,
        "whole": 20,
        "restored": 0,
        "missing": [],
        "elsewhere": 0,
        "damaged": [],
        "unreadable": [],
    }


def test_repair_names_what_stays_lost_and_fails(hangar: Terminal) -> None:
    repo = _lost(hangar)
    (path,) = hangar.directory.rglob("*.pack")
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    done = hangar("repair", code=6)
    missing = [repo.checkout().arraysets["a"].digest(number) for number in range(20)]
    assert done.stdout.count("missing: ") == len(missing)
    assert f"damaged: {path}, bytes 64 to {len(data)}" in done.stdout
    assert "20 samples are missing or damaged" in done.stderr
    document = hangar.json("repair", code=6)
    assert len(document["missing"]) == 20
    assert document["damaged"][0]["file"] == str(path)
