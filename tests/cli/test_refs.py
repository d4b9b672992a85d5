"""`reset`, `stash`, `tag`, `branch delete`, `branch rename`, `reflog`, `history`, and the names of commits."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from hangar_core import Repository

from .conftest import Terminal, make_pictures, picture
from .test_history import head


@pytest.fixture
def two(committed: Terminal) -> Terminal:
    """Two commits: the second adds bird/001 and changes cat/001."""
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.arraysets["pictures"]["bird/001"] = picture(7)
        writer.arraysets["pictures"]["cat/001"] = picture(8)
        writer.commit("second")
    return committed


# --- reset ------------------------------------------------------------------------------------------------------------


def test_reset_moves_the_branch_and_keeps_the_content_staged(two: Terminal) -> None:
    second, first = (commit["digest"] for commit in two.json("log")["commits"])
    assert two("reset", "HEAD~1").stdout == f"Branch master is at {first}\n"
    assert head(two) == first
    [change] = two.json("status")["arraysets"]
    assert change["samples"] == {"added": 1, "deleted": 0, "mutated": 1}
    assert two.json("reset", "master@{1}", "--hard") == {
        "version": "hangar.reset/1",
        "branch": "master",
        "digest": second,
        "hard": True,
    }
    assert two.json("status")["clean"] is True
    assert head(two) == second


def test_hard_reset_alone_drops_what_is_staged(two: Terminal) -> None:
    before = head(two)
    two("arrayset", "remove", "pictures")
    assert two("reset", "--hard").stdout == f"Branch master is at {before}\n"
    assert two.json("status")["clean"] is True
    assert "nope" in two("reset", "nope", code=4).stderr


def test_hard_reset_to_head_before_the_first_commit_drops_what_is_staged(hangar: Terminal) -> None:
    hangar("arrayset", "create", "numbers", "UINT8", "2")
    assert hangar("reset", "HEAD", "--hard").stdout == "Branch master has no commits yet\n"
    assert hangar.json("status")["clean"] is True


# --- stash ------------------------------------------------------------------------------------------------------------


def test_a_stash_puts_changes_aside_and_brings_them_back(two: Terminal) -> None:
    assert two("stash", "list").stderr == "Nothing was put aside.\n"
    assert two("stash", "save", code=1).stderr.startswith("Error: There are no changes to put aside.")
    two("arrayset", "create", "numbers", "FLOAT64", "4")
    text = two("stash", "save", "-m", "numbers\nlater").stdout
    assert text == f"Put aside as stash 0: numbers ({two.json('stash', 'list')['stashes'][0]['digest'][:12]})\n"
    two("arrayset", "create", "masks", "UINT8", "4")
    saved = two.json("stash", "save")
    assert (saved["version"], saved["number"], saved["branch"]) == ("hangar.stash-save/1", 0, "master")
    assert two.json("status")["clean"] is True
    listed = two.json("stash", "list")
    assert listed["version"] == "hangar.stash/1"
    assert [(one["number"], one["message"]) for one in listed["stashes"]] == [
        (0, "changes on master"),
        (1, "numbers\nlater"),
    ]
    lines = two("stash", "list").stdout.splitlines()
    assert lines[0].split() == ["NUMBER", "TIME", "(UTC)", "BRANCH", "MESSAGE"]
    assert lines[2].split()[0] == "1"
    assert lines[2].endswith("numbers")
    assert two("stash", "pop", "1").stdout == "Staged and dropped stash 1.\n"
    assert [change["name"] for change in two.json("status")["arraysets"]] == ["numbers"]
    assert two("stash", "drop").stdout == f"Dropped stash 0: changes on master ({saved['digest'][:12]})\n"
    for command in ("pop", "drop"):
        assert "There is no stash" in two("stash", command, "7", code=4).stderr
        assert two("stash", command, "first", code=2).stdout == ""


def test_a_stash_that_conflicts_is_kept(two: Terminal) -> None:
    for number in (50, 60):
        with closing(Repository(two.directory).checkout(write=True)) as writer:
            writer.arraysets["pictures"]["cat/001"] = picture(number)
        two("stash", "save") if number == 50 else two("commit", "-m", "other")
    done = two("stash", "pop", code=3)
    assert "Taking back stash 0 on master: 1 conflict" in done.stdout
    assert "hangar stash drop 0" in done.stderr
    assert "Taking back the stash 'changes on master' on master: 1 conflict" in two("status").stdout
    two("merge", "--abort")
    document = two.json("stash", "pop", code=3)
    assert (document["dropped"], len(document["conflicts"])) == (False, 1)
    two("resolve", "pictures", "--theirs")
    two("merge", "--continue", "-m", "mine")
    with closing(Repository(two.directory).checkout()) as reader:
        assert np.array_equal(reader["pictures", "cat/001"], picture(50))
    assert two.json("stash", "drop")["version"] == "hangar.stash-drop/1"


# --- tags -------------------------------------------------------------------------------------------------------------


def test_tags_are_created_listed_used_and_deleted(two: Terminal) -> None:
    second, first = (commit["digest"] for commit in two.json("log")["commits"])
    assert two("tag", "list").stderr == "There are no tags.\n"
    assert two("tag", "create", "v1.0", "HEAD~1", "-m", "as published", "-m", "really").stdout == (
        f"Created TAG: v1.0 COMMIT: {first}\n"
    )
    created = two.json("tag", "create", "latest")
    assert (created["version"], created["commit"], created["message"]) == ("hangar.tag-create/1", second, "")
    assert [line.split(maxsplit=2) for line in two("tag", "list").stdout.splitlines()] == [
        ["NAME", "COMMIT", "MESSAGE"],
        ["latest", second[:12]],
        ["v1.0", first[:12], "as published"],
    ]
    document = two.json("tag", "list")
    assert document["version"] == "hangar.tag/1"
    assert document["tags"][1]["message"] == "as published\nreally"
    assert document["tags"][1]["user"] == "Ana Lopez <ana@example.org>"
    assert two.json("log", "v1.0")["head"] == first
    assert "exists already" in two("tag", "create", "v1.0", code=1).stderr
    assert "invalid" in two("tag", "create", "no good", code=1).stderr
    assert two("tag", "delete", "v1.0").stdout == f"Deleted TAG: v1.0 COMMIT: {first}\n"
    assert two.json("tag", "delete", "latest")["version"] == "hangar.tag-delete/1"
    assert two("tag", "delete", "v1.0", code=4).stderr.startswith("Error: tag with name: v1.0 does not exist.")


# --- branches ---------------------------------------------------------------------------------------------------------


def test_a_merged_branch_is_deleted_and_an_unmerged_one_only_by_force(two: Terminal) -> None:
    two("branch", "create", "merged")
    assert two("branch", "delete", "merged").stdout == f"Deleted BRANCH: merged HEAD: {head(two)}\n"
    two("branch", "create", "dev")
    two("checkout", "dev")
    two("arrayset", "create", "numbers", "FLOAT64", "4")
    two("commit", "-m", "only here")
    lost = head(two, "dev")
    assert "staging branch" in two("branch", "delete", "dev", code=1).stderr
    two("checkout", "master")
    talk = two("branch", "delete", "dev", code=1).stderr
    assert "not fully merged" in talk
    assert "hangar branch delete -f dev" in talk
    assert two("branch", "delete", "dev", "-f").stdout == f"Deleted BRANCH: dev HEAD: {lost}\n"
    assert two("branch", "list").stdout == "['master']\n"
    assert two("branch", "create", "back", "dev@{1}").stdout == f"Created BRANCH: back HEAD: {lost}\n"
    assert two.json("branch", "delete", "back", "--force") == {
        "version": "hangar.branch-delete/1",
        "name": "back",
        "digest": lost,
    }
    assert "nope" in two("branch", "delete", "nope", code=4).stderr


def test_branches_are_renamed(two: Terminal) -> None:
    two("branch", "create", "dev")
    assert (
        two("branch", "rename", "master", "main").stdout
        == f"Renamed BRANCH: master to main HEAD: {head(two, 'main')}\n"
    )
    assert two.json("branch", "list")["staging"] == "main"
    assert two.json("branch", "rename", "dev", "next")["old"] == "dev"
    assert "exists already" in two("branch", "rename", "next", "main", code=1).stderr
    assert "nope" in two("branch", "rename", "nope", "new", code=4).stderr
    assert two("branch", "list").stdout == "['main', 'next']\n"


# --- reflog and history -----------------------------------------------------------------------------------------------


def test_reflog_lists_the_moves_under_the_names_that_mean_them(two: Terminal) -> None:
    second, first = (commit["digest"] for commit in two.json("log")["commits"])
    two("branch", "create", "dev", "HEAD~1")
    two("branch", "delete", "dev")
    rows = [line.split(maxsplit=3) for line in two("reflog").stdout.splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows[1:]] == [
        ("dev@{0}", "-", f"branch: removed (to have it back: hangar branch create dev {first[:12]})"),
        ("dev@{1}", first[:12], f"branch: created at {first}"),
        ("master@{0}", second[:12], "commit: second"),
        ("master@{1}", first[:12], "commit: first pets"),
    ]
    assert two.json("log", "master@{1}")["head"] == first
    document = two.json("reflog", "master")
    assert document["version"] == "hangar.reflog/1"
    assert [(move["branch"], move["number"], move["old"], move["new"]) for move in document["moves"]] == [
        ("master", 0, first, second),
        ("master", 1, None, first),
    ]
    assert two("reflog", "nope", code=4).stderr.startswith("Error: branch with name: nope does not exist.")


def test_history_names_the_commits_that_changed_a_sample(two: Terminal) -> None:
    second, first = (commit["digest"] for commit in two.json("log")["commits"])
    rows = [line.split() for line in two("history", "pictures", "cat/001").stdout.splitlines()]
    assert rows[0] == ["COMMIT", "TIME", "(UTC)", "AUTHOR", "CHANGE", "DATA", "MESSAGE"]
    assert {" ".join(row[2:4]) for row in rows[1:]} == {"Ana Lopez"}
    assert [(row[0], row[4], row[5]) for row in rows[1:]] == [
        (second[:12], "mutated", two.json("view", "pictures", "cat/001")["digest"][:12]),
        (first[:12], "added", two.json("view", "pictures", "cat/001", "HEAD~1")["digest"][:12]),
    ]
    document = two.json("history", "pictures", "cat/001", "HEAD~1")
    assert document["version"] == "hangar.history/1"
    assert [(change["kind"], change["commit"]["message"]) for change in document["changes"]] == [
        ("added", "first pets")
    ]
    for words in (["pictures", "nope"], ["nope", "cat/001"], ["pictures", "int:1"]):
        assert two("history", *words, code=4).stderr.startswith("Error: No commit of this history has a sample")


def test_a_subsample_has_a_history_of_its_own(committed: Terminal) -> None:
    nest = """
