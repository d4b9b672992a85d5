"""What the documentation promises of `Repository`: the lock, logs of merged history, records of newer versions."""

from __future__ import annotations

from contextlib import closing

import pytest

from hangar_core.errors import HangarError, InvalidInput, UnsupportedFormat
from hangar_core.hashing import schemas


def commit(repo, branch, key):
    """Commit a piece of metadata to a branch and return the digest."""
    writer = repo.checkout(write=True, branch=branch)
    writer.metadata[key] = "v"
    digest = writer.commit(f"add {key}")
    writer.close()
    return digest


def in_writer(repo, use):
    with closing(repo.checkout(write=True)) as writer:
        use(writer)


# --- the writer lock --------------------------------------------------------------------------------------------------


def test_a_forgotten_writer_is_locked_out_with_a_warning_and_may_still_be_closed(filled):
    forgotten = filled.checkout(write=True)
    forgotten.metadata["staged"] = "by the forgotten one"
    with pytest.warns(ResourceWarning, match="writer lock"):
        assert filled.force_release_writer_lock() is True
    successor = filled.checkout(write=True)
    assert successor.metadata["staged"] == "by the forgotten one"
    with pytest.raises(PermissionError):
        forgotten.metadata["more"] = "x"
    assert forgotten.close() is None
    with pytest.raises(PermissionError):  # closing it has not let go of the successor's lock
        filled.checkout(write=True)
    successor.commit("whole")
    successor.close()


def test_releasing_a_lock_that_nobody_holds_is_no_warning(filled):
    assert filled.force_release_writer_lock() is True
    filled.checkout(write=True).close()


# --- branches ---------------------------------------------------------------------------------------------------------


def test_a_branch_without_a_base_starts_where_the_last_writer_was(filled):
    filled.create_branch("dev")
    head = commit(filled, "dev", "k")
    assert filled.create_branch("from-dev").digest == head
    assert filled.resolve("master").hex() != head


def test_names_of_branches_have_64_characters_and_no_blanks_at_their_ends(filled):
    for name in (" lead", "trail ", "\ttab", "end\n", "in side", "x" * 65, "bränch", None, b"bytes"):
        with pytest.raises(ValueError, match="is invalid"):
            filled.create_branch(name)
    assert filled.create_branch("x" * 64).name == "x" * 64


# --- log --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def merged(filled):
    """Master has two commits, one of its own and a merge of one from dev; `ahead` has one commit more."""
    filled.create_branch("dev")
    theirs = commit(filled, "dev", "theirs")
    ours = commit(filled, "master", "ours")
    made = filled.merge("both", "master", "dev")
    filled.create_branch("ahead", base_commit="master")
    ahead = commit(filled, "ahead", "ahead")
    filled.switch("master")
    return filled, theirs, ours, made, ahead


def test_a_log_as_a_dict_holds_the_history_behind_its_start(merged):
    repo, theirs, ours, made, ahead = merged
    first, second = repo.log(branch="master", return_contents=True)["order"][:-3:-1]
    found = repo.log(return_contents=True)
    assert found == repo.log(branch="master", return_contents=True) == repo.log(commit=made, return_contents=True)
    assert found["head"] == made
    assert found["order"] == [made, ours, theirs, second, first]
    assert found["ancestors"] == {
        made: [ours, theirs],
        ours: [second],
        theirs: [second],
        second: [first],
        first: [""],
    }
    assert found["branch_heads"] == {made: ["master"], theirs: ["dev"]}
    assert repo.log(branch="ahead", return_contents=True)["head"] == ahead
    times = [found["specs"][digest]["commit_time"] for digest in found["order"]]
    assert times == sorted(times, reverse=True)
    dev = repo.log(branch="dev", return_contents=True)
    assert dev["order"] == [theirs, second, first]
    assert dev["branch_heads"] == {theirs: ["dev"]}


def test_a_merge_is_drawn_as_git_draws_it(merged, capsys):
    repo, theirs, ours, made, _ = merged
    second, first = repo.log(branch="dev", return_contents=True)["order"][1:]
    repo.log()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"*   {made} (master) : both"
    commits = [line for line in lines if "*" in line]
    assert [line.lstrip("| *").partition(" ")[0] for line in commits] == [made, ours, theirs, second, first]
    assert next(line for line in commits if theirs in line).endswith(f"{theirs} (dev) : add theirs")
    assert lines[-1] == f"* {first} : first"
    assert all(set(line) <= set("|\\/ ") for line in lines if "*" not in line)


