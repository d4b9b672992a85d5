"""`hangar remote`, `push`, `fetch`, `fetch-data`, `pull` and `clone` at a terminal."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hangar_cli.commands.fetch_data import parse_size
from hangar_core import Repository

from .conftest import Terminal

USER = ("--name", "Bob", "--email", "bob@example.org")


@pytest.fixture
def other(committed: Terminal, tmp_path: Path) -> Terminal:
    """A terminal in an empty directory; `committed` has pushed to the remote that is its neighbour."""
    committed("remote", "add", "origin", "../remote")
    committed("push", "origin", "master")
    place = tmp_path / "other"
    place.mkdir()
    return dataclasses.replace(committed, directory=place)


def test_history_goes_there_and_comes_back_elsewhere(committed: Terminal, other: Terminal) -> None:
    assert other("clone", "../remote", *USER).stdout.startswith("Cloned master of ../remote: 1 commit, 3 samples")
    missing = other("view", "pictures", "cat/001", code=6)
    assert "hangar fetch-data" in missing.stderr
    assert other("fetch-data", "origin", "master", "--keys", "cat/*").stdout.startswith("Fetched 2 samples")
    assert other("fetch-data", "origin", "master", "--nbytes", "1Kb").stdout.startswith("Fetched 1 sample")
    other("view", "pictures", "dog/001")
    other("arrayset", "create", "masks", "UINT8", "3")
    other("commit", "-m", "a place for masks")
    assert other.json("push", "origin", "master")["commits"] == 1
    assert committed("fetch", "origin", "master").stdout.startswith("Fetched origin/master: 1 new commit")
    assert committed.json("pull", "origin")["result"] == "fast-forward"
    assert committed.json("log")["commits"] == other.json("log")["commits"]
    assert committed("pull", "origin").stdout.startswith("Already up to date")
    assert committed("fetch", "origin", "master").stdout.startswith("Nothing new")
    assert "has all of master already" in committed("push", "origin", "master").stdout


def test_a_rejected_push_says_what_to_do(committed: Terminal, other: Terminal) -> None:
    other("clone", "../remote", *USER)
    for terminal, name in ((committed, "mine"), (other, "yours")):
        terminal("arrayset", "create", name, "UINT8", "3")
        terminal("commit", "-m", name)
    committed("push", "origin", "master")
    done = other("push", "origin", "master", code=1)
    assert "has commits that are not in yours" in done.stderr
    assert "Hint: run `hangar fetch origin master`, merge `origin/master`, then push again" in done.stderr
    other("pull", "origin", "-m", "both")
    assert other.json("push", "origin", "master")["changed"] is True


def test_remotes_are_listed_as_documented(committed: Terminal) -> None:
    text = "RemoteInfo(name='origin', address='localhost:50051')"
    assert committed("remote", "add", "origin", "localhost:50051").stdout == f"{text}\n"
    assert committed("remote", "list").stdout == f"[{text}]\n"
    assert committed.json("remote", "list")["remotes"] == [{"name": "origin", "address": "localhost:50051"}]
    assert committed("remote", "remove", "origin").stdout == f"{text}\n"
    assert committed("remote", "list").stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["push", "nobody", "master"], 4, "No remote `nobody`"),
        (["remote", "remove", "nobody"], 4, "No remote `nobody`"),
        (["fetch", "gone", "master"], 8, "There is no repository at"),
        (["remote", "ping", "odd"], 8, "No transport for the address"),
        (["push", "taken", "master"], 8, "the folder holds other files"),
        (["push", "taken", "dev"], 4, "does not exist"),
        (["fetch-data", "gone", "nothing"], 4, "No expanded commit hash"),
        (["fetch-data", "gone", "master", "--nbytes", "many"], 2, "is no size"),
        (["fetch-data", "gone", "master", "--nbytes", "5", "--all-history"], 1, "A limit of bytes is for one commit"),
        (["remote", "add", "gone", "x"], 1, "exists already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_goes_wrong_has_its_code_and_its_words(
    committed: Terminal, words: list[str], code: int, text: str
) -> None:
    for name, address in (("gone", "../nothing"), ("odd", "gopher://old"), ("taken", "./photos")):
        Repository(committed.directory).remote.add(name, address)
    done = committed(*words, code=code)
    assert text in done.stderr
    assert done.stdout == ""


def test_a_token_file_that_others_may_read_is_refused(committed: Terminal, other: Terminal) -> None:
    tokens = Path(committed.environment["XDG_CONFIG_HOME"]) / "hangar" / "tokens.json"
    tokens.parent.mkdir(parents=True)
    tokens.write_text("{}")
    tokens.chmod(0o644)
    assert "chmod 600" in committed("push", "origin", "master", code=1).stderr
    tokens.chmod(0o600)
    committed("push", "origin", "master")


@pytest.mark.parametrize(
    ("text", "size"), [("3Kb", 3000), ("3kib", 3072), ("20GiB", 20 << 30), ("17", 17), ("1.5 MB", 1_500_000)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_what_is_known_of_runs_goes_there_and_comes_back_if_asked(committed: Terminal, other: Terminal) -> None:
    note = {"version": "hangar.run-note/1", "key": "k", "run_id": "mine", "started": 1.0, "event": "start"}
    Repository(committed.directory).note_run(note | {"status": "\x1b[2J", "ended": 2.0})
    other("clone", "../remote", *USER)
    assert other.json("fetch", "origin", "master", "--runs")["runs"] == 0
    assert committed("push", "origin", "master", "--runs").stdout.endswith("Sent 1 note about runs.\n")
    assert committed.json("push", "origin", "master", "--runs")["runs"] == 0
    assert "there are no runs" in other("runs").stderr.lower()
    assert other("fetch", "origin", "master", "--runs").stdout.endswith("Fetched 1 note about runs.\n")
    listed = other("runs").stdout
    assert "mine" in listed
    assert "\x1b" not in listed


def test_what_a_remote_holds_is_dropped_and_fetched_again(committed: Terminal) -> None:
    assert "No remote is known here" in committed("drop", "pictures", code=2).stderr
    committed("remote", "add", "lab", "../remote")
    committed("push", "lab", "master")
    assert "Say what is to go" in committed("drop", code=2).stderr
    assert "is no age" in committed("drop", "pictures", "--fetched-before", "soon", code=2).stderr
    assert "No arrayset `pictues`" in committed("drop", "pictues", code=4).stderr
    assert committed("drop", "pictures", "--dry-run").stdout.startswith("Would drop")
    assert "they came later" in committed("drop", "pictures", "--fetched-before", "1h").stdout
    done = committed.json("drop", "pictures", "--keys", "cat/*")
    assert (done["remote"], done["dry_run"], done["samples"], done["kept"]) == ("lab", False, 2, {})
    assert done["freed"] > 0
    hint = committed("view", "pictures", "cat/001", code=6).stderr.partition("Hint: run `")[2].partition("`")[0]
    assert hint.startswith("hangar fetch-data lab ")
    committed(*hint.split()[1:])
    committed("view", "pictures", "cat/001")
    committed("remote", "add", "attic", "../attic")
    assert "--remote attic or lab" in committed("drop", "--all", code=2).stderr
    assert "all present on lab" in committed("drop", "--all", "--remote", "lab").stdout


def test_the_end_of_a_history_and_the_rest(committed: Terminal, tmp_path: Path) -> None:
    for name in ("one", "two"):
        committed("arrayset", "create", name, "UINT8", "3")
        committed("commit", "-m", name)
    committed("remote", "add", "origin", "../remote")
    committed("push", "origin", "master")
    place = tmp_path / "end"
    place.mkdir()
    end = dataclasses.replace(committed, directory=place)
    done = end("clone", "../remote", "--depth", "1", *USER)
    assert done.stdout.startswith("Cloned master of ../remote: 1 commit, 3 samples")
    assert "History ends there" in done.stderr
    assert "--unshallow" in end("log").stderr
    [commit] = end.json("log")["commits"]
    assert (commit["parents"], len(commit["hidden_parents"])) == ([], 1)
    assert "History ends at" in end("log", "HEAD~1", code=1).stderr
    assert "0 is not in the range" in end("fetch", "origin", "master", "--depth", "0", code=2).stderr
    assert "two different wishes" in end("fetch", "origin", "master", "--depth", "1", "--unshallow", code=2).stderr
    assert end.json("fetch", "origin", "master", "--depth", "2")["commits"] == 1
    assert end.json("fetch", "origin", "master", "--unshallow")["commits"] == 1
    assert end.json("log")["commits"] == committed.json("log")["commits"]
    assert end("log").stderr == ""
