"""Remotes that were pushed to often: what many segments hold is said together, and nothing depends on that."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import BadAnswer, NotAuthorized
from hangar_core.remotes import contents, holdings
from hangar_core.remotes.bare import BareRemote
from hangar_core.remotes.holdings import Holdings
from hangar_core.remotes.segments import Directory
from hangar_core.remotes.store import FolderStore
from hangar_core.remotes.transport import open_transport

FEW = 4


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of contents tell of four segments, and those of the next level of eight."""
    monkeypatch.setattr(contents, "SEGMENTS_EACH", FEW)
    monkeypatch.setattr(contents, "FILES_EACH", 2)
    monkeypatch.setattr(holdings, "_FEW", 2)


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """A remote after ten pushes of one sample."""
    remote = tmp_path / "remote"
    repo = _repository(tmp_path / "ana")
    for number in range(10):
        _push(repo, remote, {str(number): number})
    return remote


def _repository(place: Path) -> Repository:
    place.mkdir()
    repo = Repository(place, exists=False)
    repo.init("Ana", "ana@example.org")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("x", shape=(2,), dtype=np.int64)
        writer.commit("an arrayset")
    return repo


def _push(repo: Repository, remote: Path, samples: dict[str, int]) -> None:
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets["x"].update({name: np.full(2, value) for name, value in samples.items()})
        writer.commit(f"{list(samples)}")
    if "origin" not in {one.name for one in repo.remote.list_all()}:
        repo.remote.add("origin", str(remote))
    repo.remote.push("origin", "master")


def _cloned(place: Path, remote: Path) -> dict[str, list[int]]:
    place.mkdir()
    repo = Repository(place, exists=False)
    repo.clone("Ben", "ben@example.org", str(remote))
    repo.remote.fetch_data("origin", "master")
    return {name: sample.tolist() for name, sample in repo.checkout(branch="master").arraysets["x"].items()}


def _files(remote: Path) -> list[str]:
    return sorted(path.relative_to(remote).as_posix() for path in (remote / "contents").rglob("*") if path.is_file())


def _damage_directories(remote: Path, level: str) -> None:
    """Damage the directories of all segments that files of one level tell of."""
    names = [name for name in _files(remote) if name.startswith(level)]
    for segment in {one for name in names for one in contents.decode_contents((remote / name).read_bytes(), name)}:
        with (remote / "segments" / segment).open("r+b") as file:
            file.seek(-8, 2)
            file.write(b"damaged!")


EXPECTED = {str(number): [number, number] for number in range(10)}


def test_whoever_has_pushed_often_says_what_the_segments_hold(tmp_path: Path, pushed: Path) -> None:
    first, second, above = (
        "contents/00/0000000000000001",
        "contents/00/0000000000000002",
        "contents/01/0000000000000001",
    )
    assert {first, second, above} <= set(_files(pushed))
    told = [contents.decode_contents((pushed / name).read_bytes(), name) for name in (first, second, above)]
    assert [len(one) for one in told] == [FEW, FEW, 2 * FEW]
    assert told[0] | told[1] == told[2]
    assert set(told[2]) <= {path.name for path in (pushed / "segments").iterdir()}
    assert _cloned(tmp_path / "ben", pushed) == EXPECTED


def test_segments_that_are_told_of_are_not_looked_into(tmp_path: Path, pushed: Path) -> None:
    """Their directories may be damaged: a client that reads them would say so."""
    _damage_directories(pushed, "contents/01/")
    assert _cloned(tmp_path / "ben", pushed) == EXPECTED


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "another"])
def test_without_them_everything_is_found_all_the_same(tmp_path: Path, pushed: Path, how: str) -> None:
    for name in _files(pushed):
        path = pushed / name
        data = path.read_bytes()
        match how:
            case "empty":
                path.write_bytes(b"")
            case "cut":
                path.write_bytes(data[:-20])
            case "another":
                path.write_bytes(contents.encode_contents({"00" * 16: Directory([(8, 9, 0)], b"")}))
    if how == "gone":
        shutil.rmtree(pushed / "contents")
    assert _cloned(tmp_path / "ben", pushed) == EXPECTED


def test_it_goes_on_where_others_left_off(tmp_path: Path, pushed: Path) -> None:
    place = tmp_path / "ben"
    _cloned(place, pushed)
    before = _files(pushed)
    repo = Repository(place)
    for number in range(10, 20):
        _push(repo, pushed, {str(number): number})
    assert set(before) < set(_files(pushed))
    uids = [
        uid
        for name in _files(pushed)
        if name.startswith("contents/00/")
        for uid in contents.decode_contents((pushed / name).read_bytes(), name)
    ]
    assert len(uids) == len(set(uids)), "no segment is told of twice"
    assert len(_cloned(tmp_path / "eve", pushed)) == 20


