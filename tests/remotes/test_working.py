"""The transport ``file://`` to a repository that somebody works in."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sides import add, content, fresh, reading, row, writing

from hangar_core import Repository
from hangar_core.errors import BadAnswer, BranchInUse, Locked, PushRejected, RemoteRefused
from hangar_core.hashing import digests
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import encode_entries
from hangar_core.remotes import working
from hangar_core.remotes.frames import plain_frame
from hangar_core.remotes.transport import open_transport
from hangar_core.testing import TransportContract
from hangar_core.testing.histories import History


def a_desk(place: Path) -> Repository:
    """Return a repository whose staging is on a branch of its own."""
    repo = fresh(place)
    repo.init("Eve", "eve@example.org")
    repo.rename_branch("master", "desk")
    return repo


class TestWorking(TransportContract):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        a_desk(tmp_path / "desk")
        return f"file://{tmp_path}/desk"

    @pytest.mark.skip(reason="nobody makes a repository by opening it")
    def test_what_is_not_there_is_refused_until_somebody_makes_it(self, address: str) -> None:
        """It is there, or a bare remote is made."""


@pytest.fixture
def desk(tmp_path: Path) -> Repository:
    return a_desk(tmp_path / "desk")


@pytest.fixture
def lent(origin: Repository, desk: Repository) -> Repository:
    """`origin`, with `desk` as its remote of that name."""
    origin.remote.add("desk", desk.path)
    origin.remote.push("desk", "master")
    return origin


def test_what_is_pushed_is_a_branch_there_with_its_data(lent: Repository, desk: Repository) -> None:
    whole = content(lent)
    assert desk.list_branches() == ["desk", "master"]
    assert content(desk, branch="master") == whole
    assert desk.repair().missing == ()
    assert desk.reflog("master")[0].reason == "push"
    assert not list((Path(desk.path) / ".hangar" / "incoming" / "segments").iterdir())
    add(lent, "more", 5005)
    done = lent.remote.send("desk", "master")
    assert (done.commits, done.samples) == (1, 1)
    desk.create_branch("copy", base_commit="master")
    assert content(desk, branch="copy") == content(lent)
    with pytest.warns(UserWarning, match="nothing was sent"):
        lent.remote.push("desk", "master")


def test_it_is_cloned_and_fetched_from(origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside whoever works there: a writer is open, and something is staged."""
    whole = content(origin)
    with writing(origin) as writer:
        writer["numbers", "staged"] = row(1)
        repo = fresh(tmp_path / "second")
        assert repo.clone("Bob", "bob@example.org", origin.path) == "master"
        repo.remote.fetch_data("origin", "master")
        assert content(repo) == whole
        add(repo, "theirs", 3)
        with pytest.raises(BranchInUse, match="`master` is the one that is worked on") as caught:
            repo.remote.push("origin", "master")
        assert "hangar checkout" in caught.value.hint
        repo.create_branch("theirs")
        monkeypatch.setattr(working, "_WAIT", 0.0)
        with pytest.raises(Locked):
            repo.remote.push("origin", "theirs")
    assert repo.remote.push("origin", "theirs") == "theirs"
    assert content(origin) == whole
    with writing(origin) as writer:
        assert writer["numbers", "staged"].tolist() == row(1).tolist()
        writer.commit("mine")
    origin.merge("both", "master", "theirs")
    repo.remote.fetch("origin", "master")
    repo.merge("theirs", "master", "origin/master")
    assert repo.log(return_contents=True)["head"] == origin.log(return_contents=True)["head"]


def test_the_branch_that_is_worked_on_moves_for_nobody(lent: Repository, desk: Repository) -> None:
    lent.create_branch("desk")
    for force in (False, True):
        with pytest.raises(BranchInUse):
            lent.remote.push("desk", "desk", force=force)
    history = History()
    transport = open_transport(desk.path)
    transport.put([history.array_frame])
    transport.put([history.record_frame])
    with pytest.raises(BranchInUse):
        transport.move(history.move(history.commits[-1])._replace(branch="desk", force=True))
    transport.close()
    assert desk.branch_heads()[0].digest in {None, ""}


def test_a_branch_that_went_another_way_is_rejected(lent: Repository, desk: Repository) -> None:
    add(desk, "theirs", 2, branch="master")
    desk.switch("desk")
    add(lent, "mine", 1)
    with pytest.raises(PushRejected):
        lent.remote.push("desk", "master")
    lent.remote.fetch("desk", "master")
    lent.merge("both", "master", "desk/master")
    lent.remote.push("desk", "master")
    lent.remote.fetch_data("desk", "master")
    assert content(desk, branch="master") == content(lent)


