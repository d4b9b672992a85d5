"""Diffs in the documented shape and beyond; branches, tags, stashes, reset, reflog; the life of one sample."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core.errors import (
    AlreadyExists,
    CommitNotFound,
    InvalidName,
    NothingToCommit,
    PendingChanges,
    StashNotFound,
    TagNotFound,
)
from hangar_core.hashing import digests


def _row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


def _shape(diff):
    return {
        kind: (sorted(part.schema), sorted(map(str, part.samples)), sorted(map(str, part.metadata)))
        for kind, part in diff._asdict().items()
    }


# --- documented diffs -----------------------------------------------------------------------------------------------


def test_diff_of_linear_history_is_the_same_from_either_end(filled):
    filled.create_branch("old", base_commit="HEAD~1")
    head, old = filled.checkout(branch="master"), filled.checkout(branch="old")
    forwards, backwards = old.diff.branch("master"), head.diff.branch("old")
    assert forwards == backwards
    assert set(forwards.diff.added.samples) == {("numbers", 3)}
    assert set(forwards.diff.mutated.metadata) == {("note",)}
    assert forwards.diff.deleted == type(forwards.diff.deleted)({}, {}, {})
    (record,) = forwards.diff.added.samples
    assert (record.aset_name, record.data_name) == ("numbers", 3)
    (key,) = forwards.diff.mutated.metadata
    assert (key.meta_name, hash(key)) == ("note", hash(("note",)))
    assert forwards.conflict.conflict is False
    assert old.diff.commit(head.commit_hash) == forwards
    assert old.diff.commit(head.commit_hash[:10]) == forwards
    for checkout in (head, old):
        checkout.close()


def test_diff_with_itself_is_empty(filled):
    reader = filled.checkout()
    diff = reader.diff.branch("master").diff
    assert _shape(diff) == {kind: ([], [], []) for kind in ("added", "deleted", "mutated")}
    reader.close()


def test_readers_have_no_status_and_unknown_names_are_value_errors(filled):
    reader = filled.checkout()
    with pytest.raises(AttributeError):
        reader.diff.status()
    with pytest.raises(ValueError, match="nope"):
        reader.diff.branch("nope")
    with pytest.raises(ValueError, match="0123456789"):
        reader.diff.commit("0123456789")
    diff = reader.diff
    reader.close()
    with pytest.raises(ReferenceError):
        diff.branch("master")


def test_staged_compares_with_the_base_and_shows_every_kind(filled):
    writer = filled.checkout(write=True)
    aset = writer.arraysets["numbers"]
    aset["new"], aset["a"] = _row(7), _row(8)
    del aset["b"]
    writer.arraysets.init_arrayset("more", shape=(1,), dtype="i4")["x"] = np.array([1], "i4")
    writer.metadata["k"] = "v"
    diff = writer.diff.staged().diff
    assert sorted(diff.added.schema) == ["more"]
    assert set(diff.added.samples) == {("numbers", "new"), ("more", "x")}
    assert set(diff.mutated.samples) == {("numbers", "a")}
    assert set(diff.deleted.samples) == {("numbers", "b")}
    assert set(diff.added.metadata) == {("k",)}
    assert writer.diff.status() == "DIRTY"
    writer.commit("c")
    assert writer.diff.staged().diff == type(diff)(*(type(diff.added)({}, {}, {}) for _ in range(3)))
    writer.close()


def test_removing_an_arrayset_lists_its_schema_and_all_its_samples(filled):
    writer = filled.checkout(write=True)
    del writer.arraysets["numbers"]
    diff = writer.diff.staged().diff
    assert sorted(diff.deleted.schema) == ["numbers"]
    assert len(diff.deleted.samples) == 3
    writer.close()


def test_an_arrayset_made_anew_with_another_schema_is_mutated(filled):
    writer = filled.checkout(write=True)
    del writer.arraysets["numbers"]
    writer.arraysets.init_arrayset("numbers", shape=(1,), dtype="u1")
    assert sorted(writer.diff.staged().diff.mutated.schema) == ["numbers"]
    writer.close()


def test_a_writer_diffs_with_its_uncommitted_changes(filled):
    filled.create_branch("dev")
    other = filled.checkout(write=True, branch="dev")
    other["numbers", "theirs"] = _row(1)
    other.commit("c")
    other.close()
    writer = filled.checkout(write=True, branch="master")
    writer["numbers", "mine"] = _row(2)
    diff = writer.diff.branch("dev").diff
    assert set(diff.added.samples) == {("numbers", "mine")}
    assert set(diff.deleted.samples) == {("numbers", "theirs")}
    assert writer.diff.status() == "DIRTY"
    writer.commit("still whole")
    assert "mine" in writer.arraysets["numbers"]
    writer.close()


# --- diffs without a checkout ---------------------------------------------------------------------------------------


def test_repository_diff_gives_statistics_and_rows(filled):
    diff = filled.diff("HEAD~1", "HEAD")
    statistics = diff.statistics()
    (numbers,) = statistics.arraysets
    assert (numbers.name, numbers.state, numbers.samples.added) == ("numbers", "same", 1)
    assert statistics.metadata.mutated == 1
    rows = list(diff.rows())
    assert [(row.what, row.kind, row.arrayset, row.key) for row in rows] == [
        ("sample", "added", "numbers", 3),
        ("metadata", "mutated", "", "note"),
    ]
    assert [row.what for row in diff.rows("numbers")] == ["sample"]
    assert list(filled.diff("HEAD").rows()) == []
    with pytest.raises(CommitNotFound):
        filled.diff("nope")


def test_what_is_staged_is_compared_without_a_writer(filled):
    assert list(filled.diff_staged().rows()) == []
    writer = filled.checkout(write=True)
    writer["numbers", "new"] = _row(7)
    del writer.arraysets["numbers"]["a"]
    writer.arraysets.init_arrayset("more", shape=(1,), dtype="i4")
    writer.metadata["k"] = "v"
    found = filled.diff_staged()  # the writer is still open
    rows = [(row.what, row.kind, row.arrayset, row.key) for row in found.rows()]
    assert rows == [
        ("schema", "added", "more", None),
        ("sample", "deleted", "numbers", "a"),
        ("sample", "added", "numbers", "new"),
        ("metadata", "added", "", "k"),
    ]
    assert found.arraysets == {"more", "numbers"}
    assert found.statistics().metadata.added == 1
    writer.commit("c")
    writer.close()
    assert [(row.what, row.kind, row.arrayset, row.key) for row in filled.diff("HEAD~1").rows()] == rows
    assert list(filled.diff_staged().rows()) == []


def test_rows_of_schemas_have_both_schemas(filled):
    writer = filled.checkout(write=True)
    del writer.arraysets["numbers"]
    writer.arraysets.init_arrayset("numbers", shape=(1,), dtype="u1")
    writer.close()
    row = next(filled.diff_staged().rows())
    assert (row.what, row.kind) == ("schema", "mutated")
    assert (row.old_schema.shape, row.new_schema.shape) == ((2, 3), (1,))


def test_the_text_of_a_summary_is_what_summary_prints(filled, capsys):
    filled.summary(commit="HEAD~1")
    assert filled.summary_text("HEAD~1") + "\n" == capsys.readouterr().out


def test_history_of_a_sample_names_each_change(filled):
    for value in (5, None, 6):
        writer = filled.checkout(write=True)
        if value is None:
            del writer.arraysets["numbers"]["a"]
        else:
            writer["numbers", "a"] = _row(value)
        writer.commit(f"set {value}")
        writer.close()
    events = filled.history("numbers", "a")
    assert [(event.kind, event.entry.commit.message) for event in events] == [
        ("added", "set 6"),
        ("removed", "set None"),
        ("mutated", "set 5"),
        ("added", "first"),
    ]
    assert events[0].digest is not None
    assert events[1].digest is None
    assert filled.history("numbers", "never") == []
    assert filled.history("nope", "a") == []


# --- names ----------------------------------------------------------------------------------------------------------


UNREADABLE = ("HEAD~" + "9" * 5000, "HEAD^" + "9" * 5000, "@{" + "9" * 5000 + "}", "@{²}", "@{99999999999 weeks ago}")


def test_resolve_goes_back_by_parents_and_by_moves(filled):
    head, first = (entry.id for entry in filled.log_entries())
    assert filled.resolve("HEAD") == filled.resolve("@") == filled.resolve("HEAD~0") == head
    assert filled.resolve("HEAD~1") == filled.resolve("HEAD~") == filled.resolve("HEAD^") == first
    assert filled.resolve("master~1") == filled.resolve("master@{1}") == filled.resolve("@{1}") == first
    assert filled.resolve(digests.text(head)[:8] + "~1") == first
    assert filled.resolve("@{now}") == filled.resolve("@{2999-01-01}") == head
    for unknown in (
        "HEAD~2",
        "HEAD^2",
        "@{7}",
        "@{2 days ago}",
        "@{1999-01-01}",
        "@{whenever}",
        "HEAD~1@{1}",
        *UNREADABLE,
    ):
        with pytest.raises(CommitNotFound):
            filled.resolve(unknown)


def test_tags_stay_where_they_are(filled):
    first = filled.resolve("HEAD~1")
    tag = filled.tags.create("v1.0", "HEAD~1", "the first\nrelease")
    plain = filled.tags.create("latest")
    assert [one.name for one in filled.tags.all()] == ["latest", "v1.0"]
    assert (tag.commit, tag.message, tag.user) == (first, "the first\nrelease", "Ada <ada@example.org>")
    assert plain.message == ""
    writer = filled.checkout(write=True)
    writer.metadata["k"] = "v"
    writer.commit("later")
    writer.close()
    assert filled.resolve("v1.0") == first
    reader = filled.checkout(commit="v1.0")
    assert reader.metadata["note"] == "first"
    reader.close()
    with pytest.raises(AlreadyExists):
        filled.tags.create("v1.0")
    with pytest.raises(InvalidName):
        filled.tags.create("no good")
    assert filled.tags.remove("v1.0").commit == first
    for use in (lambda: filled.tags.remove("v1.0"), lambda: filled.resolve("v1.0")):
        with pytest.raises(LookupError):
            use()
    with pytest.raises(TagNotFound):
        filled.tags.remove("nope")


def test_a_name_that_is_branch_and_tag_is_ambiguous_only_if_they_differ(filled):
    filled.tags.create("master")
    assert filled.resolve("master") == filled.resolve("HEAD")
    filled.tags.remove("master")
    filled.tags.create("master", "HEAD~1")
    with pytest.raises(ValueError, match=r"branch master.*tag master"):
        filled.resolve("master")


# --- branches -------------------------------------------------------------------------------------------------------


def test_removing_branches_follows_the_documented_rules(filled):
    with pytest.raises(PermissionError):
        filled.remove_branch("master")
    filled.create_branch("twin")
    made = filled.create_branch("dev")
    with pytest.raises(PermissionError):
        filled.remove_branch("master")
    assert filled.remove_branch("twin") == type(made)("twin", made.digest)
    writer = filled.checkout(write=True, branch="dev")
    writer.metadata["k"] = "v"
    head = writer.commit("only here")
    with pytest.raises(PermissionError):
        filled.remove_branch("master")
    writer.close()
    filled.switch("master")
    with pytest.raises(RuntimeError, match="not fully merged"):
        filled.remove_branch("dev")
    for unknown in ("nope", "origin/master"):
        with pytest.raises(ValueError, match=unknown):
            filled.remove_branch(unknown)
    assert filled.remove_branch("dev", force_delete=True).digest == head
    assert filled.list_branches() == ["master"]
    assert [move.old.hex() for move in filled.reflog("dev") if move.new is None] == [head]
    filled.create_branch("back", base_commit=head)
    assert filled.resolve("back").hex() == head


def test_a_merged_branch_can_be_removed(filled):
    filled.create_branch("dev")
    writer = filled.checkout(write=True, branch="dev")
    writer.metadata["k"] = "v"
    writer.commit("c")
    writer.close()
    filled.merge("m", "master", "dev")
    filled.remove_branch("dev")
    assert filled.list_branches() == ["master"]


def test_branches_can_be_renamed_the_staging_branch_too(filled):
    head = filled.resolve()
    assert filled.rename_branch("master", "main").name == "main"
    assert filled.list_branches() == ["main"]
    assert filled.staging_branch == "main"
    writer = filled.checkout(write=True)
    writer.metadata["k"] = "v"
    with pytest.raises(PermissionError):
        filled.rename_branch("main", "other")
    writer.close()
    with pytest.raises(PendingChanges):
        filled.rename_branch("main", "other")
    filled.commit("c")
    filled.create_branch("dev", base_commit=digests.text(head))
    filled.rename_branch("dev", "dev2")
    with pytest.raises(AlreadyExists):
        filled.rename_branch("dev2", "main")
    with pytest.raises(InvalidName):
        filled.rename_branch("dev2", "no good")
    assert filled.list_branches() == ["dev2", "main"]


# --- reset and stash ------------------------------------------------------------------------------------------------


def test_reset_keeps_the_content_as_staged_changes(filled):
    head, first = (entry.id for entry in filled.log_entries())
    filled.reset("HEAD~1")
    assert filled.resolve() == first
    (change,) = filled.status().arraysets
    assert (change.name, change.added) == ("numbers", 1)
    filled.commit("again")
    reader = filled.checkout()
    assert len(reader.arraysets["numbers"]) == 3
    assert reader["numbers", 3][0, 0] == 3
    reader.close()
    assert filled.resolve("@{1}") == first
    assert filled.resolve("@{2}") == head


def test_reset_keeps_what_was_staged_before_too(filled):
    writer = filled.checkout(write=True)
    writer["numbers", "staged"] = _row(9)
    writer.close()
    filled.reset("HEAD~1")
    writer = filled.checkout(write=True)
    assert writer["numbers", "staged"][0, 0] == 9
    assert writer["numbers", 3][0, 0] == 3
    writer.close()


def test_hard_reset_drops_changes_and_the_reflog_has_the_way_back(filled):
    head = filled.resolve()
    writer = filled.checkout(write=True)
    writer["numbers", "staged"] = _row(9)
    writer.close()
    assert filled.reset("HEAD~1", hard=True) == digests.text(filled.resolve())
    assert filled.status().clean
    reader = filled.checkout()
    assert set(reader.arraysets["numbers"]) == {"a", "b"}
    reader.close()
    filled.reset("master@{1}", hard=True)
    assert filled.resolve() == head
    writer = filled.checkout(write=True)
    writer.metadata["x"] = "y"
    writer.close()
    filled.reset(hard=True)
    assert filled.status().clean


def test_stashes_put_changes_aside_and_bring_them_back(filled):
    with pytest.raises(NothingToCommit):
        filled.stashes.save()
    for number in (1, 2):
        writer = filled.checkout(write=True)
        writer["numbers", f"s{number}"] = _row(number)
        del writer.arraysets["numbers"]["a"]
        writer.close()
        filled.stashes.save(f"work {number}")
        assert filled.status().clean
    assert [stash.commit.message for stash in filled.stashes.all()] == ["work 2", "work 1"]
    assert filled.stashes.pop(1) is True
    writer = filled.checkout(write=True)
    assert writer["numbers", "s1"][0, 0] == 1
    assert "a" not in writer.arraysets["numbers"]
    writer.close()
    with pytest.raises(PendingChanges):
        filled.stashes.pop()
    filled.commit("c")
    assert filled.stashes.drop().commit.message == "work 2"
    for use in (filled.stashes.drop, filled.stashes.pop, lambda: filled.stashes.pop(-1)):
        with pytest.raises(StashNotFound):
            use()


def test_a_merge_in_progress_cannot_be_put_aside(filled):
    for name in ("mine", "other"):
        writer = filled.checkout(write=True)
        writer.metadata["note"] = name
        if name == "mine":
            writer.close()
            filled.stashes.save()
        else:
            writer.commit("c")
            writer.close()
    filled.stashes.pop()
    with pytest.raises(PendingChanges, match="a stash is in progress") as caught:
        filled.stashes.save()
    assert "hangar merge --abort" in caught.value.hint
    assert [row.key for row in filled.merging.conflicts()] == ["note"]


def test_a_stash_that_conflicts_is_kept_and_resolved_like_a_merge(filled):
    writer = filled.checkout(write=True)
    writer["numbers", "a"] = _row(50)
    writer.close()
    filled.stashes.save("mine")
    writer = filled.checkout(write=True)
    writer["numbers", "a"] = _row(60)
    writer.commit("other")
    writer.close()
    assert filled.stashes.pop() is False
    assert len(filled.stashes.all()) == 1
    assert [row.key for row in filled.merging.conflicts()] == ["a"]
    filled.merging.resolve("numbers", side="theirs")
    filled.merging.conclude("mine after all")
    reader = filled.checkout()
    assert reader["numbers", "a"][0, 0] == 50
    reader.close()


def test_reflog_tells_who_moved_what_why(filled):
    filled.create_branch("dev")
    moves = filled.reflog("master")
    assert [move.reason for move in moves] == ["commit: second", "commit: first"]
    assert moves[1].old is None
    assert moves[0].old == moves[1].new
    assert {move.user for move in moves} == {"Ada <ada@example.org>"}
    assert {move.name for move in filled.reflog()} == {"dev", "master"}
    assert filled.reflog("nope") == []
