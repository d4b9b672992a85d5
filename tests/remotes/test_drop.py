"""Drop: what a remote is proved to hold goes from here, and nothing else."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sides import add, content, fresh, reading, row, writing

from hangar_core import Repository
from hangar_core.errors import ArraysetNotFound, DataMissing, Locked, RemoteNotFound, RemoteUnreachable
from hangar_core.remotes.local import folder_of

ORDINARY = 100 + 5 + 3  # of `numbers`, `free` and `nested`; text has a backend of its own


def packs(repo: Repository) -> int:
    """Return how many bytes the packs of a repository take."""
    return sum(path.stat().st_size for path in (Path(repo.path) / ".hangar" / "data" / "20").glob("*.pack"))


def test_what_is_dropped_goes_from_the_disk_and_comes_back_equal(pushed: Repository) -> None:
    whole, before = content(pushed), packs(pushed)
    done = pushed.remote.drop("origin")
    assert done.samples == ORDINARY + 1  # of two commits, s000 has two values
    assert done.kept == {"other-backend": 3}
    assert done.freed == before
    assert packs(pushed) == 0
    assert pushed.remote.drop("origin").samples == 0
    pushed.remote.fetch_data("origin", "master")
    assert content(pushed) == whole


def test_a_sample_that_was_dropped_says_how_it_comes_back(pushed: Repository) -> None:
    pushed.remote.drop("origin", arrayset_names=["numbers", "nested"], keys=["s01*", "day/left"])
    with reading(pushed) as checkout:
        numbers = checkout["numbers"]
        assert len(numbers) == 100
        assert numbers["s020"].tolist() == row(20).tolist()
        for read in (lambda: numbers["s010"], lambda: numbers.get("s010", copy=False)):
            with pytest.raises(DataMissing, match="`s010` of arrayset `numbers`") as caught:
                read()
            commit = checkout.commit_hash[:12]
            assert caught.value.hint == f"run `hangar fetch-data origin {commit} --aset numbers --keys s010`"
        with pytest.raises(DataMissing) as caught:
            checkout["nested", "day"]["left"]
        assert "--aset nested --keys day/left" in caught.value.hint
    pushed.remote.fetch_data("origin", commit=commit, arrayset_names=["numbers"], keys=["s010"])
    with reading(pushed) as checkout:
        assert checkout["numbers", "s010"].tolist() == row(10).tolist()


def test_other_work_goes_on_without_the_data(pushed: Repository) -> None:
    pushed.remote.drop("origin")
    add(pushed, "new", 4000)
    pushed.create_branch("side")
    add(pushed, "s001", 4001, branch="side")
    add(pushed, "s002", 4002, branch="master")
    pushed.merge("both", "master", "side")
    assert pushed.remote.push("origin", "master") == "master"
    assert pushed.repair().missing == ()


def test_what_was_never_pushed_stays(pushed: Repository) -> None:
    add(pushed, "mine", 7777)
    done = pushed.remote.drop("origin", arrayset_names=["numbers"])
    assert done.kept == {"not-on-remote": 1}
    with reading(pushed) as checkout:
        assert checkout["numbers", "mine"].tolist() == row(7777).tolist()


def test_what_no_branch_of_the_remote_leads_to_stays(pushed: Repository, address: str) -> None:
    """Its objects are there still, and nobody promises for how long."""
    pushed.create_branch("side")
    add(pushed, "mine", 7777, branch="side")
    pushed.remote.push("origin", "side")
    for path in (folder_of(address) / "refs" / b"side".hex()).iterdir():
        path.unlink()
    assert pushed.remote.drop("origin", keys=["mine"]).kept == {"not-on-remote": 1}


def test_a_remote_that_is_ahead_still_holds_what_is_behind(pushed: Repository, clone: Repository) -> None:
    add(clone, "theirs", 8888)
    clone.remote.push("origin", "master")
    assert pushed.remote.drop("origin", keys=["s05*"]).samples == 10


@pytest.mark.parametrize("harm", ["flip", "cut"])
def test_a_remote_is_not_believed(pushed: Repository, address: str, harm: str) -> None:
    """What it says it has, and does not send whole, stays here."""
    whole = content(pushed)
    segment = max((folder_of(address) / "segments").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(segment.read_bytes())
    if harm == "flip":
        data[4000] ^= 1
    else:
        data[100:1000] = bytes(900)
    segment.write_bytes(data)
    done = pushed.remote.drop("origin")
    assert done.kept["not-proved"] > 0
    assert done.samples + done.kept["not-proved"] == ORDINARY + 1
    left = content(pushed)
    assert len(left) >= done.kept["not-proved"]
    for key, value in left.items():
        assert value == whole[key] or (key[0] == "nested" and value.items() <= whole[key].items())


def test_commits_and_what_is_to_be_kept_can_be_named(pushed: Repository) -> None:
    first = pushed.log(return_contents=True)["order"][1]
    assert pushed.remote.drop("origin", commits=[first], keep=["master"]).samples == 1
    with reading(pushed) as checkout:
        assert len(list(checkout["numbers"].keys(local=True))) == 100
    assert pushed.remote.drop("origin", keep=["master"]).samples == 0


def test_only_what_is_old_enough(pushed: Repository) -> None:
    assert pushed.remote.drop("origin", stored_before=time.time() - 3600).kept["young"] == ORDINARY + 1
    for path in (Path(pushed.path) / ".hangar" / "data" / "20").iterdir():
        os.utime(path, (1e9, 1e9))
    assert pushed.remote.drop("origin", keys=["s0*0"], stored_before=time.time() - 3600).samples == 11
    # What stays in a pack is as old as before, although its file is new.
    assert pushed.remote.drop("origin", stored_before=time.time() - 3600).samples == ORDINARY + 1 - 11


def test_a_dry_run_changes_nothing(pushed: Repository) -> None:
    before = packs(pushed)
    done = pushed.remote.drop("origin", arrayset_names=["numbers"], dry_run=True)
    assert (done.samples, done.nbytes, done.freed) == (101, 101 * 24, 0)
    assert packs(pushed) == before
    assert pushed.remote.fetch_data("origin", "master") is not None
    assert pushed.remote.bring_data("origin", "master")[1].samples == 0


def test_what_cannot_be_meant_is_refused(pushed: Repository) -> None:
    with pytest.raises(ArraysetNotFound, match="nobody"):
        pushed.remote.drop("origin", arrayset_names=["numbers", "nobody"])
    with pytest.raises(RemoteNotFound):
        pushed.remote.drop("nobody")
    with writing(pushed), pytest.raises(Locked):
        pushed.remote.drop("origin")
    pushed.remote.add("silent", "127.0.0.1:9")
    with pytest.raises(RemoteUnreachable):
        pushed.remote.drop("silent")


def test_a_damaged_pack_is_left_alone(pushed: Repository) -> None:
    """What stays in it can not all be carried over."""
    whole = content(pushed)
    [pack] = sorted((Path(pushed.path) / ".hangar" / "data" / "20").iterdir(), key=lambda one: -one.stat().st_size)[:1]
    data = bytearray(pack.read_bytes())
    at = data.index(row(77).tobytes())
    data[at] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    assert pushed.remote.drop("origin", keys=["s010"]).kept == {"damaged": 1}
    with reading(pushed) as checkout:
        assert checkout["numbers", "s010"].tolist() == whole["numbers", "s010"]
    # If the damaged sample is to go itself, nothing is lost by that.
    assert pushed.remote.drop("origin", keys=["s010", "s077"]).samples == 2
    pushed.remote.fetch_data("origin", "master")
    assert content(pushed) == whole


def test_files_of_other_backends_go_whole_or_not_at_all(origin: Repository) -> None:
    with writing(origin) as writer:
        arrays = writer.arraysets.init_arrayset("collected", shape=(2, 3), dtype=np.float32, backend_opts="10")
        arrays.update({f"c{number}": row(3000 + number) for number in range(20)})
        writer.commit("in collections")
    origin.remote.push("origin", "master")
    whole = content(origin)
    collections = Path(origin.path) / ".hangar" / "data" / "10"
    assert origin.remote.drop("origin", keys=["c1"]).kept == {"shared-file": 1}
    assert len(list(collections.iterdir())) == 1
    assert origin.remote.drop("origin", arrayset_names=["collected"]).samples == 20
    assert list(collections.iterdir()) == []
    origin.remote.fetch_data("origin", "master")
    assert content(origin) == whole


def test_many_samples_in_runs_and_compressed_blocks(tmp_path: Path, address: str) -> None:
    """Thousands at once: their places are in runs, and they lie in blocks with others that stay."""
    repo = fresh(tmp_path / "many")
    repo.init("Ada", "ada@example.org")
    with writing(repo) as writer:
        plain = writer.add_ndarray_arrayset("plain", shape=(8,), dtype=np.int32)
        packed = writer.add_ndarray_arrayset(
            "packed", shape=(64,), dtype=np.int16, backend_opts={"backend": "20", "codec": "zstd"}
        )
        plain.update({number: np.arange(number, number + 8, dtype=np.int32) for number in range(5000)})
        packed.update({number: np.full(64, number, np.int16) for number in range(3000)})
        writer.commit("many")
    repo.remote.add("origin", address)
    repo.remote.push("origin", "master")
    whole, before = content(repo), packs(repo)
    done = repo.remote.drop("origin", keys=["*[02468]"])
    assert done.samples == 4000
    assert before - packs(repo) == done.freed > before // 3
    left = content(repo)
    assert sum(len(key) == 2 for key in left) == 4000
    assert all(whole[key] == value for key, value in left.items())
    repo.remote.fetch_data("origin", "master")
    assert content(repo) == whole


def test_readers_read_on_while_data_move(pushed: Repository) -> None:
    """A pack is written anew under their feet, again and again, and what stays is always found."""
    stop, found = threading.Event(), list[Any]()

    def read() -> None:
        while not stop.is_set():
            with reading(pushed) as checkout:
                numbers = checkout["numbers"]
                found.extend(numbers[f"s{number:03}"].tolist() == row(number).tolist() for number in range(50, 60))
                found.append(
                    [one.tolist() for one in numbers[["s051", "s052"]]] == [row(51).tolist(), row(52).tolist()]
                )

    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    try:
        for _ in range(8):
            pushed.remote.drop("origin", keys=["s04*", "s06*"])
            pushed.remote.fetch_data("origin", "master")
    finally:
        stop.set()
        for one in readers:
            one.join()
    assert len(found) > 100
    assert all(found)


def test_over_http(origin: Repository, tmp_path: Path) -> None:
    pytest.importorskip("httpx", reason="the extra http is not installed")
    pytest.importorskip("uvicorn", reason="the extra server is not installed")
    from sides.servers import running_server

    whole = content(origin)
    with running_server(tmp_path / "server") as address:
        origin.remote.add("lab", address)
        origin.remote.push("lab", "master")
        assert origin.remote.drop("lab").samples == ORDINARY + 1
        origin.remote.fetch_data("lab", "master")
    assert content(origin) == whole
