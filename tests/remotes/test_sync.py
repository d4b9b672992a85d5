"""Push, fetch, fetch-data and clone: the documented behaviour, and what partial history can do."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from sides import add, content, fresh, reading, row, writing

from hangar_core import Repository
from hangar_core.errors import (
    AlreadyExists,
    CorruptDataError,
    CorruptRecord,
    DataMissing,
    NoRepositoryThere,
    NotFound,
    PushRejected,
    RemoteNotFound,
)

# --- names and addresses ------------------------------------------------------------------------------------------


def test_remotes_are_recorded_listed_and_forgotten(origin: Repository) -> None:
    info = origin.remote.add("backup", "localhost:1234")
    assert (info.name, info.address) == tuple(info) == ("backup", "localhost:1234")
    assert type(info).__name__ == "RemoteInfo"
    assert [one.name for one in origin.remote.list_all()] == ["backup", "origin"]
    assert origin.remote.remove("backup") == info
    assert origin.remote.add("backup", "elsewhere") == ("backup", "elsewhere")


@pytest.mark.parametrize("name", [12, "", "a b", "a\n", "a/b", "x" * 65])
def test_names_of_remotes_follow_the_rule(origin: Repository, name: object) -> None:
    with pytest.raises(ValueError, match="Remote name"):
        origin.remote.add(name, "localhost:1")


def test_a_name_is_taken_once(origin: Repository) -> None:
    with pytest.raises(ValueError, match="exists already"):
        origin.remote.add("origin", "localhost:1")


@pytest.mark.parametrize("use", ["remove", "ping"])
def test_an_unknown_remote_is_both_kinds_of_error(origin: Repository, use: str) -> None:
    for kind in (KeyError, ValueError, RemoteNotFound):
        with pytest.raises(kind):
            getattr(origin.remote, use)("nobody")


def test_before_init_only_reaching_the_property_works(tmp_path: Path) -> None:
    remote = fresh(tmp_path / "empty").remote
    for use in (
        lambda: remote.add("a", "b"),
        lambda: remote.remove("a"),
        lambda: remote.fetch("a", "b"),
        lambda: remote.fetch_data("a", "b"),
        remote.list_all,
        lambda: remote.ping("a"),
        lambda: remote.push("a", "b"),
    ):
        with pytest.raises(RuntimeError):
            use()


def test_ping_takes_a_while_and_nobody_there_is_a_connection_error(pushed: Repository) -> None:
    assert isinstance(pushed.remote.ping("origin"), float)
    pushed.remote.remove("origin")
    assert pushed.list_branches() == ["master"]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2, "remotes": {}}', '{"version": 1, "remotes": {"a": 1}}'])
def test_a_damaged_list_of_remotes_is_said(origin: Repository, text: str) -> None:
    (Path(origin.path) / ".hangar" / "remotes.json").write_text(text)
    with pytest.raises(CorruptRecord, match=r"remotes\.json"):
        origin.remote.list_all()


# --- push -----------------------------------------------------------------------------------------------------------


def test_push_returns_the_branch_and_tracks_it(origin: Repository) -> None:
    assert origin.remote.push("origin", "master") == "master"
    assert origin.list_branches() == ["master", "origin/master"]


def test_pushing_again_sends_nothing_and_warns(pushed: Repository) -> None:
    with pytest.warns(UserWarning, match="nothing was sent"):
        assert pushed.remote.push("origin", "master") == "master"


def test_a_push_sends_what_changed_and_no_more(pushed: Repository) -> None:
    add(pushed, "s050", 5000)
    done = pushed.remote.send("origin", "master")
    assert (done.commits, done.samples) == (1, 1)
    assert done.records <= 5


def test_what_is_pushed_under_another_branch_is_not_sent_again(pushed: Repository) -> None:
    pushed.create_branch("other")
    done = pushed.remote.send("origin", "other")
    assert (done.commits, done.records, done.samples) == (0, 0, 0)


def test_a_branch_that_went_another_way_is_rejected_until_it_is_merged(pushed: Repository, clone: Repository) -> None:
    add(pushed, "mine", 1)
    pushed.remote.push("origin", "master")
    add(clone, "yours", 2)
    with pytest.raises(PushRejected) as caught:
        clone.remote.push("origin", "master")
    assert "hangar fetch origin master" in caught.value.hint
    assert clone.remote.fetch("origin", "master") == "origin/master"
    clone.merge("both", "master", "origin/master")
    assert clone.remote.push("origin", "master") == "master"
    pushed.remote.fetch("origin", "master")
    pushed.merge("theirs", "master", "origin/master")
    pushed.remote.fetch_data("origin", "master")
    found = content(pushed)
    assert (found["numbers", "mine"], found["numbers", "yours"]) == (row(1).tolist(), row(2).tolist())


def test_force_sets_a_branch_back_and_the_remote_remembers(pushed: Repository, address: str) -> None:
    before = pushed.log(return_contents=True)["head"]
    pushed.reset("HEAD~1", hard=True)
    with pytest.raises(PushRejected):
        pushed.remote.push("origin", "master")
    done = pushed.remote.send("origin", "master", force=True)
    assert done.old is not None
    assert done.old.hex() == before


def test_there_must_be_something_to_push(origin: Repository, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        origin.remote.push("origin", "nothing")
    empty = fresh(tmp_path / "third")
    empty.init("C", "c")
    empty.remote.add("origin", str(tmp_path / "other"))
    with pytest.raises(ValueError, match="no commits"):
        empty.remote.push("origin", "master")


def test_a_commit_whose_data_nobody_has_is_not_pushed(clone: Repository, tmp_path: Path) -> None:
    clone.remote.add("backup", str(tmp_path / "backup"))
    with pytest.raises(DataMissing, match="neither on this machine"):
        clone.remote.push("backup", "master")
    clone.remote.fetch_data("origin", "master", retrieve_all_history=True)
    assert clone.remote.push("backup", "master") == "master"


def test_a_clone_without_data_pushes_what_it_adds(clone: Repository, pushed: Repository) -> None:
    add(clone, "new", 7000)
    done = clone.remote.send("origin", "master")
    assert (done.commits, done.samples) == (1, 1)
    pushed.remote.fetch("origin", "master")
    pushed.merge("", "master", "origin/master")
    pushed.remote.fetch_data("origin", "master")
    assert content(pushed)["numbers", "new"] == row(7000).tolist()


# --- clone and fetch ------------------------------------------------------------------------------------------------


def test_a_clone_has_the_history_and_no_data(clone: Repository, pushed: Repository, address: str) -> None:
    assert clone.list_branches() == ["master", "origin/master"]
    assert clone.remote.list_all() == [("origin", address)]
    assert clone.log(return_contents=True) == pushed.log(return_contents=True)
    with pytest.warns(UserWarning, match="reference-only"):
        checkout = clone.checkout()
    assert len(checkout["numbers"]) == 100
    with pytest.raises(FileNotFoundError) as caught:
        checkout["numbers", "s001"]
    assert "hangar fetch-data" in caught.value.hint
    assert checkout.metadata["note"] == "one"
    checkout.close()
    assert clone.status().clean


def test_no_warning_escapes_from_a_clone(pushed: Repository, address: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fresh(tmp_path / "third").clone("C", "c@example.org", address, remove_old=True) == "master"


def test_a_repository_is_not_replaced_by_a_clone_unless_asked(
    clone: Repository, pushed: Repository, address: str
) -> None:
    with pytest.raises(AlreadyExists):
        clone.clone("Bob", "bob@example.org", address)
    add(pushed, "later", 3)
    pushed.remote.push("origin", "master")
    clone.clone("Bob", "bob@example.org", address, remove_old=True)
    assert clone.log(return_contents=True) == pushed.log(return_contents=True)


def test_a_failed_clone_leaves_nothing(tmp_path: Path) -> None:
    repo = fresh(tmp_path / "third")
    with pytest.raises(NoRepositoryThere):
        repo.clone("C", "c@example.org", str(tmp_path / "nothing"))
    assert list((tmp_path / "third").iterdir()) == []


def test_another_branch_can_be_cloned(pushed: Repository, address: str, tmp_path: Path) -> None:
    pushed.create_branch("dev")
    add(pushed, "on dev", 1, "dev")
    pushed.remote.push("origin", "dev")
    repo = fresh(tmp_path / "third")
    assert repo.take_over("C", "c", address, branch="dev").branch == "dev"
    assert repo.list_branches() == ["dev", "origin/dev"]
    assert repo.staging_branch == "dev"


def test_fetch_brings_commits_beside_the_local_branch(clone: Repository, pushed: Repository) -> None:
    add(pushed, "s001", 77)
    pushed.create_branch("other")
    for branch in ("master", "other"):
        pushed.remote.push("origin", branch)
    before = clone.log(return_contents=True)["head"]
    assert clone.remote.fetch("origin", "master") == "origin/master"
    assert clone.remote.fetch("origin", "other") == "origin/other"
    assert clone.list_branches() == ["master", "origin/master", "origin/other"]
    assert clone.log(return_contents=True)["head"] == before
    assert clone.log("origin/master", return_contents=True)["head"] == pushed.log(return_contents=True)["head"]


def test_fetching_nothing_new_warns_and_changes_nothing(clone: Repository) -> None:
    with pytest.warns(UserWarning, match="nothing new"):
        assert clone.remote.fetch("origin", "master") == "master"
    add(clone, "ahead", 1)
    with pytest.warns(UserWarning, match="nothing new"):
        assert clone.remote.fetch("origin", "master") == "master"


@pytest.mark.parametrize("branch", ["master2", "local"])
def test_a_branch_that_the_remote_lacks_is_not_found(clone: Repository, branch: str) -> None:
    clone.create_branch("local")
    with pytest.raises(NotFound):
        clone.remote.fetch("origin", branch)


def test_merging_and_committing_need_no_data(clone: Repository, pushed: Repository) -> None:
    pushed.create_branch("other")
    add(pushed, "from other", 5, "other")
    pushed.remote.push("origin", "other")
    clone.remote.fetch("origin", "other")
    add(clone, "mine", 6)
    clone.merge("both", "master", "origin/other")
    with writing(clone) as writer:
        del writer["numbers"]["s003"]
        writer.commit("without one")
    with reading(clone) as reader:
        assert "from other" in reader["numbers"]
        assert len(reader["numbers"]) == 101


# --- data -----------------------------------------------------------------------------------------------------------


def test_fetched_data_are_those_that_were_pushed(clone: Repository, pushed: Repository) -> None:
    head = pushed.log(return_contents=True)["head"]
    assert clone.remote.fetch_data("origin", "master") == [head]
    assert content(clone) == content(pushed)
    with reading(clone) as reader:
        assert not any(reader.arraysets.contains_remote_references.values())


def test_all_history_brings_older_data_too(clone: Repository, pushed: Repository) -> None:
    log = pushed.log(return_contents=True)
    clone.remote.fetch_data("origin", "master")
    with reading(clone, commit=log["order"][-1]) as reader, pytest.raises(DataMissing):
        reader["numbers", "s000"]
    assert clone.remote.fetch_data("origin", "master", retrieve_all_history=True) == log["order"]
    assert content(clone, commit=log["order"][-1]) == content(pushed, commit=log["order"][-1])


def test_only_named_arraysets_and_keys_come(clone: Repository) -> None:
    clone.remote.fetch_data("origin", "master", arrayset_names=["text", "no such"], keys=["a", "c"])
    assert content(clone) == {("text", "a"): "one", ("text", "c"): "Zürich", "metadata": {"note": "one"}}
    clone.remote.fetch_data("origin", "master", arrayset_names=["nested"], keys=["day/*"])
    with reading(clone) as reader:
        assert list(reader["nested"]["day"].keys(local=True)) == ["left", "right"]
        assert list(reader["nested"].keys(local=True)) == ["day"]


@pytest.mark.parametrize("limit", [0, 23, 24, 1000, 2400, 10**9])
def test_a_limit_of_bytes_is_kept_and_gone_on_with(clone: Repository, limit: int) -> None:
    _, done = clone.remote.bring_data("origin", "master", arrayset_names=["numbers"], max_num_bytes=limit)
    assert done.nbytes == min(limit // 24, 100) * 24
    assert done.stopped == (limit < 2400)
    with reading(clone) as reader:
        assert len(list(reader["numbers"].keys(local=True))) == done.samples
    _, rest = clone.remote.bring_data("origin", "master", arrayset_names=["numbers"])
    assert done.samples + rest.samples == 100


def test_a_limit_holds_for_samples_of_any_size(clone: Repository) -> None:
    _, done = clone.remote.bring_data("origin", "master", arrayset_names=["free"], max_num_bytes=13)
    assert done == (3, 2 + 4 + 6, True)


def test_fetching_data_keeps_what_is_staged(clone: Repository) -> None:
    with writing(clone) as writer:
        writer["numbers", "staged"] = row(9)
        writer.add_str_arrayset("more")["x"] = "staged as well"
    clone.remote.fetch_data("origin", "master")
    assert not clone.status().clean
    clone.commit("what was staged")
    found = content(clone)
    assert found["numbers", "staged"] == row(9).tolist()
    assert found["more", "x"] == "staged as well"
    assert found["numbers", "s099"] == row(99).tolist()


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ({"branch": "master", "commit": "abcd"}, {}),
        ({}, {}),
        ({"branch": "nothing"}, {}),
        ({"commit": "abcdef"}, {}),
        ({"branch": "master"}, {"max_num_bytes": 10, "retrieve_all_history": True}),
    ],
)
def test_wrong_words_are_value_errors(clone: Repository, words: dict, more: dict) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        clone.remote.fetch_data("origin", **words, **more)


def test_data_that_are_damaged_are_fetched_anew(pushed: Repository, clone: Repository) -> None:
    clone.remote.fetch_data("origin", "master")
    packs = (Path(clone.path) / ".hangar" / "data" / "20").glob("*.pack")
    (pack,) = (path for path in packs if row(42).tobytes() in path.read_bytes())
    with open(pack, "r+b") as file:
        file.seek(pack.read_bytes().index(row(42).tobytes()))
        file.write(b"\xff")
    with reading(clone) as reader, pytest.raises(CorruptDataError) as caught:
        reader["numbers", "s042"]
    assert "hangar fetch-data --verify" in caught.value.hint
    assert clone.remote.bring_data("origin", "master")[1].samples == 0
    assert clone.remote.bring_data("origin", "master", verify=True)[1].samples == 1
    assert content(clone) == content(pushed)


def test_a_repair_does_not_miss_what_was_never_here(clone: Repository) -> None:
    found = clone.repair()
    assert (found.missing, found.whole, found.elsewhere) == ((), 0, found.named)
    clone.remote.fetch_data("origin", "master")
    found = clone.repair()
    assert (found.missing, found.elsewhere) == ((), 1)  # that of the first commit was replaced


def test_large_arrays_go_there_and_back(tmp_path: Path) -> None:
    large = np.random.default_rng(3).random((3, 600, 700))
    repo = fresh(tmp_path / "first")
    repo.init("A", "a")
    with writing(repo) as writer:
        aset = writer.arraysets.init_arrayset("large", prototype=large)
        aset["x"], aset["y"] = large, large + 1
        writer.commit("large")
    repo.remote.add("origin", str(tmp_path / "remote"))
    repo.remote.push("origin", "master")
    other = fresh(tmp_path / "second")
    other.clone("B", "b", str(tmp_path / "remote"))
    other.remote.fetch_data("origin", "master")
    with reading(other) as reader:
        assert np.array_equal(reader["large", "y"], large + 1)


def test_samples_of_any_size_go_side_by_side(tmp_path: Path) -> None:
    """More of them at once than a frame may hold, and small ones between."""
    repo = fresh(tmp_path / "first")
    repo.init("A", "a")
    with writing(repo) as writer:
        free = writer.arraysets.init_arrayset("free", shape=(5 << 20,), dtype=np.uint8, variable_shape=True)
        free.update({number: np.full(5 << 20 if number % 2 else 3, number, np.uint8) for number in range(28)})
        writer.add_bytes_arrayset("bytes").update({number: bytes([number]) * (5 << 20) for number in range(14)})
        writer.commit("all")
    repo.remote.add("origin", str(tmp_path / "remote"))
    repo.remote.push("origin", "master")
    other = fresh(tmp_path / "second")
    other.clone("B", "b", str(tmp_path / "remote"))
    other.remote.fetch_data("origin", "master")
    with reading(other) as reader:
        assert all((reader["free", number] == number).all() for number in range(28))
        assert all(reader["bytes", number] == bytes([number]) * (5 << 20) for number in range(14))


def test_a_long_history_costs_few_questions(origin: Repository, tmp_path: Path) -> None:
    for number in range(60):
        add(origin, "s001", 10_000 + number)
    assert origin.remote.send("origin", "master").commits == 62
    other = fresh(tmp_path / "second")
    assert other.take_over("B", "b", origin.remote.list_all()[0].address).commits == 62
    assert other.log(return_contents=True) == origin.log(return_contents=True)


def test_text_that_is_metadata_here_and_a_sample_there_is_both(tmp_path: Path) -> None:
    """Equal content has one digest, whatever it is for."""
    repo = fresh(tmp_path / "first")
    repo.init("A", "a")
    with writing(repo) as writer:
        writer.add_str_arrayset("text")["k"] = "same"
        writer.commit("sample")
    repo.remote.add("origin", str(tmp_path / "remote"))
    repo.remote.push("origin", "master")
    other = fresh(tmp_path / "second")
    other.clone("B", "b", str(tmp_path / "remote"))
    with writing(repo) as writer:
        writer.metadata["k"] = "same"
        writer.commit("metadata")
    repo.remote.push("origin", "master")
    other.remote.fetch("origin", "master")
    with reading(other, branch="origin/master") as reader:
        assert reader.metadata["k"] == "same"
        with pytest.raises(DataMissing):
            reader["text", "k"]
