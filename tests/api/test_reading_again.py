"""What was read before is read again without being looked for, and many samples are read together.

Whichever way a sample is read, and however often: it is verified, a fresh array of one's own, and what the name stands
for.
"""

from __future__ import annotations

import gc
import mmap
import weakref
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository, make_numpy_dataset
from hangar_core.backends import pack_alike
from hangar_core.errors import CorruptDataError, SampleNotFound
from hangar_core.hashing import digests

ROWS = np.random.default_rng(3).normal(size=(60, 6, 5)).astype(np.float32)
LARGE = np.random.default_rng(4).integers(0, 255, (4, 600_000), dtype=np.uint8)


@pytest.fixture
def repo(tmp_path):
    repo = Repository(tmp_path, exists=False)
    repo.init("User", "user@example.org")
    writer = repo.checkout(write=True)
    asets = writer.arraysets
    asets.init_arrayset("small", prototype=ROWS[0]).update(enumerate(ROWS))
    asets.init_arrayset("large", prototype=LARGE[0]).update(enumerate(LARGE))
    writer.commit("all")
    writer.close()
    return repo


def stack(aset, names):
    return aset.read_into(names, np.empty((len(names), *aset.shape), aset.dtype))


def loader(aset):
    return make_numpy_dataset(aset, keys=list(range(len(aset))))


DOORS = {
    "one": lambda aset, name: aset[name],
    "list": lambda aset, name: aset[[0, name]][1],
    "batch": lambda aset, name: aset.get_batch([name, 0])[0],
    "view": lambda aset, name: aset.get(name, copy=False),
    "window": lambda aset, name: aset.get(name, window=...),
    "stack": lambda aset, name: stack(aset, [0, name])[1],
    "values": lambda aset, name: list(aset.values())[name],
    "items": lambda aset, name: dict(aset.items())[name],
    "item of a loader": lambda aset, name: loader(aset)[name][0],
    "batch of a loader": lambda aset, name: loader(aset)[[0, name]][0][1],
    "loader": lambda aset, name: next(loader(aset).batches(60))[0][name],
}
ASETS = {"small": ROWS, "large": LARGE}


def flipped(repo: Path, sample: np.ndarray, at: int) -> Callable[[], None]:
    """Flip a bit of a sample where it lies, for all who have mapped it; return what flips it back."""
    for path in (repo / ".hangar" / "data" / "20").iterdir():
        place = path.read_bytes().find(sample.tobytes())
        if place >= 0:
            break

    def flip() -> None:
        with open(path, "r+b") as file:
            file.seek(place + at)
            byte = file.read(1)[0]
            file.seek(place + at)
            file.write(bytes([byte ^ 4]))

    assert place >= 0
    flip()
    return flip


@pytest.mark.parametrize("before", ["nothing", "one by one", "together"])
@pytest.mark.parametrize("name", sorted(ASETS))
@pytest.mark.parametrize("door", sorted(DOORS))
def test_a_flipped_bit_is_found_by_every_way_of_reading(repo, tmp_path, door, name, before):
    read, rows = DOORS[door], ASETS[name]
    aset = repo.checkout().arraysets[name]
    if before == "one by one":
        assert all(np.array_equal(aset[key], rows[key]) for key in range(len(rows)))
    elif before == "together":
        assert np.array_equal(aset.get_batch(range(len(rows))), rows)
    flip_back = flipped(tmp_path, rows[3], 19)
    with pytest.raises(CorruptDataError, match="checksum") as error:
        read(aset, 3)
    assert Path(error.value.facts["file"]).suffix == ".pack"
    assert error.value.facts["digest"] == digests.text(aset.digest(3))
    assert error.value.hint
    flip_back()
    assert np.array_equal(read(aset, 3), rows[3])


def test_damaged_data_that_were_stored_again_are_found_in_their_new_place(repo, tmp_path):
    aset = repo.checkout().arraysets["small"]
    assert np.array_equal(aset[3], ROWS[3])
    flipped(tmp_path, ROWS[3], 19)
    writer = repo.checkout(write=True)
    writer.arraysets["small"]["copy"] = ROWS[3]
    writer.commit("healed")
    writer.close()
    assert np.array_equal(aset[3], ROWS[3])
    assert np.array_equal(aset[[2, 3]], ROWS[2:4])
    assert np.array_equal(list(aset.values()), ROWS)


