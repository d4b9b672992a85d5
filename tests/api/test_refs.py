"""HEAD, names that two things have, moves and what keeps them, and the roots that a collection starts from."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import AmbiguousDigest, CommitNotFound, InvalidName, MergePending, NoCommits
from hangar_core.hashing import digests

_DAY = 24 * 3600 * 1_000_000


def _stage(repo: Repository, key: str, value: float) -> None:
    writer = repo.checkout(write=True)
    writer.arraysets["numbers"][key] = np.full((2, 3), value, np.float32)
    writer.close()


# --- HEAD -----------------------------------------------------------------------------------------------------------


def test_head_is_the_branch_even_if_a_tag_has_its_name(filled, capsys):
    second, first = (entry.id for entry in filled.log_entries())
    filled.tags.create("master", "HEAD~1")
    assert filled.resolve() == filled.resolve("HEAD") == filled.resolve("@") == second
    assert filled.resolve("HEAD~1") == filled.resolve("@{1}") == filled.resolve("@~") == first
    assert filled.create_branch("foo").digest == digests.text(second)
    assert filled.log() is None
    assert "second" in capsys.readouterr().out
    assert filled.reset(hard=True) == digests.text(second)
    assert filled.merging.revert("HEAD")
    with pytest.raises(AmbiguousDigest, match="`master`"):
        filled.resolve("master")


def test_nothing_can_be_called_head(filled):
    for create in (filled.tags.create, filled.create_branch, lambda name: filled.rename_branch("master", name)):
        with pytest.raises(InvalidName, match="the staging branch"):
            create("HEAD")
    assert filled.list_branches() == ["master"]
    assert filled.tags.all() == []


def test_a_commit_without_parents_has_0_and_one_with_one_has_1_parent(filled):
    with pytest.raises(CommitNotFound) as caught:
        filled.resolve("HEAD^2")
    assert caught.value.hint.endswith("has 1 parent")
    with pytest.raises(CommitNotFound) as caught:
        filled.resolve("HEAD~2")
    assert caught.value.hint.endswith("has no parent")


# --- moves ----------------------------------------------------------------------------------------------------------


def test_a_merge_of_what_is_there_already_writes_nothing(filled):
    filled.create_branch("same")
    filled.create_branch("old", base_commit="HEAD~1")
    head, moves = digests.text(filled.resolve()), filled.reflog()
    for name in ("HEAD", "same", "old"):
        assert filled.merging.try_merge(name).how == "up-to-date"
    assert filled.merge("m", "master", "same") == head
    writer = filled.checkout(write=True)
    assert writer.merge("m", "same") == head
    writer.close()
    assert filled.reflog() == moves


def test_moves_go_with_a_branch_that_is_renamed(filled):
    second, first = (entry.id for entry in filled.log_entries())
    before = filled.reflog("master")
    filled.rename_branch("master", "main")
    assert [filled.resolve(f"main@{{{number}}}") for number in range(3)] == [second, second, first]
    newest, *others = filled.reflog("main")
    assert (newest.old, newest.new, newest.reason) == (second, second, "branch: renamed from master to main")
    assert others == [move._replace(name="main") for move in before]
    assert filled.reflog("master") == []
    filled.create_branch("dev", base_commit="HEAD~1")
    filled.rename_branch("dev", "next")
    assert [move.name for move in filled.reflog()][:2] == ["next", "next"]
    assert filled.resolve("next@{1}") == first


def test_a_branch_without_commits_can_be_renamed(repo):
    repo.rename_branch("master", "main")
    assert repo.list_branches() == ["main"]
    with pytest.raises(NoCommits, match="main"):
        repo.resolve()


def test_the_move_that_removed_a_branch_tells_how_to_have_it_back(filled):
    head = digests.text(filled.create_branch("dev") and filled.resolve("dev"))
    filled.remove_branch("dev")
    with pytest.raises(CommitNotFound) as caught:
        filled.resolve("dev@{0}")
    assert f"hangar branch create dev {head[:12]}" in caught.value.hint


def test_hard_reset_before_the_first_commit_drops_what_is_staged(repo):
    writer = repo.checkout(write=True)
    writer.arraysets.init_arrayset("numbers", shape=(1,), dtype="u1")
    writer.close()
    assert repo.reset() == ""
    assert not repo.status().clean
    assert repo.reset(hard=True) == ""
    assert repo.status().clean
    for name in "HEAD", "@":
        with closing(repo.checkout(write=True)) as again:
            again.arraysets.init_arrayset("numbers", shape=(1,), dtype="u1")
        assert repo.reset(name) == ""
        assert not repo.status().clean
        assert repo.reset(name, hard=True) == ""
        assert repo.status().clean
    assert repo.reflog() == []
    for name in "master", "HEAD~1":
        with pytest.raises(NoCommits):
            repo.reset(name, hard=True)


def test_a_soft_reset_to_nowhere_else_is_refused_in_a_merge(filled):
    _conflict(filled)
    with pytest.raises(MergePending):
        filled.reset()


def test_a_stash_that_was_dropped_or_taken_back_stays_in_the_reflog(filled):
    _stage(filled, "a", 50)
    popped = filled.stashes.save("first")
    assert filled.reflog("stash/dropped") == []
    assert filled.stashes.pop()
    filled.reset(hard=True)
    _stage(filled, "a", 60)
    dropped = filled.stashes.save("second")
    filled.stashes.drop()
    moves = filled.reflog("stash/dropped")
    assert [(move.new, move.reason) for move in moves] == [
        (dropped.id, "stash: dropped: second"),
        (popped.id, "stash: taken back: first"),
    ]
    assert {move.user for move in moves} == {"Ada <ada@example.org>"}
    assert filled.resolve("stash/dropped@{1}") == popped.id
    filled.create_branch("rescued", base_commit="stash/dropped@{0}")
    reader = filled.checkout(branch="rescued")
    assert reader["numbers", "a"][0, 0] == 60
    reader.close()


# --- roots ----------------------------------------------------------------------------------------------------------


def _conflict(repo: Repository) -> None:
    """Leave a merge of `dev` into `master` in progress."""
    repo.create_branch("dev")
    for branch, value in (("dev", 5), ("master", 6)):
        repo.switch(branch)
        _stage(repo, "a", value)
        repo.commit(branch)
    assert repo.merging.merge("dev", "m") is None


def test_branches_tags_and_stashes_are_roots_however_old(filled):
    second, first = (entry.id for entry in filled.log_entries())
    later = filled.log_entries()[0].commit.time + 1000 * _DAY
    assert filled.roots(now=later) == {second}
    filled.create_branch("old", base_commit=digests.text(first))
    assert filled.roots(now=later) == {first, second}
    filled.remove_branch("old")
    assert filled.roots(now=later) == {second}
    filled.tags.create("v1", "HEAD~1")
    assert filled.roots(now=later) == {first, second}
    _stage(filled, "a", 50)
    stash = filled.stashes.save()
    assert filled.roots(now=later) == {first, second, stash.id}


def test_moves_are_roots_for_90_days(filled):
    second, first = (entry.id for entry in filled.log_entries())
    filled.reset("HEAD~1", hard=True)
    moved = filled.reflog()[0].time
    assert filled.roots() == filled.roots(now=moved + 90 * _DAY) == {first, second}
    assert filled.roots(now=moved + 90 * _DAY + 1) == {first}


def test_a_removed_branch_is_a_root_for_90_days(filled):
    filled.create_branch("dev")
    filled.switch("dev")
    _stage(filled, "a", 5)
    lost = filled.commit("only here")
    filled.switch("master")
    filled.remove_branch("dev", force_delete=True)
    removed = filled.reflog("dev")[0].time
    assert lost in {digests.text(one) for one in filled.roots()}
    assert lost not in {digests.text(one) for one in filled.roots(now=removed + 90 * _DAY + 1)}


def test_a_merge_in_progress_is_a_root(filled):
    _conflict(filled)
    theirs = filled.resolve("dev")
    later = filled.log_entries()[0].commit.time + 1000 * _DAY
    filled.remove_branch("dev", force_delete=True)
    state = filled.status().merging
    assert filled.roots(now=later) == {filled.resolve(), theirs, state.base, state.theirs}


def test_what_is_staged_is_a_root(filled):
    second, first = (entry.id for entry in filled.log_entries())
    filled.reset("HEAD~1")
    later = filled.reflog()[0].time + 1000 * _DAY
    # The content of the second commit is staged now: its tree is taken over as it is, and nothing else names it.
    kept = filled.roots(now=later) - {first}
    assert second not in kept
    assert [digests.code_of(one) for one in kept] == [digests.NODE]
    _stage(filled, "new", 9)
    added = next(row.new for row in filled.diff_staged().rows() if row.key == "new")
    assert bytes.fromhex(added) in filled.roots(now=later)


def test_a_new_repository_has_no_roots(repo):
    assert repo.roots() == set()
