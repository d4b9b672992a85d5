"""`hangar diff`: what is staged, and what differs between commits."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest

from hangar_core import Repository

from .conftest import Terminal, make_pictures, needs_pty, picture


@pytest.fixture
def changed(committed: Terminal) -> Terminal:
    """Staged: a picture of each kind of change, a new arrayset, a licence."""
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        pictures = writer.arraysets["pictures"]
        pictures["bird/001"] = picture(7)
        pictures["cat/001"] = picture(8)
        del pictures["cat/002"]
        pictures[10] = picture(9)
        writer.arraysets.init_arrayset("numbers", shape=(4,), dtype=np.dtype("float64"))
        writer.metadata["licence"] = "CC0"
    return committed


def signs(text: str) -> list[str]:
    """Return the lines without their digests and facts."""
    return [line.partition("  ")[0] for line in text.splitlines()]


CHANGES = [
    "+ (schema) numbers",
    "+ pictures int:10",
    "+ pictures bird/001",
    "~ pictures cat/001",
    "- pictures cat/002",
    "+ (metadata) licence",
]


def test_without_arguments_it_shows_what_is_staged(changed: Terminal) -> None:
    shown = changed("diff").stdout
    assert signs(shown) == CHANGES
    facts = {line.split("  ")[0]: line.split("  ")[1] for line in shown.splitlines()}
    assert facts["+ (schema) numbers"] == "float64, 4"
    before = changed.json("view", "pictures", "cat/001")["digest"][:12]
    changed("commit", "-m", "second")
    after = changed.json("view", "pictures", "cat/001")["digest"][:12]
    assert facts["~ pictures cat/001"] == f"{before}..{after}"
    assert facts["+ pictures bird/001"] == changed.json("view", "pictures", "bird/001")["digest"][:12]


def test_with_one_commit_it_is_the_way_to_the_head_and_with_two_the_way_between_them(changed: Terminal) -> None:
    staged = changed("diff").stdout
    changed("tag", "create", "before")
    changed("commit", "-m", "second")
    assert changed("diff", "before").stdout == staged
    assert changed("diff", "HEAD~1", "master").stdout == staged
    back = changed("diff", "master", "before").stdout
    assert sorted(signs(back)) == sorted(line.translate(str.maketrans("+-", "-+")) for line in CHANGES)


def test_nothing_different_is_said_on_stderr_only(committed: Terminal) -> None:
    for words in (["diff"], ["diff", "HEAD"], ["diff", "master", "HEAD", "--stat"]):
        done = committed(*words)
        assert (done.stdout, done.stderr) == ("", "No differences.\n")


def test_one_arrayset_can_be_chosen_and_must_exist_on_a_side(changed: Terminal) -> None:
    assert signs(changed("diff", "--arrayset", "numbers").stdout) == CHANGES[:1]
    assert signs(changed("diff", "--arrayset", "pictures").stdout) == CHANGES[1:5]
    done = changed("diff", "--arrayset", "pictrues", code=4)
    assert done.stderr.startswith("Error: No arrayset `pictrues` on either side.")


def test_stat_counts_by_arrayset(changed: Terminal) -> None:
    assert [line.split() for line in changed("diff", "--stat").stdout.splitlines()] == [
        ["ARRAYSET", "SCHEMA", "ADDED", "DELETED", "MUTATED", "+DATA", "-DATA"],
        ["numbers", "added", "0", "0", "0", "0", "bytes", "0", "bytes"],
        ["pictures", "same", "2", "1", "1", "1.7", "KiB", "1.1", "KiB"],
        ["(metadata)", "-", "1", "0", "0", "-", "-"],
    ]
    document = changed.json("diff", "--stat", "--arrayset", "pictures")
    assert document["version"] == "hangar.diff-stat/1"
    assert document["arraysets"] == [
        {
            "name": "pictures",
            "state": "same",
            "renamed_from": None,
            "samples": {"added": 2, "deleted": 1, "mutated": 1},
            "bytes": {"added": 3 * 576, "removed": 2 * 576},
        }
    ]
    assert document["metadata"] is None


def test_json_has_every_change_with_digests_in_full(changed: Terminal) -> None:
    document = changed.json("diff")
    head = changed.json("log")["head"]
    assert (document["version"], document["old"], document["new"]) == ("hangar.diff/1", head, None)
    rows = document["changes"]
    assert [(row["what"], row["kind"], row["arrayset"], row["key"]) for row in rows] == [
        ("schema", "added", "numbers", None),
        ("sample", "added", "pictures", 10),
        ("sample", "added", "pictures", "bird/001"),
        ("sample", "mutated", "pictures", "cat/001"),
        ("sample", "deleted", "pictures", "cat/002"),
        ("metadata", "added", None, "licence"),
    ]
    assert rows[0]["old"] is None
    assert rows[0]["new"]["dtype"] == "float64"
    assert rows[3]["old"] == changed.json("view", "pictures", "cat/001")["digest"]
    assert rows[4]["new"] is None
    changed("commit", "-m", "second")
    between = changed.json("diff", head[:10], "HEAD")
    assert between["changes"] == rows
    assert (between["old"], between["new"]) == (head, changed.json("log")["head"])


def test_many_changes_come_out_whole(committed: Terminal) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        numbers = writer.arraysets.init_arrayset("numbers", shape=(1,), dtype=np.dtype("int64"))
        numbers.update((f"{n:04}", np.array([n])) for n in range(1000))
    assert len(committed("diff").stdout.splitlines()) == 1001
    assert len(committed.json("diff")["changes"]) == 1001
    assert len(committed("diff", "--json").stdout.splitlines()) == 1


def test_another_schema_shows_both(committed: Terminal) -> None:
    committed("arrayset", "remove", "pictures")
    committed("arrayset", "create", "pictures", "FLOAT32", "2", "--variable-shape")
    first = committed("diff").stdout.splitlines()[0]
    assert first == "~ (schema) pictures  uint8, 12x16x3 -> float32, variable, max 2"


def test_an_unknown_commit_is_not_found(committed: Terminal) -> None:
    for words in (["nope"], ["HEAD", "nope"]):
        assert "No expanded commit hash found" in committed("diff", *words, code=4).stderr


def test_an_empty_repository_can_be_compared_with_what_is_staged(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    hangar("import", "pictures", "photos")
    assert len(hangar("diff").stdout.splitlines()) == 4
    assert hangar.json("diff")["old"] is None


@needs_pty
def test_on_a_terminal_changes_have_colours_and_json_a_line_each(changed: Terminal) -> None:
    shown = changed.look("diff")
    assert shown.startswith("\x1b[32m")
    assert "\x1b" not in changed.look("diff", NO_COLOR="1")
    drawn = changed.look("diff", "--json")
    assert len(drawn.splitlines()) == len(CHANGES) + 2
    assert json.loads(drawn) == changed.json("diff")


def test_a_rename_is_one_line_and_only_changed_samples_follow(committed: Terminal) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.arraysets.rename("pictures", "photos")["cat/001"] = picture(8)
    shown = committed("diff").stdout
    assert signs(shown) == ["~ (schema) photos", "~ photos cat/001"]
    assert shown.splitlines()[0].endswith("(renamed from pictures)")
    assert committed("diff", "--arrayset", "pictures").stdout == shown
    schema, sample = committed.json("diff")["changes"]
    assert (schema["kind"], schema["arrayset"], schema["renamed_from"]) == ("mutated", "photos", "pictures")
    assert (sample["kind"], sample["arrayset"], "renamed_from" in sample) == ("mutated", "photos", False)
    assert "photos    renamed from pictures  0      0        1" in committed("diff", "--stat").stdout
    (row,) = committed.json("diff", "--stat")["arraysets"]
    assert (row["name"], row["state"], row["renamed_from"]) == ("photos", "mutated", "pictures")
    (staged,) = committed.json("status")["arraysets"]
    assert (staged["name"], staged["renamed_from"]) == ("photos", "pictures")
    committed("commit", "-m", "photos")
    assert [one["kind"] for one in committed.json("history", "photos", "cat/001")["changes"]] == ["mutated", "added"]


def test_show_draws_both_versions_of_a_changed_sample_side_by_side(changed: Terminal) -> None:
    shown = changed("diff", "--show").stdout
    assert "\x1b" not in shown
    lines = shown.splitlines()
    assert lines == [line.rstrip() for line in lines]
    at = next(number for number, line in enumerate(lines) if line.startswith("~ pictures cat/001"))
    heading = lines[at + 1]
    assert heading.startswith("old: uint8 12x16x3   digest ")
    assert "new: uint8 12x16x3   digest " in heading
    half = heading.index("new:")
    drawing = lines[at + 3 : at + 3 + 6]  # a cell is two pixels high
    assert all(line[:half].strip() and line[half:].strip() for line in drawing)
    assert lines[at + 9].startswith("- pictures cat/002")
    assert signs("\n".join(line for line in lines if line[:2] in ("+ ", "- ", "~ "))) == CHANGES
    changed("commit", "-m", "second")
    between = changed("diff", "--show", "HEAD~1", "master")
    assert (between.stdout, between.stderr) == (shown, "")
    assert "old: uint8" not in changed("diff", "HEAD~1", "HEAD").stdout


def test_show_is_bounded_and_says_so(committed: Terminal) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        for number, name in enumerate(("cat/001", "cat/002", "dog/001")):
            writer.arraysets["pictures"][name] = picture(20 + number)
    done = committed("diff", "--show", "2")
    assert done.stdout.count("old: ") == 2
    assert len(signs(done.stdout)) > 3
    assert done.stderr == "2 of 3 changed samples shown; all: --show 3\n"
    changes = committed.json("diff", "--show=1")["changes"]
    assert ["shown" in row for row in changes] == [True, False, False]
    assert changes[0]["shown"]["new"]["digest"] == changes[0]["new"]
    assert changes[0]["shown"]["old"]["minimum"] == int(picture(0).min())
    assert "--show" in committed("diff", "--show", "0", code=2).stderr
    assert "choose one" in committed("diff", "--show", "--stat", code=2).stderr
    assert committed("diff", "--show", "HEAD", "HEAD").stderr == "No differences.\n"


def test_show_knows_tables_text_and_samples_in_samples_and_arraysets_with_another_name(committed: Terminal) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        tables = writer.arraysets.init_arrayset("tables", shape=(2, 2), dtype=np.dtype("float64"))
        tables["a"] = np.array([[1.5, 2.5], [3.5, 4.5]])
        writer.add_str_arrayset("words")["a"] = "before\x1b[31m"
        nested = writer.arraysets.init_arrayset("nested", shape=(3,), dtype=np.dtype("int16"), contains_subsamples=True)
        nested["day"] = {"left": np.array([1, 2, 3], np.int16)}
        writer.commit("all kinds")
        writer.arraysets["tables"]["a"] = np.array([[1.5, 2.5], [3.5, 99.5]])
        writer.arraysets["words"]["a"] = "after"
        writer.arraysets["nested"]["day"] = {"left": np.array([1, 2, 77], np.int16)}
        writer.arraysets.rename("pictures", "photos")["cat/001"] = picture(8)
    shown = committed("diff", "--show").stdout
    assert "\x1b" not in shown
    assert any("4.5" in line and "99.5" in line for line in shown.splitlines())
    assert any("before\\x1b[31m" in line and "after" in line for line in shown.splitlines())
    assert any("1, 2, 3" in line and "1, 2, 77" in line for line in shown.splitlines())
    assert shown.count("uint8 12x16x3") == 2


@needs_pty
def test_on_a_terminal_both_versions_of_a_picture_are_half_blocks(changed: Terminal) -> None:
    drawn = changed.look("diff", "--show", "1")
    assert any(line.count("\u2580") == 32 for line in drawn.splitlines())