from hangar_core import Repository
writer = Repository(".").checkout(write=True)
notes = writer.add_str_arrayset("notes", contains_subsamples=True)
notes["a/b"] = {"left": "one", 7: "two"}
writer.commit("nested")
notes["a/b"] = {7: "three"}
writer.commit("seven")
writer.close()
"""
    with committed.python(nest) as process:
        assert process.wait(timeout=60) == 0
    rows = [line.split() for line in committed("history", "notes", "a/b", "--subsample", "int:7").stdout.splitlines()]
    assert [(row[4], row[-1]) for row in rows[1:]] == [("mutated", "seven"), ("added", "nested")]
    document = committed.json("history", "notes", "a/b", "HEAD~1", "--subsample", "left")
    assert (document["sample"], document["subsample"]) == ("a/b", "left")
    assert [change["commit"]["message"] for change in document["changes"]] == ["nested"]
    assert committed.json("history", "pictures", "cat/001")["subsample"] is None
    for words in (["notes", "a/b", "--subsample", "7"], ["pictures", "cat/001", "--subsample", "x"]):
        assert committed("history", *words, code=4).stderr.startswith("Error: No commit of this history has a sample")
    assert "--subsample" in committed("history", "notes", "a/b", code=1).stderr
    schemas = {one["name"]: one["schema"] for one in committed.json("summary")["arraysets"]}
    assert {name: (one["kind"], one["nested"]) for name, one in schemas.items()} == {
        "notes": ("text", True),
        "pictures": ("array", False),
    }


# --- names of commits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HEAD~1", "HEAD^", "@{1}", "master@{1}", "v1", "@{2999-01-01}~1"])
def test_every_command_understands_the_names_of_commits(two: Terminal, name: str) -> None:
    first = two.json("log")["commits"][1]["digest"]
    two("tag", "create", "v1", first[:9])
    assert two.json("log", name)["head"] == first
    assert two.json("summary", name)["commit"]["digest"] == first
    assert two.json("view", "pictures", "cat/001", name)["commit"] == first
    assert two.json("diff", name, "HEAD")["old"] == first
    (two.directory / "out").mkdir()
    assert two.json("export", "pictures", name, "-o", "out")["samples"] == 3
    assert two("branch", "create", "there", name).stdout.endswith(f"{first}\n")


@pytest.mark.parametrize(
    "name",
    ["HEAD~2", "HEAD~" + "9" * 5000, "@{99}", "@{²}", "@{999999999999 days ago}", "@{0001-01-01}", "\udcff", "a" * 600],
)
def test_a_name_that_means_nothing_is_not_found_whatever_it_looks_like(two: Terminal, name: str) -> None:
    assert two("log", name, code=4).stderr.startswith("Error: No expanded commit hash found for short: ")


@pytest.mark.parametrize("words", [["checkout"], ["reflog"], ["tag", "delete"], ["branch", "delete"]])
@pytest.mark.parametrize("name", ["\udcff", "a" * 600, ""])
def test_a_name_that_nothing_can_have_is_not_found(two: Terminal, words: list[str], name: str) -> None:
    assert "does not exist" in two(*words, name, code=4).stderr


@pytest.mark.parametrize("words", [["commit"], ["tag", "create", "v1"], ["stash", "save"], ["merge", "dev"]])
def test_a_message_that_is_no_text_is_wrong_usage(two: Terminal, words: list[str]) -> None:
    make_pictures(two.directory / "more", names=("cow/001",))
    two("import", "pictures", "more")
    assert "'\\udcff' is not text" in two(*words, "-m", "\udcff", code=2).stderr


# --- HEAD, moves and the first commit ---------------------------------------------------------------------------------


def test_a_tag_with_the_name_of_the_branch_is_in_nobodys_way(two: Terminal) -> None:
    second, first = (commit["digest"] for commit in two.json("log")["commits"])
    two("tag", "create", "master", "HEAD~1")
    assert two.json("log")["head"] == two.json("log", "HEAD")["head"] == second
    assert "bird/001" in two("diff", "HEAD~1", "HEAD").stdout
    assert two("branch", "create", "foo").stdout == f"Created BRANCH: foo HEAD: {second}\n"
    assert two("reset", "--hard").stdout == f"Branch master is at {second}\n"
    two("revert", "HEAD")
    assert two.json("log", "HEAD~2")["head"] == first
    assert "is short for 2 commits" in two("log", "master", code=1).stderr
    for words in (["tag", "create", "HEAD"], ["branch", "create", "HEAD"], ["branch", "rename", "foo", "HEAD"]):
        assert "`HEAD` is invalid. It means the staging branch." in two(*words, code=1).stderr


def test_a_merge_that_brings_nothing_leaves_no_trace(two: Terminal) -> None:
    before = two("reflog").stdout
    assert "Already up to date" in two("merge", "HEAD").stdout
    assert two("reflog").stdout == before


def test_hard_reset_before_the_first_commit(hangar: Terminal) -> None:
    hangar("arrayset", "create", "numbers", "FLOAT64", "4")
    done = hangar("reset", "--hard")
    assert done.stdout == "Branch master has no commits yet\n"
    assert done.stderr == "Nothing is staged.\n"
    assert hangar.json("status")["clean"] is True
    assert hangar.json("reset", "--hard")["digest"] is None


def test_the_moves_of_a_renamed_branch_have_its_name(two: Terminal) -> None:
    second, first = (commit["digest"] for commit in two.json("log")["commits"])
    two("branch", "rename", "master", "main")
    assert two.json("log", "main@{2}")["head"] == first
    rows = [line.split(maxsplit=3) for line in two("reflog").stdout.splitlines()[1:]]
    assert [(row[0], row[1]) for row in rows] == [
        ("main@{0}", second[:12]),
        ("main@{1}", second[:12]),
        ("main@{2}", first[:12]),
    ]
    two("branch", "delete", "main", code=1)


def test_what_a_dropped_stash_held_can_be_had_back(two: Terminal) -> None:
    two("arrayset", "create", "numbers", "FLOAT64", "4")
    two("stash", "save", "-m", "numbers")
    digest = two.json("stash", "list")["stashes"][0]["digest"]
    done = two("stash", "drop")
    assert f"hangar branch create NAME {digest[:12]}" in done.stderr
    [row] = [line.split(maxsplit=3) for line in two("reflog", "stash/dropped").stdout.splitlines()[1:]]
    assert (row[0], row[1], row[3]) == ("stash/dropped@{0}", digest[:12], "stash: dropped: numbers")
    assert two("branch", "create", "rescued", "stash/dropped@{0}").stdout.endswith(f"{digest}\n")
