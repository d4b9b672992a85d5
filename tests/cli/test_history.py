"""`log`, `summary`, `status`, `branch` and `checkout` over a small history."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from hangar_core import Repository

from .conftest import Terminal, make_pictures


def head(terminal: Terminal, branch: str = "master") -> str:
    heads = {entry["name"]: entry["digest"] for entry in terminal.json("branch", "list")["branches"]}
    digest = heads[branch]
    assert isinstance(digest, str)
    return digest


# --- log --------------------------------------------------------------------------------------------------------------


def test_log_shows_a_line_per_commit_with_its_branches(committed: Terminal) -> None:
    assert committed("log").stdout == f"* {head(committed)} (master) : first pets\n"


def test_log_prints_what_the_api_returns(committed: Terminal) -> None:
    committed("branch", "create", "dev")
    graph = Repository(committed.directory).log_graph().rstrip("\n")
    assert committed("log").stdout.rstrip("\n") == graph
    assert committed("log", "dev").stdout.rstrip("\n") == graph
    assert committed("log", head(committed)[:10]).stdout.rstrip("\n") == graph


def test_log_adds_users_and_times_when_asked(committed: Terminal) -> None:
    assert "Ana Lopez" not in committed("log").stdout
    assert "Ana Lopez" in committed("log", "--show-user").stdout
    assert re.search(r"\d\d:\d\d", committed("log", "--show-time").stdout)


def test_log_json_lists_commits_newest_first(committed: Terminal) -> None:
    committed("arrayset", "create", "numbers", "FLOAT64", "4")
    committed("commit", "-m", "second")
    document = committed.json("log")
    assert document["version"] == "hangar.log/1"
    assert document["head"] == head(committed)
    second, first = document["commits"]
    assert set(second) == {"digest", "parents", "branches", "time", "user", "email", "message"}
    assert (second["message"], first["message"]) == ("second", "first pets")
    assert second["parents"] == [first["digest"]]
    assert (second["branches"], first["branches"]) == (["master"], [])
    assert (first["user"], first["email"]) == ("Ana Lopez", "ana@example.org")
    assert second["time"] > first["time"]
    assert second["time"].endswith("+00:00")


@pytest.mark.parametrize("command", ["log", "summary"])
def test_an_unknown_startpoint_is_not_found(committed: Terminal, command: str) -> None:
    talk = committed(command, "f00f00", code=4).stderr
    assert talk.startswith("Error: No expanded commit hash found for short: f00f00")


def test_log_of_an_empty_repository_says_that_there_is_nothing_yet(hangar: Terminal) -> None:
    done = hangar("log")
    assert (done.stdout, done.stderr) == ("", "Branch `master` has no commits yet.\n")
    assert hangar.json("log") == {"version": "hangar.log/1", "head": None, "commits": []}
    assert "no commits yet" in hangar("log", "master", code=1).stderr


# --- summary ----------------------------------------------------------------------------------------------------------


def test_summary_has_the_documented_sections(committed: Terminal) -> None:
    shown = committed("summary").stdout
    assert shown.startswith("Summary of Contents Contained in Data Repository")
    assert f"Commit: {head(committed)}" in shown
    assert "By: Ana Lopez" in shown
    assert "Message: first pets" in shown
    assert "Arrayset Name: pictures" in shown
    assert "Num Arrays: 3" in shown


def test_summary_json_has_the_facts(committed: Terminal) -> None:
    document = committed.json("summary", "master")
    assert document["version"] == "hangar.summary/1"
    assert document["path"] == str(committed.directory)
    assert document["disk_usage"] > 0
    assert document["commit"]["digest"] == head(committed)
    [pictures] = document["arraysets"]
    assert (pictures["name"], pictures["count"]) == ("pictures", 3)
    assert pictures["schema"]["dtype"] == "uint8"
    assert document["metadata_count"] == 0


# --- status -----------------------------------------------------------------------------------------------------------


def test_status_of_a_clean_repository_names_the_branch_and_the_next_command(hangar: Terminal) -> None:
    shown = hangar("status").stdout
    assert shown.startswith("Branch: master\n")
    assert "Nothing staged" in shown
    assert shown.splitlines()[-1].startswith("Next: hangar import")
    assert hangar.json("status") == {
        "version": "hangar.status/1",
        "branch": "master",
        "base": None,
        "clean": True,
        "arraysets": [],
        "metadata": {"added": 0, "deleted": 0, "mutated": 0},
        "merging": None,
        "derived": [],
    }


def test_status_shows_schema_samples_and_metadata_that_were_added(hangar: Terminal) -> None:
    hangar("arrayset", "create", "numbers", "FLOAT32", "10", "10", "--variable-shape")
    with closing(Repository(hangar.directory).checkout(write=True)) as writer:
        import numpy as np

        writer.arraysets["numbers"]["a"] = np.zeros((2, 3), np.float32)
        writer.arraysets["numbers"]["b"] = np.ones((2, 3), np.float32)
        writer.metadata["licence"] = "CC0"
    added = hangar("status").stdout.split("ADDED")[1]
    assert "DELETED" not in added
    assert "MUTATED" not in added
    for fact in (
        "Schema: 1",
        "numbers",
        "named: True",
        "dtype: float32",
        "(max) shape: (10, 10)",
        "variable shape: True",
        "backend: ",
        "Samples: 2",
        "numbers: 2",
        "Metadata: 1",
    ):
        assert fact in added
    assert added.splitlines()[-1] == 'Next: hangar commit -m "MESSAGE"'


def test_status_shows_what_was_deleted_and_mutated(committed: Terminal) -> None:
    import numpy as np

    repo = Repository(committed.directory)
    with closing(repo.checkout(write=True)) as writer:
        writer.metadata["licence"] = "CC0"
        writer.commit("licence")
        pictures = writer.arraysets["pictures"]
        del pictures["cat/001"]
        pictures["cat/002"] = np.zeros((12, 16, 3), np.uint8)
        writer.metadata["licence"] = "CC-BY"
    document = committed.json("status")
    assert document["base"] == head(committed)
    assert [change["samples"] for change in document["arraysets"]] == [{"added": 0, "deleted": 1, "mutated": 1}]
    assert document["metadata"] == {"added": 0, "deleted": 0, "mutated": 1}
    deleted, mutated = committed("status").stdout.split("DELETED")[1].split("MUTATED")
    assert "pictures: 1" in deleted
    assert "pictures: 1" in mutated
    assert "Metadata: 1" in mutated
    committed("arrayset", "remove", "pictures")
    deleted = committed("status").stdout.split("DELETED")[1]
    assert "Schema: 1" in deleted
    assert "pictures: 3" in deleted


# --- branch and checkout ----------------------------------------------------------------------------------------------


def test_branch_list_prints_the_python_list(committed: Terminal) -> None:
    committed("branch", "create", "dev")
    assert committed("branch", "list").stdout == "['dev', 'master']\n"


def test_branch_list_json_has_heads_and_the_staging_branch(committed: Terminal) -> None:
    committed("branch", "create", "dev")
    assert committed.json("branch", "list") == {
        "version": "hangar.branch/1",
        "staging": "master",
        "branches": [
            {"name": "dev", "digest": head(committed)},
            {"name": "master", "digest": head(committed)},
        ],
    }


def test_branch_create_starts_at_the_staging_head_a_branch_or_a_short_digest(committed: Terminal) -> None:
    first = head(committed)
    committed("arrayset", "create", "numbers", "FLOAT64", "4")
    committed("commit", "-m", "second")
    second = head(committed)
    assert committed("branch", "create", "here").stdout == f"Created BRANCH: here HEAD: {second}\n"
    assert committed("branch", "create", "short", first[:8]).stdout == f"Created BRANCH: short HEAD: {first}\n"
    assert committed("branch", "create", "other", "short").stdout == f"Created BRANCH: other HEAD: {first}\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["two words"], 1, "Error: Branch name provided: `two words` is invalid."),
        (["master"], 1, "exists"),
        (["dev", "f00f00"], 4, "Error: No expanded commit hash found for short: f00f00"),
    ],
)
def test_a_branch_that_cannot_be_created_says_why(committed: Terminal, words: list[str], code: int, text: str) -> None:
    assert text in committed("branch", "create", *words, code=code).stderr
    assert committed("branch", "list").stdout == "['master']\n"


def test_a_branch_needs_a_commit_to_start_from(hangar: Terminal) -> None:
    assert "no commits yet" in hangar("branch", "create", "dev", code=1).stderr


def test_checkout_sets_the_branch_that_is_written_to(committed: Terminal) -> None:
    committed("branch", "create", "dev")
    assert committed("checkout", "dev").stdout == "Writer checkout head set to branch: dev\n"
    assert committed.json("status")["branch"] == "dev"
    committed("arrayset", "create", "numbers", "FLOAT64", "4")  # the lock is free again
    committed("commit", "-m", "on dev")
    assert head(committed, "dev") != head(committed, "master")


def test_checkout_of_an_unknown_branch_fails_with_exactly_the_documented_line(hangar: Terminal) -> None:
    done = hangar("checkout", "nope", code=4)
    assert done.stderr == "Error: branch with name: nope does not exist. cannot get head.\n"
    hangar("checkout", "master")


def test_checkout_of_another_branch_would_lose_staged_changes(committed: Terminal) -> None:
    committed("branch", "create", "dev")
    make_pictures(committed.directory / "more", names=("bird/001",))
    committed("import", "pictures", "more")
    assert "Changes are currently pending" in committed("checkout", "dev", code=1).stderr
    assert committed.json("status")["branch"] == "master"
    assert committed.json("status")["clean"] is False