@pytest.mark.parametrize("what", ["a frame", "data in a block"])
def test_damage_is_passed_by_when_the_data_were_stored_again_elsewhere(repo, tmp_path, monkeypatch, what):
    """Iterating looks beside what it reads first: damaged bytes lie there still, and nothing names them any more."""
    monkeypatch.setattr("hangar_core.backends.pack_alike.GATHERED_BYTES", 1)
    monkeypatch.setattr("hangar_core.backends.pack_rows.GATHERED_BYTES", 1)
    name = "alone" if what == "a frame" else "small"
    rows = ROWS + 1 if what == "a frame" else ROWS
    with closing(repo.checkout(write=True)) as writer:
        alone = writer.arraysets.init_arrayset("alone", prototype=rows[0])
        for key, row in enumerate(ROWS + 1):
            alone[key] = row
        writer.commit("one by one")
    pack = next(
        one for one in (tmp_path / ".hangar" / "data" / "20").iterdir() if rows[9].tobytes() in one.read_bytes()
    )
    data = pack.read_bytes()
    place = data.find(rows[9].tobytes())
    flipped(tmp_path, rows[9], data.rfind(b"HF20", 0, place) - place if what == "a frame" else 5)
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets[name]["copy"] = rows[9]
        writer.commit("healed")
    found = dict(repo.checkout().arraysets[name].items())
    assert np.array_equal([found[key] for key in range(60)], rows)


def test_a_block_whose_header_is_damaged_heals_when_its_samples_are_stored_again(repo, tmp_path):
    (pack,) = (tmp_path / ".hangar" / "data" / "20").iterdir()
    data = pack.read_bytes()
    place = data.find(ROWS[9].tobytes())
    flipped(tmp_path, ROWS[9], data.rfind(b"HB20", 0, place) - place)
    with pytest.raises(CorruptDataError):
        dict(repo.checkout().arraysets["small"].items())
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets["small"].update((f"again {key}", row) for key, row in enumerate(ROWS))
        writer.commit("healed")
    found = dict(repo.checkout().arraysets["small"].items())
    assert np.array_equal([found[key] for key in range(60)], ROWS)


@pytest.mark.parametrize("name", sorted(ASETS))
def test_every_array_is_fresh_and_writable_however_often_it_is_read(repo, name):
    aset, rows = repo.checkout().arraysets[name], ASETS[name]
    keys = [0, 1, 0, 2]
    for _ in range(3):
        for arrays in (
            [aset[key] for key in keys],
            aset.get_batch(keys),
            aset[keys],
            [array for array, _ in zip(aset.values(), range(3), strict=False)],
            stack(aset, keys),
        ):
            for array in arrays:
                array += 1
        assert np.array_equal(aset[keys], rows[keys])
        assert all(one.base is None and one.flags.owndata for one in (aset[0], *aset[keys], *aset.values()))


def test_only_so_many_samples_are_remembered(repo, monkeypatch):
    monkeypatch.setattr("hangar_core.arraysets.remembering._MOST", 10)
    aset = repo.checkout().arraysets["small"]
    for start in range(0, 60, 7):
        keys = [key % 60 for key in range(start, start + 7)]
        assert np.array_equal(aset[keys], ROWS[keys])
        assert np.array_equal(aset[start], ROWS[start])
        assert np.array_equal(stack(aset, keys), ROWS[keys])
        assert len(aset._spots) <= 10


def test_what_equals_a_name_without_being_one_is_not_found(repo):
    """For a dict, True and 1.0 are 1."""
    aset = repo.checkout().arraysets["small"]
    for _ in range(2):
        assert np.array_equal(aset[1], ROWS[1])
        assert np.array_equal(aset[np.int64(1)], ROWS[1])
        assert np.array_equal(aset[[np.uint8(1), 2]], ROWS[1:3])
        for other in (True, 1.0, "1"):
            for read in (lambda key: aset[key], lambda key: aset[[1, key]], lambda key: aset.get(key, copy=False)):
                with pytest.raises(SampleNotFound):
                    read(other)


def test_a_writer_reads_what_is_staged_not_what_it_read_before(repo):
    writer = repo.checkout(write=True)
    aset = writer.arraysets["small"]
    assert np.array_equal(aset[[1, 2]], ROWS[1:3])
    aset[1] = ROWS[1] + 1
    del aset[2]
    assert np.array_equal(aset[1], ROWS[1] + 1)
    assert np.array_equal(stack(aset, [1, 3]), [ROWS[1] + 1, ROWS[3]])
    assert np.array_equal(next(iter(dict(aset.items()).values())), ROWS[0])
    with pytest.raises(SampleNotFound):
        aset[2]
    writer.close()


