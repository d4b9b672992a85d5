"""A rename is a change of the arrayset, not a removal and an addition: merges, diffs and histories go along with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import AlreadyExists, MergeConflict, MergePending
from hangar_core.history import objects

Change = Callable[..., object]


def one(number: int) -> np.ndarray:
    return np.array([number], "i4")


def on(repo: Repository, branch: str, *changes: Change) -> None:
    """Commit each change on a branch."""
    with closing(repo.checkout(write=True, branch=branch)) as writer:
        for change in changes:
            change(writer)
            writer.commit(f"work on {branch}")


def rename(**names: str) -> Change:
    """Rename arraysets, old=new, as if all at once."""

    def change(writer) -> None:
        for old in names:
            writer.arraysets.rename(old, f"{old}.moved")
        for old, new in names.items():
            writer.arraysets.rename(f"{old}.moved", new)

    return change


def put(arrayset: str, **samples: int | None) -> Change:
    """Set samples, with None remove them."""

    def change(writer) -> None:
        for key, number in samples.items():
            if number is None:
                del writer[arrayset][key]
            else:
                writer[arrayset][key] = one(number)

    return change


def create(name: str, **samples: int) -> Change:
    def change(writer) -> None:
        writer.add_ndarray_arrayset(name, shape=(1,), dtype="i4")
        put(name, **samples)(writer)

    return change


def remove(name: str) -> Change:
    return lambda writer: writer.arraysets.remove_aset(name)


def both(*changes: Change) -> Change:
    return lambda writer: [change(writer) for change in changes]


def content(repo: Repository, start: str = "master") -> dict[str, dict[str, int]]:
    with closing(repo.checkout(commit=start)) as reader:
        return {name: {key: int(value[0]) for key, value in reader[name].items()} for name in reader}


def conflicts(repo: Repository) -> list[tuple[str, object, str, Mapping[str, str], tuple[str, ...]]]:
    return [(row.arrayset, row.key, row.kind, row.names, row.bound) for row in repo.merging.conflicts()]


def merged(repo: Repository, side: str | None = None) -> dict[str, dict[str, int]]:
    """Merge `dev` into `master` with nothing in conflict, or every conflict decided for one side."""
    repo.switch("master")
    assert repo.merging.merge("dev", strategy=side) is not None
    return content(repo)


@pytest.fixture
def repo(repo: Repository) -> Repository:
    """`a` has x=1 and y=2, `b` has z=3; branches `master` and `dev` start from there."""
    on(repo, "master", both(create("a", x=1, y=2), create("b", z=3)))
    repo.create_branch("dev")
    return repo


# --- merges that need nobody ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renaming", ["master", "dev"])
def test_what_one_side_changed_comes_under_the_name_that_the_other_gave(repo, renaming):
    changing = "dev" if renaming == "master" else "master"
    on(repo, renaming, rename(a="c"), put("c", own=5))
    on(repo, changing, put("a", x=9, new=7), put("a", y=None))
    assert merged(repo) == {"b": {"z": 3}, "c": {"x": 9, "new": 7, "own": 5}}
    assert repo.status().clean


@pytest.mark.parametrize("renaming", ["master", "dev"])
def test_names_change_however_often_and_one_after_another(repo, renaming):
    changing = "dev" if renaming == "master" else "master"
    on(repo, renaming, rename(a="c"), rename(c="d"), rename(d="e"))
    on(repo, changing, put("a", x=9))
    assert merged(repo)["e"] == {"x": 9, "y": 2}


def test_a_name_that_both_sides_gave_is_no_conflict(repo):
    on(repo, "master", rename(a="c"), put("c", ours=5))
    on(repo, "dev", rename(a="d"), put("d", theirs=6), rename(d="c"))
    assert merged(repo) == {"b": {"z": 3}, "c": {"x": 1, "y": 2, "ours": 5, "theirs": 6}}


@pytest.mark.parametrize("renaming", ["master", "dev"])
def test_two_that_change_names_keep_what_each_got_meanwhile(repo, renaming):
    changing = "dev" if renaming == "master" else "master"
    on(repo, renaming, rename(a="b", b="a"))
    on(repo, changing, put("a", x=9), put("b", z=8))
    assert merged(repo) == {"a": {"z": 8}, "b": {"x": 9, "y": 2}}


@pytest.mark.parametrize("renaming", ["master", "dev"])
def test_a_new_arrayset_under_the_old_name_is_another_one(repo, renaming):
    changing = "dev" if renaming == "master" else "master"
    on(repo, renaming, both(rename(a="c"), create("a", fresh=4)))
    on(repo, changing, put("a", x=9))
    assert merged(repo) == {"a": {"fresh": 4}, "b": {"z": 3}, "c": {"x": 9, "y": 2}}
    on(repo, "dev", put("a", **{"x" if changing == "dev" else "fresh": 10}))
    name = "c" if changing == "dev" else "a"
    assert 10 in merged(repo)[name].values()


def test_a_chain_of_names_moves_up(repo):
    on(repo, "master", put("a", x=9), put("b", z=8))
    on(repo, "dev", rename(b="c", a="b"))
    assert merged(repo) == {"b": {"x": 9, "y": 2}, "c": {"z": 8}}


def test_a_branch_that_is_behind_just_moves_on(repo):
    on(repo, "dev", rename(a="c"), put("c", x=9))
    assert merged(repo) == {"b": {"z": 3}, "c": {"x": 9, "y": 2}}
    assert repo.resolve("master") == repo.resolve("dev")


def test_merges_back_and_forth_follow_names_given_on_both_sides(repo):
    """Criss-cross: each side takes what the other had before it went on."""
    on(repo, "master", rename(a="c"))
    on(repo, "dev", rename(b="d"))
    repo.create_branch("old", "dev")
    repo.merge("m1", "dev", "master")
    repo.merge("m2", "master", "old")
    on(repo, "master", put("d", z=8))
    on(repo, "dev", put("c", x=9), rename(d="f"))
    assert merged(repo) == {"c": {"x": 9, "y": 2}, "f": {"z": 8}}


def test_after_merges_back_and_forth_a_name_may_have_to_be_decided_but_samples_do_not(repo):
    """One of two bases is taken, as for samples: from there on both sides gave `a` another name."""
    on(repo, "master", rename(a="c"))
    on(repo, "dev", rename(b="d"))
    repo.create_branch("old", "dev")
    repo.merge("m1", "dev", "master")
    repo.merge("m2", "master", "old")
    on(repo, "master", rename(c="e"), put("d", z=8))
    on(repo, "dev", put("c", x=9))
    assert merged(repo, "ours") == {"e": {"x": 9, "y": 2}, "d": {"z": 8}}


def test_a_name_and_another_change_of_schema_merge(repo):
    on(repo, "master", rename(a="c"))
    on(repo, "dev", lambda writer: writer["a"].describe("from dev"), lambda writer: writer["a"].widen(4, variable=True))
    merged(repo)
    with closing(repo.checkout(branch="master")) as reader:
        assert (reader["c"].description, reader["c"].shape) == ("from dev", (4,))


def test_setting_options_does_not_forget_which_arrayset_it_is(repo):
    on(repo, "master", rename(a="c"), lambda writer: writer["c"].set_options({"backend": "20", "more": "1"}))
    on(repo, "dev", put("a", x=9))
    assert merged(repo)["c"] == {"x": 9, "y": 2}


# --- conflicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renaming", ["master", "dev"])
@pytest.mark.parametrize("keeping", [True, False])
def test_a_rename_and_a_removal_are_a_conflict(repo, renaming, keeping):
    removing = "dev" if renaming == "master" else "master"
    on(repo, renaming, rename(a="c"))
    on(repo, removing, remove("a"))
    repo.switch("master")
    assert repo.merging.merge("dev") is None
    own, kind = ("ours", "t22") if renaming == "master" else ("theirs", "t21")
    assert conflicts(repo) == [("c", None, kind, {"base": "a", own: "c"}, ())]
    repo.merging.resolve("c", side="ours" if keeping == (renaming == "master") else "theirs")
    repo.merging.conclude()
    assert content(repo) == ({"b": {"z": 3}} | ({"c": {"x": 1, "y": 2}} if keeping else {}))


@pytest.mark.parametrize("side", ["ours", "theirs"])
@pytest.mark.parametrize("at_once", [True, False])
def test_two_names_for_one_arrayset_are_a_conflict_and_its_samples_merge(repo, side, at_once):
    on(repo, "master", rename(a="c"), put("c", x=9))
    on(repo, "dev", rename(a="d"), put("d", y=8))
    name = "c" if side == "ours" else "d"
    if at_once:
        assert merged(repo, side) == {"b": {"z": 3}, name: {"x": 9, "y": 8}}
        return
    repo.switch("master")
    assert repo.merging.merge("dev") is None
    assert conflicts(repo) == [("c", None, "t3", {"base": "a", "ours": "c", "theirs": "d"}, ())]
    assert repo.merging.resolve("c", side=side) == 1
    assert conflicts(repo) == []
    repo.merging.conclude()
    assert content(repo) == {"b": {"z": 3}, name: {"x": 9, "y": 8}}
    assert repo.diff("HEAD^2" if side == "theirs" else "HEAD^1").statistics().arraysets[0].state == "same"


def test_samples_are_decided_before_the_name_or_with_it(repo):
    on(repo, "master", rename(a="c"), put("c", x=9, y=9))
    on(repo, "dev", rename(a="d"), put("d", x=8, y=8))
    repo.switch("master")
    assert repo.merging.merge("dev") is None
    assert {row[1] for row in conflicts(repo)} == {None, "x", "y"}
    with pytest.raises(MergePending, match="giving arrayset `c` the name `d`"):
        repo.merging.resolve("c", [None], side="theirs")
    repo.merging.resolve("c", ["x"], side="ours")
    repo.merging.take("c", "y", one(7))
    assert repo.merging.resolve("c", side="theirs") == 1
    repo.merging.conclude()
    assert content(repo) == {"b": {"z": 3}, "d": {"x": 9, "y": 7}}


def test_a_name_that_was_given_away_meanwhile_is_not_taken_from_its_arrayset(repo):
    on(repo, "master", rename(a="c"))
    on(repo, "dev", rename(a="d"))
    repo.switch("master")
    assert repo.merging.merge("dev") is None
    with closing(repo.checkout(write=True)) as writer:
        create("d", q=1)(writer)
    with pytest.raises(AlreadyExists):
        repo.merging.resolve("c", side="theirs")
    repo.merging.resolve("c", side="ours")
    repo.merging.conclude()
    assert content(repo) == {"b": {"z": 3}, "c": {"x": 1, "y": 2}, "d": {"q": 1}}


@pytest.mark.parametrize(
    ("ours", "theirs", "open_at", "kept", "taken"),
    [
        pytest.param(
            create("n", o=1),
            rename(a="n"),
            {"a", "n"},
            {"a": {"x": 1, "y": 2}, "b": {"z": 3}, "n": {"o": 1}},
            {"b": {"z": 3}, "n": {"x": 1, "y": 2}},
            id="theirs gives a name that ours has created",
        ),
        pytest.param(
            rename(a="n"),
            create("n", t=1),
            {"n"},
            {"b": {"z": 3}, "n": {"x": 1, "y": 2}},
            {"a": {"x": 1, "y": 2}, "b": {"z": 3}, "n": {"t": 1}},
            id="theirs creates what ours has renamed to",
        ),
        pytest.param(
            rename(a="n"),
            rename(b="n"),
            {"b", "n"},
            {"b": {"z": 3}, "n": {"x": 1, "y": 2}},
            {"a": {"x": 1, "y": 2}, "n": {"z": 3}},
            id="two arraysets get one name",
        ),
        pytest.param(
            both(remove("b"), rename(a="b")),
            put("b", z=4),
            {"b"},
            {"b": {"x": 1, "y": 2}},
            {"a": {"x": 1, "y": 2}, "b": {"z": 4}},
            id="ours gives the name of what theirs has changed",
        ),
        pytest.param(
            put("b", z=4),
            both(remove("b"), rename(a="b")),
            {"a", "b"},
            {"a": {"x": 1, "y": 2}, "b": {"z": 4}},
            {"b": {"x": 1, "y": 2}},
            id="theirs gives the name of what ours has changed",
        ),
        pytest.param(
            rename(a="n", b="m"),
            rename(a="m", b="n"),
            {"m", "n"},
            {"m": {"z": 3}, "n": {"x": 1, "y": 2}},
            {"m": {"x": 1, "y": 2}, "n": {"z": 3}},
            id="each has what the other calls the other",
        ),
        pytest.param(
            both(rename(a="b", b="c")),
            both(rename(a="c", b="d")),
            {"b", "c"},
            {"b": {"x": 1, "y": 2}, "c": {"z": 3}},
            {"c": {"x": 1, "y": 2}, "d": {"z": 3}},
            id="a chain of names on both sides",
        ),
    ],
)
@pytest.mark.parametrize("way", ["strategy", "step by step"])
def test_names_in_each_others_way_are_decided_together(repo, ours, theirs, open_at, kept, taken, way):
    on(repo, "master", ours)
    on(repo, "dev", theirs)
    repo.switch("master")
    for side, expected in ("ours", kept), ("theirs", taken):
        if way == "strategy":
            repo.merging.merge("dev", strategy=side)
        else:
            for place in sorted(open_at):  # any of them decides all
                repo.merging.merge("dev")
                assert {row[0] for row in conflicts(repo)} == open_at
                assert all({row[0], *row[4]} == open_at for row in conflicts(repo))
                assert repo.merging.resolve(place, side=side) == len(open_at)
                assert conflicts(repo) == []
                if place != max(open_at):
                    repo.merging.abort()
            repo.merging.conclude()
        assert content(repo) == expected
        repo.reset("master@{1}", hard=True)
    with pytest.raises(MergeConflict):
        repo.merge("m", "master", "dev")


def test_an_open_name_survives_another_process_and_staging_by_hand(repo):
    on(repo, "master", rename(a="c"), put("c", x=9))
    on(repo, "dev", rename(a="d"), put("d", x=8), put("b", z=4))
    repo.switch("master")
    repo.merging.merge("dev")
    again = Repository(repo.path)
    with closing(again.checkout(write=True)) as writer:
        with pytest.raises(MergePending):
            writer["c"]["x"] = one(7)
        with pytest.raises(MergePending):
            writer["c"].rename("e")
        writer["b"]["more"] = one(5)
    again.merging.resolve("c", side="theirs")
    with closing(again.checkout(write=True)) as writer:
        writer["d"]["more"] = one(6)
    again.merging.conclude()
    assert content(repo) == {"b": {"z": 4, "more": 5}, "d": {"x": 8, "y": 2, "more": 6}}


# --- other ways to bring changes in -----------------------------------------------------------------------------------


def test_a_rename_is_reverted_and_what_came_since_stays(repo):
    on(repo, "master", rename(a="c"), put("c", x=9))
    repo.merging.revert("HEAD~1")
    assert content(repo) == {"a": {"x": 9, "y": 2}, "b": {"z": 3}}
    assert repo.diff("HEAD~3").statistics().arraysets[0].samples.total == 1


def test_a_change_is_reverted_under_the_name_it_has_now(repo):
    on(repo, "master", put("a", x=9), rename(a="c"))
    repo.merging.revert("HEAD~1")
    assert content(repo)["c"] == {"x": 1, "y": 2}


def test_a_rename_that_left_its_name_to_a_new_one_is_reverted(repo):
    on(repo, "master", both(rename(a="c"), create("a", fresh=4)), put("c", x=9))
    repo.merging.revert("HEAD~1")
    assert content(repo) == {"a": {"x": 9, "y": 2}, "b": {"z": 3}}


def test_a_rename_is_repeated_elsewhere(repo):
    on(repo, "dev", rename(a="c"))
    on(repo, "master", put("a", x=9))
    repo.merging.cherry_pick("dev")
    assert content(repo) == {"b": {"z": 3}, "c": {"x": 9, "y": 2}}


def test_a_change_is_repeated_under_the_name_it_has_here(repo):
    on(repo, "dev", put("a", x=9))
    on(repo, "master", rename(a="c"))
    repo.merging.cherry_pick("dev")
    assert content(repo) == {"b": {"z": 3}, "c": {"x": 9, "y": 2}}


def test_a_staged_rename_is_put_aside_and_taken_back_over_new_samples(repo):
    with closing(repo.checkout(write=True, branch="master")) as writer:
        rename(a="c")(writer)
        put("c", y=8)(writer)
    repo.stashes.save("names")
    assert content(repo) == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    on(repo, "master", put("a", x=9))
    assert repo.stashes.pop()
    assert [(one.name, one.renamed_from, one.mutated) for one in repo.status().arraysets] == [("c", "a", 1)]
    repo.commit("names")
    assert content(repo) == {"b": {"z": 3}, "c": {"x": 9, "y": 8}}


def test_a_reset_keeps_a_rename_staged(repo):
    on(repo, "master", rename(a="c"), put("c", x=9))
    repo.reset("HEAD~2")
    (change,) = repo.status().arraysets
    assert (change.name, change.renamed_from, change.added, change.deleted, change.mutated) == ("c", "a", 0, 0, 1)
    repo.reset("dev@{0}", hard=True)
    assert content(repo, "HEAD") == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}


# --- diffs, status, histories -----------------------------------------------------------------------------------------


def rows(diff) -> list[tuple[str, str, str, object, str]]:
    return [(row.what, row.kind, row.arrayset, row.key, row.renamed_from) for row in diff.rows()]


def test_a_diff_shows_a_rename_once_and_only_the_samples_that_changed(repo):
    on(repo, "master", rename(a="c"), put("c", x=9))
    expected = [("schema", "mutated", "c", None, "a"), ("sample", "mutated", "c", "x", "")]
    assert rows(repo.diff("HEAD~2")) == expected
    assert [row.arrayset for row in repo.diff("HEAD~2").rows("a")] == ["c", "c"]
    assert rows(repo.diff("HEAD", "HEAD~2"))[0] == ("schema", "mutated", "a", None, "c")
    repo.reset("HEAD~2")
    assert rows(repo.diff_staged()) == expected
    with closing(repo.checkout(write=True)) as writer:
        staged = writer.diff.staged().diff
        assert (list(staged.mutated.schema), list(staged.mutated.samples)) == (["c"], [("c", "x")])
        assert not any((*staged.added, *staged.deleted))


def test_a_swap_and_a_new_one_of_an_old_name_are_told_apart(repo):
    on(repo, "master", both(rename(a="b", b="c"), create("a", x=5)))
    assert rows(repo.diff("HEAD~1")) == [
        ("schema", "added", "a", None, ""),
        ("schema", "mutated", "b", None, "a"),
        ("schema", "mutated", "c", None, "b"),
        ("sample", "added", "a", "x", ""),
    ]


def test_a_diff_over_a_rename_costs_what_changed(repo, monkeypatch):
    many = create("big")
    on(repo, "master", both(many, lambda writer: writer["big"].update({str(i): one(i) for i in range(3000)})))
    on(repo, "master", rename(big="large"), put("large", **{"7": 0}))
    read: list[object] = []
    view = objects.view_node
    monkeypatch.setattr(objects, "view_node", lambda *words: read.append(words) or view(*words))
    (row,) = repo.diff("HEAD~2").statistics().arraysets
    assert (row.name, row.samples.mutated, row.samples.total) == ("large", 1, 1)
    assert 0 < len(read) < 20


def test_a_history_goes_on_before_the_renames_under_the_names_of_then(repo):
    on(repo, "master", put("a", x=9), rename(a="c"), put("c", x=7), both(rename(c="d"), create("a", x=0)))
    events = repo.history("d", "x", "master")
    assert [event.kind for event in events] == ["mutated", "mutated", "added"]
    assert [event.kind for event in repo.history("a", "x", "master")] == ["added"]
    assert [event.kind for event in repo.history("c", "x", "master")] == ["mutated", "mutated", "added"]
    assert repo.history("none", "x", "master") == []


def test_a_history_follows_the_sides_of_a_merge_under_their_names(repo):
    on(repo, "dev", put("a", x=9))
    on(repo, "master", rename(a="c"))
    merged(repo)
    assert [event.kind for event in repo.history("c", "x")] == ["mutated", "added"]


def test_a_name_that_is_given_back_is_no_rename(repo):
    with closing(repo.checkout(write=True, branch="master")) as writer:
        options = writer["a"].options
        writer["a"].rename("y").rename("z").rename("a")
        assert writer["a"].options == options
        assert writer.diff.status() == "CLEAN"
        writer["a"].rename("y").rename("z")
        assert writer["z"].options["renamed.from"] == "a"
        writer.commit("renamed")
        writer["z"].rename("a")
        assert writer["a"].options == options
        writer.commit("back")
    assert rows(repo.diff("HEAD~2")) == []


# --- an arrayset made under the first name of another one -------------------------------------------------------------


def test_an_arrayset_made_during_a_merge_is_none_that_the_merge_may_bring(repo):
    on(repo, "dev", both(rename(a="c"), put("c", k=1)))
    on(repo, "master", remove("a"))
    repo.merging.try_merge("dev")
    with closing(repo.checkout(write=True)) as writer:
        create("a", new=5)(writer)
    repo.merging.resolve("c", side="theirs")
    repo.merging.conclude()
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.remove_aset("c")
        assert [(change.name, change.state) for change in repo.status().arraysets] == [("c", "deleted")]


def test_a_removal_that_is_reverted_leaves_a_later_arrayset_of_the_first_name_alone(repo):
    on(repo, "master", rename(a="c"), remove("c"))
    gone = repo.log_entries()[0].id.hex()
    on(repo, "master", create("a", new=5))
    repo.merging.revert(gone)
    with closing(repo.checkout()) as reader:
        assert {name: list(aset) for name, aset in reader.items()} == {"a": ["new"], "b": ["z"], "c": ["x", "y"]}


def test_a_second_rename_is_a_line_of_every_diff(repo):
    on(repo, "master", rename(a="c"))
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.rename("c", "d")
        assert [(row.arrayset, row.renamed_from) for row in repo.diff_staged().rows()] == [("d", "c")]
        writer.commit("renamed again")
    assert [(row.arrayset, row.renamed_from) for row in repo.diff("HEAD~1", "HEAD").rows()] == [("d", "c")]


def test_a_merge_that_renames_an_arrayset_inside_its_block_leaves_the_block(repo):
    on(repo, "dev", rename(a="c"))
    with closing(repo.checkout(write=True, branch="master")) as writer:
        with writer.arraysets["a"]:
            writer.merge("both", "dev")
        writer.arraysets.remove_aset("b")
        assert list(writer.keys()) == ["c"]


def test_a_flat_arrayset_has_a_history_although_an_earlier_one_of_its_name_was_nested(repo):
    with closing(repo.checkout(write=True)) as writer:
        nested = writer.add_ndarray_arrayset("n", shape=(1,), dtype="i4", contains_subsamples=True)
        nested["s"] = {"p": one(1)}
        writer.commit("nested")
        writer.arraysets.remove_aset("n")
        create("n", s=1)(writer)
        writer.commit("flat")
    assert [event.kind for event in repo.history("n", "s")] == ["added"]