def test_a_remote_that_takes_no_more_files_of_them_takes_pushes(tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    repo = _repository(tmp_path / "ana")
    _push(repo, remote, {"first": 1})
    (remote / "contents").write_bytes(b"no folder can be made here")
    for number in range(10):
        _push(repo, remote, {str(number): number})
    assert len(_cloned(tmp_path / "ben", remote)) == 11


def test_segments_with_much_in_them_stay_alone(tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    repo = _repository(tmp_path / "ana")
    for number in range(6):
        _push(repo, remote, {f"{number} {one}": 1000 * number + one for one in range(600)})
    assert all(
        contents.is_small(directory)
        for name in _files(remote)
        for directory in contents.decode_contents((remote / name).read_bytes(), name).values()
    )
    assert len(_cloned(tmp_path / "ben", remote)) == 3600


def test_a_segment_that_somebody_has_removed_is_called_missing(tmp_path: Path, pushed: Path) -> None:
    remote = open_transport(str(pushed))
    heads = list(remote.info().branches.values())
    assert remote.has(heads) == [True]
    for path in (pushed / "segments").iterdir():
        path.unlink()
    with pytest.raises(BadAnswer, match=r"segments/[0-9a-f]{32} is missing"):
        list(remote.get(heads))


def test_files_that_are_no_segments_are_left_alone(tmp_path: Path, pushed: Path) -> None:
    """As programs leave them that sync folders."""
    some = next((pushed / "segments").iterdir())
    for name in (f"{some.name}.sync-conflict-1", f"{some.name} (copy)", f"{some.name}ff", ".DS_Store"):
        shutil.copy(some, some.with_name(name))
    repo = _repository(tmp_path / "eve")
    repo.remote.add("origin", str(pushed))
    for number in range(5):
        with closing(repo.checkout(write=True)) as writer:
            writer.arraysets["x"]["mine"] = np.full(2, number)
            writer.commit(str(number))
        repo.remote.push("origin", "master", force=True)
    assert _cloned(tmp_path / "ben", pushed) == {"mine": [4, 4]}


def test_a_damaged_file_of_level_1_hides_nothing(tmp_path: Path, pushed: Path) -> None:
    for path in (pushed / "contents/01").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    _damage_directories(pushed, "contents/00/")
    assert _cloned(tmp_path / "ben", pushed) == EXPECTED


@pytest.mark.parametrize(
    ("forged", "found"),
    [
        (lambda at, size, count: (at, 1 << 63, count), True),
        (lambda at, size, count: ((1 << 64) - 1, size, count), True),
        (lambda at, size, count: (at, 1 << 50, count), True),
        (lambda at, size, count: (1 << 50, size, count), False),
        (lambda at, size, count: (at + 1, size, count), False),
    ],
)
def test_places_that_are_made_up_cost_no_memory_and_no_traceback(
    tmp_path: Path, pushed: Path, forged: Callable[[int, int, int], tuple[int, int, int]], found: bool
) -> None:
    _rewritten(pushed, lambda frames: [forged(*one) for one in frames])
    if found:  # in the segments themselves, or because the file ends
        assert _cloned(tmp_path / "ben", pushed) == EXPECTED
    else:
        with pytest.raises(BadAnswer, match="is damaged at byte"):
            _cloned(tmp_path / "ben", pushed)


def test_objects_that_are_counted_wrongly_are_told_of(tmp_path: Path, pushed: Path) -> None:
    def split(frames: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        (at, size, count), *others = frames
        return [(at, size, count - 1), (at, size, 1), *others]

    _rewritten(pushed, split)
    with pytest.raises(BadAnswer, match="has other objects at byte"):
        _cloned(tmp_path / "ben", pushed)


def _rewritten(remote: Path, change: Callable[[list[tuple[int, int, int]]], list[tuple[int, int, int]]]) -> None:
    """Have all files of contents say other places, under checksums that are right."""
    for name in _files(remote):
        told = contents.decode_contents((remote / name).read_bytes(), name)
        changed = {uid: Directory(change(one.frames), one.names) for uid, one in told.items()}
        (remote / name).write_bytes(contents.encode_contents(changed))


def test_who_may_not_list_them_reads_the_segments(pushed: Path) -> None:
    class Refusing(FolderStore):
        def names(self, prefix: str) -> list[str]:
            if prefix.startswith("contents"):
                raise NotAuthorized(address="here", reason="no right to list that", hint="ask for it")
            return super().names(prefix)

    remote = BareRemote(Refusing(pushed), "here")
    heads = list(remote.info().branches.values())
    assert remote.has(heads) == [True]


def test_several_who_gather_at_once_tell_of_nothing_twice(tmp_path: Path) -> None:
    folder = tmp_path / "remote"
    open_transport(str(folder), create=True)
    names = [f"{number:032x}" for number in range(64)]
    several = [Holdings(FolderStore(folder)) for _ in range(4)]
    for number, name in enumerate(names):
        for holdings_of_one in several:
            holdings_of_one.add(name, Directory([(8, 100, 1)], bytes([number]) * 33))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(one.gather) for one in several * 4]:
            done.result()
    told = [
        uid
        for name in _files(folder)
        if name.startswith("contents/00/")
        for uid in contents.decode_contents((folder / name).read_bytes(), name)
    ]
    assert sorted(told) == names
