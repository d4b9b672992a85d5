"""Repair: places that the database has lost are found again, and nothing but what commits name is entered."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray

from hangar_core import Repository
from hangar_core.backends.pack_blocks import decode_block_location
from hangar_core.backends.pack_frames import decode_location
from hangar_core.backends.pack_walk import Whole, walk
from hangar_core.errors import CorruptDataError, DataMissing, Locked
from hangar_core.model import Digest
from hangar_core.storage.context import RepoContext
from hangar_core.storage.tables import forget_tables


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """Two commits: plain and compressed arrays, alone and in blocks, a large one, nested ones and text."""
    repo = Repository(tmp_path, exists=False)
    repo.init("Ana Lopez", "ana@example.org")
    with closing(repo.checkout(write=True)) as writer:
        for name, opts in (("plain", None), ("packed", {"codec": "zstd"})):
            aset = writer.arraysets.init_arrayset(name, shape=(200,), dtype="<i4", backend_opts=opts)
            for number in range(150 if opts is None else 0):
                aset[number] = sample(name, number)
            if opts is not None:
                aset.update({number: sample(name, number) for number in range(150)})
        writer.commit("first")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets["packed"]["alone"] = sample("packed", 999)
        large = writer.arraysets.init_arrayset("large", shape=(400_000,), dtype="<f8", backend_opts={"codec": "zstd"})
        large["one"] = np.arange(400_000.0)
        del writer.arraysets["plain"][149]
        nested = writer.arraysets.init_arrayset("nested", shape=(3,), dtype="<f4", contains_subsamples=True)
        nested["a"] = {1: np.ones(3, "<f4"), 2: np.zeros(3, "<f4")}
        writer.arraysets.init_str_arrayset("words", backend_opts="20")["w"] = "Zürich"
        writer.commit("second")
    return repo


def sample(name: str, number: int) -> NDArray[Any]:
    return np.arange(200, dtype="<i4") * len(name) + number


def contents(repo: Repository) -> dict[str, Any]:
    asets = repo.checkout().arraysets
    flat = {
        f"{name} {key}": value for name in ("plain", "packed", "large", "words") for key, value in asets[name].items()
    }
    return flat | {f"nested {key}": value for key, value in asets["nested"]["a"].items()}


def equal(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


def lose(repo: Repository, digests: Iterable[bytes] | None = None, *, packs: bool = False) -> None:
    """Delete rows of `locations`, all of them if none are named, and of `packs`."""
    tables = RepoContext(Path(repo.path)).tables
    with tables.write() as batch, tables.read() as reader:
        for digest in list(digests or dict(reader.items("locations"))):
            batch.delete("locations", digest)
        for uid, _ in list(reader.items("packs")) if packs else ():
            batch.delete("packs", uid)


def location_of(repo: Repository, digest: Digest) -> bytes:
    with RepoContext(Path(repo.path)).tables.read() as reader:
        found = reader.get("locations", digest)
    assert found is not None
    return found


def test_a_repository_in_order_needs_no_repair(repo: Repository) -> None:
    found = repo.repair()
    assert (found.named, found.whole, found.restored) == (305, 305, 0)
    assert (found.missing, found.damaged, found.unreadable) == ((), (), ())


@pytest.mark.parametrize("packs", [False, True])
def test_all_places_are_found_again_from_packs_alone(repo: Repository, packs: bool) -> None:
    before = contents(repo)
    lose(repo, packs=packs)
    with pytest.raises(DataMissing):
        contents(repo)
    found = repo.repair()
    assert (found.named, found.whole, found.restored, found.missing) == (305, 0, 305, ())
    assert equal(contents(repo), before)
    with closing(repo.checkout(write=True)) as writer:  # which reclaims what it takes for garbage
        writer.arraysets["plain"]["more"] = sample("plain", 7777)
        writer.commit("third")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets["plain"]["more"] = sample("plain", 8888)
    assert equal(contents(repo), before | {"plain more": sample("plain", 7777)})
    assert repo.repair().restored == 0


def test_only_what_is_lost_is_entered_again(repo: Repository) -> None:
    aset = repo.checkout().arraysets["packed"]
    kept, gone = aset.digest(3), aset.digest(4)
    before = location_of(repo, kept), location_of(repo, gone)
    lose(repo, [gone])
    found = repo.repair()
    assert (found.whole, found.restored) == (304, 1)
    assert (location_of(repo, kept), location_of(repo, gone)) == before


def test_what_no_commit_names_is_not_entered(repo: Repository) -> None:
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets["plain"]["staged"] = sample("plain", 12345)
        staged = writer.arraysets["plain"].digest("staged")
    assert repo.repair().named == 305
    with RepoContext(Path(repo.path)).tables.read() as reader:
        assert reader.get("locations", staged) is None
    with closing(repo.checkout(write=True)) as writer:
        assert np.array_equal(writer.arraysets["plain"]["staged"], sample("plain", 12345))


def test_damage_is_told_and_the_walk_goes_on_behind_it(repo: Repository) -> None:
    aset = repo.checkout().arraysets["plain"]
    victims = [aset.digest(10), aset.digest(11), aset.digest(20)]
    places = [decode_location(location_of(repo, digest)) for digest in victims]
    (path,) = Path(repo.path).rglob(f"{places[0][0].hex()}.pack")
    data = bytearray(path.read_bytes())
    data[places[0][1] + 20] ^= 1  # its header,
    data[places[1][1] + 200] ^= 1  # its data,
    data[places[2][1]] ^= 1  # its first byte
    path.write_bytes(data)
    lose(repo)
    found = repo.repair()
    assert (found.restored, set(found.missing)) == (302, set(victims))
    assert [(one.path, one.start) for one in found.damaged] == [(path, offset) for _, offset in sorted(places)]
    assert all(one.end <= one.start + 1000 for one in found.damaged)
    assert np.array_equal(repo.checkout().arraysets["plain"][12], sample("plain", 12))
    with pytest.raises((DataMissing, CorruptDataError)):
        repo.checkout().arraysets["plain"][10]


def test_damage_in_a_block_costs_the_samples_it_meets_and_damage_of_its_header_the_block(tmp_path: Path) -> None:
    repo = Repository(tmp_path, exists=False)
    repo.init("Ana Lopez", "ana@example.org")
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("rows", shape=(200,), dtype="<i4")
        aset.update({number: sample("rows", number) for number in range(150)})
        writer.commit("all")
    rows = repo.checkout().arraysets["rows"]
    blocks: dict[int, list[int]] = {}
    for number in range(150):
        _, offset, _ = decode_block_location(location_of(repo, rows.digest(number)))
        blocks.setdefault(offset, []).append(number)
    (path,) = tmp_path.rglob("*.pack")
    data = bytearray(path.read_bytes())
    first, last = list(blocks)
    data[data.index(sample("rows", 3).tobytes()) + 4] ^= 1
    data[last + 8] ^= 1
    path.write_bytes(data)
    lose(repo)
    found = repo.repair()
    lost = {3, *blocks[last]}
    assert set(found.missing) == {rows.digest(number) for number in lost}
    assert [one.start for one in found.damaged] == [first, last]
    assert "sample 3 of the block" in found.damaged[0].reason
    kept = sorted(set(range(150)) - lost)
    assert np.array_equal(repo.checkout().arraysets["rows"][kept], [sample("rows", number) for number in kept])


def test_a_damaged_place_that_has_another_whole_copy_is_pointed_there(repo: Repository) -> None:
    digest = repo.checkout().arraysets["plain"].digest(10)
    right = location_of(repo, digest)
    tables = RepoContext(Path(repo.path)).tables
    with tables.write() as batch:
        batch.put("locations", digest, right[:18] + (64 + 8).to_bytes(8, "little"))
    assert repo.repair().restored == 1
    assert location_of(repo, digest) == right


def test_a_pack_that_is_cut_or_no_pack_is_told(repo: Repository) -> None:
    paths = sorted(Path(repo.path).rglob("*.pack"), key=lambda path: path.stat().st_size)
    for content, count in ((b"", 1), (b"short", 1), (bytes(5000), 1)):
        whole = paths[0].read_bytes()
        paths[0].write_bytes(content)
        assert len(repo.repair().damaged) == count
        paths[0].write_bytes(whole)
    assert repo.repair().damaged == ()


def test_the_walk_finds_every_frame_wherever_the_file_was_cut(repo: Repository) -> None:
    path = min(Path(repo.path).rglob("*.pack"), key=lambda path: path.stat().st_size)
    whole = path.read_bytes()[:9000]
    path.write_bytes(whole)
    all_of_it = [one for one in walk(path) if isinstance(one, Whole)]
    assert all_of_it
    for cut in range(64, len(whole), 97):
        path.write_bytes(whole[:cut])
        found = [one for one in walk(path) if isinstance(one, Whole)]
        assert found[: len(found)] == [one._replace(end=min(one.end, cut)) for one in all_of_it[: len(found)]]
        assert all(one.end - 8 < cut for one in found)


def test_nobody_repairs_while_a_writer_is_at_work(repo: Repository) -> None:
    with closing(repo.checkout(write=True)), pytest.raises(Locked):
        repo.repair()
    assert repo.repair().whole == 305


@pytest.mark.parametrize("count", [30, 2500])
def test_samples_are_stored_beside_a_damaged_run_and_repair_puts_back_what_it_held(tmp_path: Path, count: int) -> None:
    repo = Repository(tmp_path, exists=False)
    repo.init("Ana Lopez", "ana@example.org")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("rows", shape=(3,), dtype="<i4").update(rows_from(0, 3000))
        writer.commit("all")
    forget_tables(tmp_path / ".hangar" / "records")
    with lmdb.open(str(tmp_path / ".hangar" / "records"), max_dbs=9) as env:
        table = env.open_db(b"places")
        with env.begin(write=True, db=table) as txn:
            key = [key for key, _ in txn.cursor()][2]
            value = bytearray(txn.get(key))
            value[400] ^= 1
            txn.put(key, bytes(value))
    repo = Repository(tmp_path)
    for start in (5000, 9000):  # before it is repaired, and after
        with closing(repo.checkout(write=True)) as writer:
            writer.arraysets["rows"].update(rows_from(start, count))
            writer.commit(f"from {start}")
        repaired = repo.repair()
        assert repaired.missing == ()
        assert (repaired.restored > 300) == (start == 5000)
    found = repo.checkout().arraysets["rows"]
    assert len(found) == 3000 + 2 * count
    assert all(np.array_equal(value, row) for key, value in rows_from(0, 3000).items() for row in [found[key]])


def rows_from(start: int, count: int) -> dict[int, NDArray[Any]]:
    return {number: np.array([number, 1, 2], "<i4") for number in range(start, start + count)}


def test_repair_of_an_earlier_repository_says_that_it_holds_runs(tmp_path: Path) -> None:
    repo = Repository(tmp_path, exists=False)
    repo.init("Ana Lopez", "ana@example.org")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("rows", shape=(3,), dtype="<i4").update(rows_from(0, 2600))
        writer.commit("all")
    told = tmp_path / ".hangar" / "format.json"
    told.write_text('{"format": 1, "requires": ["pack-20"]}')
    digests = [repo.checkout().arraysets["rows"].digest(number) for number in range(2600)]
    lose(repo, digests)
    assert repo.repair().restored == 2600
    assert "compact-1" in told.read_text()