ASKING_BY_NAME = [
    lambda repo, text: repo.resolve(text),
    lambda repo, text: repo.checkout(commit=text),
    lambda repo, text: repo.checkout(branch=text),
    lambda repo, text: repo.checkout().diff.commit(text),
    lambda repo, text: repo.checkout().diff.branch(text),
    lambda repo, text: repo.create_branch("more", text),
    lambda repo, text: repo.remove_branch(text),
    lambda repo, text: repo.rename_branch(text, "more"),
    lambda repo, text: repo.merge("m", "master", text),
    lambda repo, text: repo.merge("m", text, "master"),
    lambda repo, text: in_writer(repo, lambda co: co.merge("m", text)),
    lambda repo, text: in_writer(repo, lambda co: co.begin_merge("m", text)),
    lambda repo, text: repo.switch(text),
    lambda repo, text: repo.log(branch=text),
    lambda repo, text: repo.log(commit=text),
    lambda repo, text: repo.summary(branch=text),
    lambda repo, text: repo.summary(commit=text),
    lambda repo, text: repo.diff("master", text),
    lambda repo, text: repo.reset(text),
    lambda repo, text: repo.reflog(text),
    lambda repo, text: repo.merging.revert(text),
    lambda repo, text: repo.merging.cherry_pick(text),
    lambda repo, text: repo.tags.create("t", text),
    lambda repo, text: repo.tags.remove(text),
    lambda repo, text: repo.history("numbers", "a", text),
]


def test_what_is_no_text_names_no_branch_and_no_commit(filled):
    for ask in ASKING_BY_NAME:
        for text in (5, b"master", ["master"]):
            with pytest.raises(HangarError) as caught:
                ask(filled, text)
            assert isinstance(caught.value, ValueError)
    filled.checkout(write=True).close()  # and no lock is left behind


GIVING_MESSAGES = [
    lambda repo, text: in_writer(repo, lambda co: co.commit(text)),
    lambda repo, text: repo.commit(text),
    lambda repo, text: repo.stashes.save(text),
    lambda repo, text: repo.tags.create("t", None, text),
]
MERGING_WITH_MESSAGES = [
    lambda repo, text: repo.merge(text, "master", "dev"),
    lambda repo, text: repo.merging.merge("dev", text),
    lambda repo, text: in_writer(repo, lambda co: co.merge(text, "dev")),
    lambda repo, text: in_writer(repo, lambda co: co.begin_merge(text, "dev")),
]


@pytest.mark.parametrize("text", [5, None, b"text", "half a character: \ud800"], ids=ascii)
def test_a_message_that_is_no_text_is_a_value_error_and_changes_nothing(filled, text):
    filled.create_branch("dev")
    commit(filled, "dev", "theirs")
    heads = commit(filled, "master", "ours"), filled.reflog()
    for give in MERGING_WITH_MESSAGES:
        with pytest.raises(InvalidInput, match="message"):
            give(filled, text)
    in_writer(filled, lambda co: co.metadata.add("staged", "v"))
    for give in GIVING_MESSAGES:
        with pytest.raises(InvalidInput, match="message"):
            give(filled, text)
    assert (filled.resolve().hex(), filled.reflog()) == heads
    assert (filled.stashes.all(), filled.tags.all(), filled.status().clean) == ([], [], False)


def test_logs_and_summaries_of_a_branch_do_not_mind_a_tag_of_the_same_name(filled, capsys):
    order = filled.log(return_contents=True)["order"]
    filled.tags.create("master", order[-1])
    assert filled.log(branch="master", return_contents=True)["order"] == order
    filled.log(branch="master")
    filled.summary(branch="master")
    assert f"|  Commit: {order[0]}" in capsys.readouterr().out
    with pytest.raises(ValueError, match="tag master"):
        filled.log(commit="master")


def test_logs_of_what_is_unknown_are_value_errors(filled):
    for start in ({"branch": "nope"}, {"commit": "0123456789"}):
        with pytest.raises(ValueError, match="No expanded commit hash found"):
            filled.log(**start)


# --- records of newer versions ----------------------------------------------------------------------------------------


def test_an_arrayset_of_a_kind_from_the_future_is_unsupported_and_no_damage(filled, monkeypatch):
    with monkeypatch.context() as future:
        future.setitem(schemas._KINDS, "text", 9)
        future.setitem(schemas._KIND_OF, 9, "text")
        writer = filled.checkout(write=True)
        writer.add_str_arrayset("drawings")["a"] = "x"
        writer.commit("from the future")
        writer.close()
    for use in (filled.checkout, filled.summary, lambda: filled.checkout(write=True)):
        with pytest.raises(UnsupportedFormat, match="samples of kind 9") as caught:
            use()
        assert "upgrade hangar-core" in caught.value.hint
    before = filled.checkout(commit="HEAD~1")
    assert before["numbers", "a"][0, 0] == 1
    before.close()
