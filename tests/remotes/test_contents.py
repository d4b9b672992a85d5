"""Remotes that were pushed to often: what many segments hold is said together, and nothing depends on that."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import BadAnswer
from hangar_core.remotes import contents, holdings
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
    above = [name for name in _files(pushed) if name.startswith("contents/01/")]
    for segment in {one for name in above for one in contents.decode_contents((pushed / name).read_bytes(), name)}:
        with (pushed / "segments" / segment).open("r+b") as file:
            file.seek(-8, 2)
            file.write(b"damaged!")
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
                path.write_bytes(contents.encode_contents({"00" * 16: contents.Directory([(8, 9, 0)], b"")}))
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