def test_samples_are_found_beside_each_other_and_where_they_are_not(tmp_path):
    """Equal data, data of earlier commits, other arraysets and other sizes lie between those that follow each other."""
    repo = Repository(tmp_path, exists=False)
    repo.init("User", "user@example.org")
    rows = {key: np.full(4, key % 13, np.int64) + (key % 7 == 0) * key for key in range(700)}
    for first in (0, 1, 2):
        writer = repo.checkout(write=True)
        if not first:
            writer.arraysets.init_arrayset("a", shape=(9,), dtype=np.int64, variable_shape=True)
            writer.arraysets.init_arrayset("b", prototype=ROWS[0])
        for start in range(first, 700, 30):
            writer.arraysets["a"].update({key: rows[key] for key in range(start, 700, 3)})
            writer.arraysets["b"][start] = ROWS[start % 60] * start
            rows[start] = np.arange(start % 9, dtype=np.int64) + start
            writer.arraysets["a"][start] = rows[start]
        writer.commit("more")
        writer.close()
    aset = repo.checkout().arraysets["a"]
    for _ in range(2):
        found = dict(aset.items())
        assert found.keys() == rows.keys()
        assert all(np.array_equal(found[key], rows[key]) for key in rows)
        keys = np.random.default_rng(1).permutation(700).tolist()
        assert all(np.array_equal(one, rows[key]) for key, one in zip(keys, aset[keys], strict=True))


def test_what_is_remembered_of_a_pack_goes_with_its_mapping(tmp_path, monkeypatch):
    monkeypatch.setattr("hangar_core.backends.pack_maps._OPEN_PACKS", 2)
    repo = Repository(tmp_path, exists=False)
    repo.init("User", "user@example.org")
    for number in range(5):
        writer = repo.checkout(write=True)
        if not number:
            writer.arraysets.init_arrayset("a", prototype=ROWS[0])
        writer.arraysets["a"].update({key: ROWS[key] for key in range(number, 60, 5)})
        writer.commit("more")
        writer.close()
    co = repo.checkout()
    aset = co.arraysets["a"]
    for _ in range(3):
        assert all(np.array_equal(aset[key], ROWS[key]) for key in range(60))
        assert np.array_equal(aset[list(range(60))], ROWS)
        assert len(co._session.data._packs._maps) <= 2
    kept = aset.get(0, copy=False)
    co.close()
    assert np.array_equal(kept, ROWS[0])


def test_kinds_of_equal_size_do_not_keep_mappings_that_went(tmp_path, monkeypatch):
    """Their headers begin alike; what is remembered of one must not be lost when the other is met."""
    monkeypatch.setattr("hangar_core.backends.pack_maps._OPEN_PACKS", 2)
    mapped = weakref.WeakSet()
    mapping = mmap.mmap

    class Mapping(mapping):
        def __init__(self, *_args, **_named):
            mapped.add(self)

    monkeypatch.setattr("hangar_core.backends.pack_maps.mmap.mmap", Mapping)
    repo = Repository(tmp_path, exists=False)
    repo.init("User", "user@example.org")
    for number in range(5):
        writer = repo.checkout(write=True)
        for name in ("f4", "i4"):
            if not number:
                writer.arraysets.init_arrayset(name, shape=(4,), dtype=name)
            writer.arraysets[name][number] = np.full(4, number, name)
        writer.commit("more")
        writer.close()
    asets = repo.checkout().arraysets
    for _ in range(2):
        for number in range(5):
            for name in ("f4", "i4", "f4"):
                assert np.array_equal(asets[name][number], np.full(4, number, name))
    gc.collect()
    assert len(mapped) <= 2


def test_kinds_may_be_met_while_others_are_forgotten(tmp_path, monkeypatch):
    """As another thread does: here it happens in the middle of forgetting."""
    repo = Repository(tmp_path, exists=False)
    repo.init("User", "user@example.org")
    writer = repo.checkout(write=True)
    rows = [np.full(size, size, "i8") for size in range(1, 9)]
    writer.arraysets.init_arrayset("a", shape=(9,), dtype="i8", variable_shape=True).update(enumerate(rows))
    writer.commit("all")
    writer.close()
    aset = repo.checkout().arraysets["a"]
    let_go, met = pack_alike.Alike.let_go, []

    def meet(kind):
        let_go(kind)
        if not met:
            met.append(aset[7])

    monkeypatch.setattr("hangar_core.backends.pack_maps._KNOWN_KINDS", 3)
    monkeypatch.setattr(pack_alike.Alike, "let_go", meet)
    for _ in range(2):
        assert all(np.array_equal(aset[key], rows[key]) for key in range(7))
    assert np.array_equal(met, rows[7:])