def test_text_that_is_metadata_in_one_place_and_a_sample_in_another(origin: Repository, desk: Repository) -> None:
    """On the wire they are the same object; in a repository they lie in two places."""
    with writing(desk) as writer:
        writer.add_str_arrayset("names").update({"x": "one"})
        writer.metadata["other"] = "two"
        writer.commit("theirs")
    with writing(origin) as writer:
        writer["text", "d"] = "two"
        writer.metadata["more"] = "one"
        writer.metadata["new"] = "three"
        writer["text", "e"] = "three"
        writer.commit("crossed over")
    origin.remote.add("desk", desk.path)
    origin.remote.push("desk", "master")
    assert content(desk, branch="master") == content(origin)


def test_dropping_against_it(lent: Repository, desk: Repository) -> None:
    whole = content(lent)
    assert lent.remote.drop("desk").samples > 100
    lent.remote.fetch_data("desk", "master")
    assert content(lent) == whole
    for pack in (Path(desk.path) / ".hangar" / "data" / "20").iterdir():
        pack.unlink()
    assert lent.remote.drop("desk").samples == 0
    assert content(lent) == whole


def test_a_repository_without_its_data_gives_what_it_has(pushed: Repository, clone: Repository, tmp_path: Path) -> None:
    third = fresh(tmp_path / "third")
    third.clone("Cyd", "cyd@example.org", clone.path)
    with pytest.raises(BadAnswer, match="it lacks"):
        third.remote.fetch_data("origin", "master")
    clone.remote.fetch_data("origin", "master")
    third.remote.fetch_data("origin", "master")
    assert content(third) == content(pushed)


def test_a_repository_whose_history_ends_is_no_remote(pushed: Repository, address: str, tmp_path: Path) -> None:
    short = fresh(tmp_path / "short")
    short.clone("Bob", "bob@example.org", address, depth=1)
    with pytest.raises(RemoteRefused, match="history ends"):
        fresh(tmp_path / "third").clone("Cyd", "cyd@example.org", short.path)


_PUSH = "import sys; from hangar_core import Repository; Repository(sys.argv[1]).remote.push('desk', 'master')"


@pytest.mark.parametrize(
    "point",
    [
        *("remote.linked:3", "pack.sync:1", "tables.committed:1", "tables.committed:2"),
        *(
            pytest.param(point, marks=pytest.mark.slow)
            for point in ("remote.linked:1", "pack.write:1", "tables.commit:1", "tables.commit:2", "remove:3")
        ),
    ],
)
def test_a_push_that_is_killed_is_done_again(origin: Repository, desk: Repository, point: str) -> None:
    """Nothing of it is seen before it is all there; those who work there have nothing to repair."""
    origin.remote.add("desk", desk.path)
    code = subprocess.run(
        [sys.executable, "-c", _PUSH, origin.path], env={**os.environ, "HANGAR_FAILPOINT": point}, timeout=60
    ).returncode
    assert code == -9
    add_arrayset(desk)
    seen = "master" in desk.list_branches()
    if seen:
        assert content(desk, branch="master") == content(origin)
    origin.remote.send("desk", "master")
    assert content(desk, branch="master") == content(origin)
    assert desk.repair().missing == ()


def add_arrayset(repo: Repository) -> None:
    with writing(repo) as writer:
        writer.add_ndarray_arrayset(f"a{time.time_ns()}", shape=(2,), dtype="u1")
        writer.commit("work goes on")


def test_what_others_have_taken_over_is_still_known_to_who_saw_it_come(desk: Repository) -> None:
    history = History()
    leaf = next(one for one in history.objects if digests.code_of(one) == digests.NODE)
    above = encode_entries(1, 32, [encode_key("s4")], [leaf], [5])
    with closing(open_transport(desk.path)) as first, closing(open_transport(desk.path)) as second:
        first.put([history.array_frame])
        first.put([history.record_frame])
        second.move(history.move(history.commits[-1]))
        name = digests.compute(digests.NODE, above)
        first.put([plain_frame([name], [above])])
        assert first.has([leaf, name]) == [True, True]


def test_several_push_at_once_while_somebody_commits(origin: Repository, desk: Repository, tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def push(number: int) -> None:
        try:
            repo = fresh(tmp_path / f"pusher {number}")
            repo.clone("Bob", "bob@example.org", origin.path)
            repo.remote.add("desk", desk.path)
            repo.remote.fetch_data("origin", "master")
            for value in range(3):
                add(repo, f"p{number}", value)
                repo.create_branch(f"b{number}-{value}")
                repo.remote.push("desk", f"b{number}-{value}")
        except BaseException as why:
            errors.append(why)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(3)]
    for one in threads:
        one.start()
    for _ in range(4):
        checkout = desk.checkout(write=True, wait=30)
        checkout.add_ndarray_arrayset(f"a{time.time_ns()}", shape=(2,), dtype="u1")
        checkout.commit("work goes on")
        checkout.close()
    for one in threads:
        one.join()
    assert not errors, errors
    assert len(desk.list_branches()) == 1 + 9
    with reading(desk, branch="b2-2") as checkout:
        assert checkout["numbers", "p2"].tolist() == row(2).tolist()
        assert len(list(checkout["numbers"].keys(local=True))) == 101
    assert desk.repair().missing == ()
