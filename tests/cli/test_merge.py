"""`hangar merge`, `resolve`, `cherry-pick`, `revert`: what comes together, and what has to be decided."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typed.forks import Forks

from hangar_core import Repository

from .conftest import Terminal, make_pictures, needs_pty, picture, scrubbed_environment
from .test_history import head


def set_licence(terminal: Terminal, text: str) -> None:
    """Stage metadata as a user does: with a few lines of Python."""
    with closing(Repository(terminal.directory).checkout(write=True)) as writer:
        writer.metadata["licence"] = text


def save_picture(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).save(path)


def change(terminal: Terminal, branch: str, numbers: dict[str, int], licence: str = "") -> str:
    """Import pictures on a branch, set the licence, commit; return the digest."""
    folder = terminal.directory / f"from-{branch}"
    for name, number in numbers.items():
        save_picture(folder / f"{name}.png", number)
    terminal("checkout", branch)
    if numbers:
        terminal("import", "pictures", folder, "--overwrite")
    if licence:
        set_licence(terminal, licence)
    terminal("commit", "-m", f"work on {branch}")
    return head(terminal, branch)


def pixels(terminal: Terminal, sample: str, branch: str = "master") -> np.ndarray:
    with closing(Repository(terminal.directory).checkout(branch=branch)) as reader:
        return np.asarray(reader["pictures", sample])


@pytest.fixture
def dev(committed: Terminal) -> Terminal:
    committed("branch", "create", "dev")
    return committed


@pytest.fixture(scope="session")
def in_conflict(tmp_path_factory: pytest.TempPathFactory, prepared: dict[str, Path], forks: Forks | None) -> Path:
    """Where the commands have made what `conflicted` starts from, once; tests get copies."""
    place = tmp_path_factory.mktemp("in-conflict") / "place"
    shutil.copytree(prepared["committed"], place)
    dev = Terminal(place, scrubbed_environment(place.parent), forks)
    dev("branch", "create", "dev")
    change(dev, "dev", {"cat/001": 21, "cat/002": 22, "bird/001": 23}, "CC0")
    change(dev, "master", {"cat/001": 31, "cat/002": 32}, "CC-BY")
    dev("merge", "dev", "-m", "bring dev in", code=3)
    return place


@pytest.fixture
def conflicted(terminal: Terminal, in_conflict: Path) -> Terminal:
    """A merge of dev into master that conflicts in two pictures and in the licence; dev adds a picture."""
    shutil.copytree(in_conflict, terminal.directory, dirs_exist_ok=True)
    return terminal


# --- merge ------------------------------------------------------------------------------------------------------------


def test_a_conflicted_merge_is_resolved_from_the_terminal_alone(terminal: Terminal) -> None:
    make_pictures(terminal.directory / "photos")
    terminal("init", "--name", "Ana Lopez", "--email", "ana@example.org")
    terminal("import", "pictures", "photos")
    terminal("commit", "-m", "first pets")
    terminal("branch", "create", "dev")
    theirs = change(terminal, "dev", {"cat/001": 21, "cat/002": 22, "bird/001": 23}, "CC0")
    ours = change(terminal, "master", {"cat/001": 31, "cat/002": 32}, "CC-BY")

    shown = terminal("merge", "dev", "-m", "bring dev in", code=3).stdout
    assert shown.startswith("Merging dev into master: 3 conflicts to resolve")
    rows = [line.split() for line in shown.splitlines() if "on both sides" in line]
    assert [row[:2] for row in rows] == [["pictures", "cat/001"], ["pictures", "cat/002"], ["(metadata)", "licence"]]
    assert rows[0][2] == terminal.json("view", "pictures", "cat/001", "master")["digest"][:12]
    assert rows[0][3] == terminal.json("view", "pictures", "cat/001", "dev")["digest"][:12]
    assert rows[0][4] == terminal.json("view", "pictures", "cat/001", "HEAD~1")["digest"][:12]
    assert rows[2][2:5] == ['"CC-BY"', '"CC0"', "-"]
    assert "changed on both sides" in shown
    assert "Next: hangar resolve pictures cat/001 --ours" in shown

    status = terminal("status").stdout
    assert "Merging dev into master: 3 conflicts to resolve." in status
    assert "cat/002" in status
    assert status.splitlines()[-1].startswith("Then: hangar merge --continue")
    terminal("merge", "--continue", code=3)
    terminal("commit", "-m", "no", code=3)

    save_picture(terminal.directory / "mine.png", 41)
    assert "2 left" in terminal("resolve", "pictures", "cat/001", "--take", "mine.png").stdout
    terminal("resolve", "pictures", "cat/*", "--theirs")
    assert "0 left" in terminal("resolve", "--metadata", "licence", "--ours").stdout
    assert "all conflicts are resolved" in terminal("status").stdout

    done = terminal("merge", "--continue").stdout
    assert done == f"Concluded the merge of dev on master. Digest: {head(terminal)}\n"
    [merge, *_] = terminal.json("log")["commits"]
    assert (merge["message"], merge["parents"]) == ("bring dev in", [ours, theirs])
    assert terminal("log").stdout.startswith(f"*   {head(terminal)} (master) : bring dev in")
    assert terminal.json("status")["clean"] is True
    for sample, number in (("cat/001", 41), ("cat/002", 22), ("bird/001", 23), ("dog/001", 2)):
        assert np.array_equal(pixels(terminal, sample), picture(number)), sample
    with closing(Repository(terminal.directory).checkout()) as reader:
        assert reader.metadata["licence"] == "CC-BY"


def test_fast_forward_merge_and_nothing_to_do_are_told_apart(dev: Terminal) -> None:
    theirs = change(dev, "dev", {"bird/001": 23})
    dev("checkout", "master")
    assert dev("merge", "dev").stdout == f"Fast-forward: master had nothing of its own. HEAD: {theirs}\n"
    assert dev("merge", "dev").stdout == "Already up to date: master has everything of dev.\n"
    change(dev, "dev", {"bird/002": 24})
    change(dev, "master", {"cow/001": 25})
    assert dev("merge", "dev").stdout == f"Merged dev into master. Digest: {head(dev)}\n"
    assert dev.json("log")["commits"][0]["message"] == "Merge dev into master"
    assert dev("merge", "dev").stdout.startswith("Already up to date")


def test_merge_json_names_the_result_and_the_conflicts(dev: Terminal) -> None:
    theirs = change(dev, "dev", {"cat/001": 21}, "CC0")
    dev("checkout", "master")
    document = dev.json("merge", "dev")
    assert document == {
        "version": "hangar.merge/1",
        "result": "fast-forward",
        "branch": "master",
        "head": theirs,
        "conflicts": [],
    }
    assert dev.json("merge", "dev")["result"] == "up-to-date"
    change(dev, "dev", {"cat/001": 22}, "CC-BY")
    ours = change(dev, "master", {"cat/001": 23}, "")
    document = dev.json("merge", "dev", code=3)
    assert (document["result"], document["head"]) == ("conflicts", ours)
    [conflict] = document["conflicts"]
    digests = {side: dev.json("view", "pictures", "cat/001", name)["digest"] for side, name in SIDES.items()}
    assert conflict == {
        "what": "sample",
        "arrayset": "pictures",
        "key": "cat/001",
        "kind": "t3",
        "texts": None,
        "names": None,
        "bound": [],
        **digests,
    }
    merging = dev.json("status")["merging"]
    assert (merging["kind"], merging["label"], merging["conflicts"]) == ("merge", "dev", [conflict])
    resolved = dev.json("resolve", "pictures", "--theirs")
    assert resolved == {"version": "hangar.resolve/1", "resolved": 1, "arrayset": "pictures", "conflicts": []}
    document = dev.json("merge", "--continue", "-m", "both")
    assert (document["result"], document["head"]) == ("concluded", head(dev))
    assert dev.json("log")["commits"][0]["message"] == "both"


SIDES = {"ours": "master", "theirs": "dev", "base": "dev~1"}


def test_conflicts_of_metadata_show_the_texts_in_json_too(conflicted: Terminal) -> None:
    conflict = conflicted.json("status")["merging"]["conflicts"][-1]
    assert (conflict["what"], conflict["arrayset"], conflict["key"]) == ("metadata", None, "licence")
    assert conflict["texts"] == {"ours": "CC-BY", "theirs": "CC0"}
    assert conflict["base"] is None


def test_aborting_goes_back_to_before_the_merge(conflicted: Terminal) -> None:
    before = head(conflicted)
    assert conflicted("merge", "--abort").stdout == "Dropped the merge of dev. master is as it was before.\n"
    assert head(conflicted) == before
    assert conflicted.json("status")["clean"] is True
    for words in (["--abort"], ["--continue"]):
        assert conflicted("merge", *words, code=1).stderr == "Error: No merge is in progress.\n"
    assert conflicted("resolve", "pictures", "--ours", code=1).stderr == "Error: No merge is in progress.\n"
    conflicted("merge", "dev", code=3)
    assert conflicted.json("merge", "--abort")["result"] == "aborted"


@pytest.mark.parametrize(("side", "number"), [("ours", 31), ("theirs", 21)])
def test_a_strategy_decides_every_conflict(dev: Terminal, side: str, number: int) -> None:
    change(dev, "dev", {"cat/001": 21}, "CC0")
    change(dev, "master", {"cat/001": 31}, "CC-BY")
    dev("merge", "dev", "--strategy", side)
    assert np.array_equal(pixels(dev, "cat/001"), picture(number))


def test_staged_changes_stop_a_merge_and_the_hint_says_what_to_do(dev: Terminal) -> None:
    change(dev, "dev", {"bird/001": 23})
    dev("checkout", "master")
    dev("arrayset", "create", "numbers", "FLOAT64", "4")
    talk = dev("merge", "dev", code=1).stderr
    assert "Changes are currently pending" in talk
    assert "hangar stash save" in talk


@pytest.mark.parametrize(
    "words",
    [
        ["stash", "save"],
        ["checkout", "dev"],
        ["merge", "dev"],
        ["revert", "HEAD"],
        ["reset"],
        ["branch", "rename", "master", "x"],
    ],
)
def test_a_merge_in_progress_is_not_lost_by_another_command(conflicted: Terminal, words: list[str]) -> None:
    talk = conflicted(*words, code=1).stderr
    assert "a merge is in progress" in talk
    assert "hangar merge --abort" in talk
    assert len(conflicted.json("status")["merging"]["conflicts"]) == 3


def test_a_resolved_merge_can_be_concluded_by_commit_too(conflicted: Terminal) -> None:
    conflicted("resolve", "pictures", "--ours")
    conflicted("resolve", "--metadata", "--theirs")
    conflicted("commit", "-m", "by hand")
    [commit, *_] = conflicted.json("log")["commits"]
    assert (commit["message"], len(commit["parents"])) == ("by hand", 2)


@pytest.mark.parametrize(
    "words",
    [
        ["merge"],
        ["merge", "dev", "--abort"],
        ["merge", "--continue", "--abort"],
        ["merge", "--continue", "--strategy", "ours"],
        ["merge", "--abort", "-m", "x"],
        ["merge", "dev", "--strategy", "mine"],
        ["resolve", "pictures"],
        ["resolve", "pictures", "--ours", "--theirs"],
        ["resolve", "--ours"],
        ["resolve", "--metadata", "a", "b", "--ours"],
    ],
)
def test_words_that_exclude_each_other_are_wrong_usage(committed: Terminal, words: list[str]) -> None:
    assert committed(*words, code=2).stdout == ""


def test_merging_an_unknown_branch_is_not_found(committed: Terminal) -> None:
    assert "nope" in committed("merge", "nope", code=4).stderr


def test_many_conflicts_are_shortened_in_text_only(committed: Terminal) -> None:
    committed("branch", "create", "dev")
    for number, branch in enumerate(("dev", "master")):
        committed("checkout", branch)
        with closing(Repository(committed.directory).checkout(write=True)) as writer:
            writer.arraysets["pictures"].update((f"n/{n:03}", picture(100 * number + n)) for n in range(50))
            writer.commit(branch)
    shown = committed("merge", "dev", code=3).stdout
    assert "50 conflicts" in shown
    assert "and 30 more" in shown
    assert len(committed.json("status")["merging"]["conflicts"]) == 50


# --- resolve ----------------------------------------------------------------------------------------------------------


def test_keys_are_chosen_as_they_are_shown(committed: Terminal) -> None:
    names: list[str | int] = [7, "7", "scan[1]", "scan1", "int:8"]
    committed("branch", "create", "dev")
    for number, branch in enumerate(("dev", "master")):
        committed("checkout", branch)
        with closing(Repository(committed.directory).checkout(write=True)) as writer:
            writer.arraysets["pictures"].update((name, picture(10 * number + at)) for at, name in enumerate(names))
            writer.commit(branch)
    committed("merge", "dev", code=3)

    def left() -> set[str | int]:
        return {row["key"] for row in committed.json("status")["merging"]["conflicts"]}

    assert left() == set(names)
    for typed, key in (("int:7", 7), ("scan[1]", "scan1"), ("7", "7"), ("str:int:8", "int:8")):
        committed("resolve", "pictures", typed, "--ours")
        assert key not in left()
        assert committed("resolve", "pictures", typed, "--ours", code=4).stderr.startswith("Error: No open conflict")
    assert left() == set()


def test_a_file_decides_exactly_one_conflict_and_must_hold_one_sample(conflicted: Terminal) -> None:
    save_picture(conflicted.directory / "mine.png", 41)
    talk = conflicted("resolve", "pictures", "--take", "mine.png", code=2).stderr
    assert "`cat/001`, `cat/002`" in talk
    (conflicted.directory / "rows.csv").write_text("1,2\n3,4\n")
    talk = conflicted("resolve", "pictures", "cat/001", "--take", "rows.csv", code=1).stderr
    assert "holds more than one sample" in talk
    np.save(conflicted.directory / "small.npy", np.zeros((2, 2), np.uint8))
    assert "shape" in conflicted("resolve", "pictures", "cat/001", "--take", "small.npy", code=1).stderr
    assert "nowhere.png" in conflicted("resolve", "pictures", "cat/001", "--take", "nowhere.png", code=1).stderr
    (conflicted.directory / "a.xyz").write_bytes(b"?")
    assert "extension xyz" in conflicted("resolve", "pictures", "cat/001", "--take", "a.xyz", code=1).stderr
    assert len(conflicted.json("status")["merging"]["conflicts"]) == 3


def test_the_text_of_a_file_decides_metadata(conflicted: Terminal) -> None:
    (conflicted.directory / "bad.txt").write_bytes(b"CC\xff")
    assert (
        "no UTF-8 text (byte 2)" in conflicted("resolve", "--metadata", "licence", "--take", "bad.txt", code=1).stderr
    )
    (conflicted.directory / "licence.txt").write_text("CC BY-SA\nsee größe\n", encoding="utf-8")
    conflicted("resolve", "--metadata", "licence", "--take", "licence.txt")
    conflicted("resolve", "pictures", "--ours")
    conflicted("merge", "--continue")
    with closing(Repository(conflicted.directory).checkout()) as reader:
        assert reader.metadata["licence"] == "CC BY-SA\nsee größe"


def test_an_arrayset_in_conflict_is_taken_whole(dev: Terminal) -> None:
    change(dev, "dev", {"cat/001": 21})
    dev("checkout", "master")
    dev("arrayset", "remove", "pictures")
    dev("commit", "-m", "gone")
    shown = dev("merge", "dev", code=3).stdout
    assert "(arrayset)" in shown
    assert "removed in ours, changed in theirs" in shown
    assert "Next: hangar resolve pictures --ours" in shown
    save_picture(dev.directory / "mine.png", 41)
    assert "--ours or --theirs" in dev("resolve", "pictures", "--take", "mine.png", code=2).stderr
    dev("resolve", "pictures", "--theirs")
    dev("merge", "--continue")
    assert np.array_equal(pixels(dev, "cat/001"), picture(21))


@needs_pty
def test_a_text_of_metadata_cannot_steer_the_terminal(dev: Terminal) -> None:
    change(dev, "dev", {}, "evil\x1b]0;title\x07")
    change(dev, "master", {}, "x" * 100)
    shown = dev("merge", "dev", code=3).stdout
    assert "\x1b" not in shown
    assert "evil\\x1b]0;title" in shown
    assert "x" * 25 not in shown


# --- cherry-pick and revert -------------------------------------------------------------------------------------------


def test_cherry_pick_repeats_a_commit(dev: Terminal) -> None:
    change(dev, "dev", {"bird/001": 23})
    change(dev, "master", {"cow/001": 24})
    assert dev("cherry-pick", "dev").stdout == f"Repeated dev on master. Digest: {head(dev)}\n"
    [commit, *_] = dev.json("log")["commits"]
    assert (commit["message"], len(commit["parents"])) == ("work on dev", 1)
    assert "changes nothing here" in dev("cherry-pick", "dev", code=1).stderr


def test_revert_undoes_a_commit(dev: Terminal) -> None:
    change(dev, "master", {"bird/001": 23})
    change(dev, "master", {"cow/001": 24})
    document = dev.json("revert", "HEAD~1")
    assert document == {
        "version": "hangar.revert/1",
        "result": "committed",
        "branch": "master",
        "digest": head(dev),
        "conflicts": [],
    }
    with closing(Repository(dev.directory).checkout()) as reader:
        assert set(reader.arraysets["pictures"]) == {"cat/001", "cat/002", "dog/001", "cow/001"}
    assert dev("revert", "HEAD").stdout == f"Reverted HEAD on master. Digest: {head(dev)}\n"
    assert np.array_equal(pixels(dev, "bird/001"), picture(23))


@pytest.mark.parametrize("command", ["revert", "cherry-pick"])
def test_their_conflicts_are_kept_and_end_as_those_of_a_merge(dev: Terminal, command: str) -> None:
    change(dev, "dev", {"cat/001": 21})
    undone = change(dev, "master", {"cat/001": 31})
    change(dev, "master", {"cat/001": 32})
    commit = undone if command == "revert" else "dev"
    shown = dev(command, commit, code=3).stdout
    assert "1 conflict to resolve" in shown
    dev("merge", "--abort")
    document = dev.json(command, commit, code=3)
    assert (document["result"], document["digest"], len(document["conflicts"])) == ("conflicts", None, 1)
    dev("resolve", "pictures", "--ours")
    assert f"the {command} of" in dev("merge", "--continue", code=1).stderr
    dev("merge", "--abort")
    dev(command, commit, "--strategy", "theirs")
    assert np.array_equal(pixels(dev, "cat/001"), picture(0 if command == "revert" else 21))


def test_a_merge_is_neither_reverted_nor_picked(dev: Terminal) -> None:
    change(dev, "dev", {"bird/001": 23})
    change(dev, "master", {"cow/001": 24})
    dev("merge", "dev")
    for command in ("revert", "cherry-pick"):
        assert "is a merge" in dev(command, "HEAD", code=1).stderr


def test_open_conflicts_stop_a_commit_before_the_editor_opens(conflicted: Terminal) -> None:
    assert "Conflicts that are not resolved yet: 3." in conflicted("commit", code=3).stderr


def rename(terminal: Terminal, branch: str, old: str, new: str) -> None:
    with closing(Repository(terminal.directory).checkout(write=True, branch=branch)) as writer:
        writer.arraysets.rename(old, new)


def test_two_names_for_one_arrayset_are_told_and_decided(dev: Terminal) -> None:
    rename(dev, "master", "pictures", "photos")
    dev("commit", "-m", "photos")
    rename(dev, "dev", "pictures", "images")
    dev("commit", "-m", "images")
    dev("checkout", "master")
    told = dev("merge", "dev", code=3).stdout
    assert "1 conflict to resolve" in told
    assert "changed on both sides: pictures in base, photos in ours, images in theirs" in told
    assert "Next: hangar resolve photos --ours   (or --theirs;" in told
    (conflict,) = dev.json("status")["merging"]["conflicts"]
    assert (conflict["what"], conflict["arrayset"], conflict["bound"]) == ("arrayset", "photos", [])
    assert conflict["names"] == {"base": "pictures", "ours": "photos", "theirs": "images"}
    assert dev("resolve", "photos", "--theirs").stdout == "Resolved 1 conflict, 0 left.\n"
    assert "    images (renamed from photos)\n" in dev("status").stdout
    dev("merge", "--continue")
    assert "images" in dev("summary").stdout


def test_one_name_for_two_arraysets_is_decided_for_both_at_once(dev: Terminal) -> None:
    rename(dev, "dev", "pictures", "photos")
    dev("commit", "-m", "photos")
    dev("checkout", "master")
    dev("arrayset", "create", "photos", "UINT8", "2")
    dev("commit", "-m", "other photos")
    told = dev("merge", "dev", code=3).stdout
    assert "added in ours, theirs has another one of this name; decided together with pictures" in told
    assert "pictures in base, pictures in ours, photos in theirs; decided together with photos" in told
    assert dev("resolve", "photos", "--theirs").stdout == "Resolved 2 conflicts, 0 left.\n"
    dev("merge", "--continue")
    with closing(Repository(dev.directory).checkout()) as reader:
        assert list(reader) == ["photos"]
        assert len(reader["photos"]) > 0
