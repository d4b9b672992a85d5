"""`hangar import`: what goes in, what is refused, what is said about it, and that Ctrl-C leaves nothing half-done."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository

from .conftest import Terminal, make_pictures, needs_pty, picture

InstallPlugin = Callable[[str, str], None]

# Yields rows slowly, and tells a test that it has begun.
SLOW = """
import time
from pathlib import Path
import numpy as np
from hangar_core.external import BasePlugin


class Plugin(BasePlugin):
    def __init__(self):
        super().__init__(provides=["load"], accepts=["slow"])

    def load(self, fpath, **options):
        for number in range(int(Path(fpath).read_text())):
            yield np.full(3, number), f"{Path(fpath).stem}-row{number}"
            Path("begun").touch()
            time.sleep(0.05)
"""

# Returns the options it was given, as text that the test can find again.
ECHO = """
import numpy as np
from hangar_core.external import BasePlugin


class Plugin(BasePlugin):
    def __init__(self):
        super().__init__(provides=["load"], accepts=["echo"])

    def load(self, fpath, **options):
        for name in sorted(options):
            assert isinstance(options[name], str)
            yield np.zeros(1), f"{name} is {options[name]}"
"""


def keys(terminal: Terminal, arrayset: str) -> list[str | int]:
    """Return the sample names that are staged."""
    with closing(Repository(terminal.directory).checkout(write=True)) as writer:
        return sorted(writer.arraysets[arrayset].keys(), key=str)


# --- what goes in -----------------------------------------------------------------------------------------------------


def test_a_directory_becomes_samples_named_by_their_path(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    done = hangar("import", "pictures", "photos")
    assert keys(hangar, "pictures") == ["cat/001", "cat/002", "dog/001"]
    with closing(Repository(hangar.directory).checkout(write=True)) as writer:
        np.testing.assert_array_equal(writer.arraysets["pictures"]["cat/002"], picture(1))
    assert "3 files" in done.stdout
    assert "image 3" in done.stdout
    assert "added 3, updated 0, unchanged 0" in done.stdout
    assert done.stdout.splitlines()[-1] == 'Next: hangar commit -m "MESSAGE"'
    assert done.stderr == ""


def test_of_many_samples_the_receipt_says_how_fast_they_came(hangar: Terminal) -> None:
    (hangar.directory / "rows.csv").write_text("a,b\n" + "1,2\n" * 1_500)
    line = next(one for one in hangar("import", "rows", "rows.csv").stdout.splitlines() if one.startswith("Import"))
    assert re.fullmatch(r"Import    added 1,500, .* of data, [0-9.]+ s, [0-9,]+ samples/s\)", line)


def test_the_arrayset_is_created_with_the_schema_that_the_files_ask_for(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    shown = hangar("import", "pictures", "photos").stdout
    assert "pictures" in shown
    assert "created: uint8, 12x16x3" in " ".join(shown.split()) or "created: uint8, variable, max" in shown


def test_data_are_staged_not_committed(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    hangar("import", "pictures", "photos")
    assert hangar.json("status")["clean"] is False
    assert hangar("log").stdout == ""


def test_several_paths_are_taken(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "cats", names=("a", "b"))
    make_pictures(hangar.directory / "dogs", names=("c",))
    assert hangar.json("import", "pictures", "cats", "dogs/c.png")["added"] == 3


def test_importing_the_same_again_changes_nothing(committed: Terminal) -> None:
    done = committed("import", "pictures", "photos")
    assert "added 0, updated 0, unchanged 3" in done.stdout
    assert committed.json("status")["clean"] is True


def test_json_is_the_receipt(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    receipt = hangar.json("import", "pictures", "photos")
    seconds = receipt.pop("seconds")
    assert 0 <= seconds < 60
    assert receipt.pop("bytes") == sum(path.stat().st_size for path in (hangar.directory / "photos").rglob("*.png"))
    schema = receipt.pop("schema")
    assert (schema["dtype"], schema["shape"], schema["named"]) == ("uint8", [12, 16, 3], True)
    assert receipt == {
        "version": "hangar.import/1",
        "arrayset": "pictures",
        "branch": "master",
        "added": 3,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
        "kept": [],
        "ignored": [],
        "ignored_count": 0,
        "quarantined": 0,
        "rejects": [],
        "schema_created": True,
        "arraysets": {"pictures": schema},
        "created": ["pictures"],
        "plugins": {"image": 3},
        "files": 3,
        "originals": 3,
        "commit": None,
    }


def test_another_branch_can_be_imported_to(committed: Terminal) -> None:
    committed("branch", "create", "dev")
    make_pictures(committed.directory / "more", names=("bird/001",))
    assert committed.json("import", "pictures", "more", "--branch", "dev")["branch"] == "dev"
    assert committed.json("status")["branch"] == "dev"


def test_an_unknown_branch_is_refused_in_the_documented_words(committed: Terminal) -> None:
    done = committed("import", "pictures", "photos", "--branch", "nope", code=4)
    assert done.stderr.endswith("Branch name: nope does not exist, Exiting.\n")
    assert done.stdout == ""


# --- samples that exist -----------------------------------------------------------------------------------------------


def change_picture(terminal: Terminal) -> None:
    Image.fromarray(picture(99)).save(terminal.directory / "photos/cat/001.png")


def test_a_sample_with_other_content_is_kept_and_reported(committed: Terminal) -> None:
    change_picture(committed)
    make_pictures(committed.directory / "photos", names=("cat/001x",))
    done = committed("import", "pictures", "photos", code=5)
    assert "added 1, updated 0" in done.stdout
    assert "Kept" in done.stdout
    assert "cat/001" in done.stdout.split("Kept")[1]
    assert "--overwrite" in done.stdout
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        np.testing.assert_array_equal(writer.arraysets["pictures"]["cat/001"], picture(0))


def test_kept_samples_are_in_the_receipt(committed: Terminal) -> None:
    change_picture(committed)
    receipt = committed.json("import", "pictures", "photos", code=5)
    [kept] = receipt["kept"]
    assert set(kept) == {"code", "source", "message", "fix"}
    assert (receipt["added"], receipt["updated"], receipt["unchanged"]) == (0, 0, 2)


def test_overwrite_replaces_them(committed: Terminal) -> None:
    change_picture(committed)
    assert committed.json("import", "pictures", "photos", "--overwrite")["updated"] == 1
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        np.testing.assert_array_equal(writer.arraysets["pictures"]["cat/001"], picture(99))


# --- what is refused --------------------------------------------------------------------------------------------------


def broken_folder(terminal: Terminal) -> Path:
    """Five files, two of them no pictures."""
    folder = terminal.directory / "photos"
    make_pictures(folder)
    whole = (folder / "cat/001.png").read_bytes()
    (folder / "cat/cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog/empty.png").write_bytes(b"")
    return folder


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_staged(hangar: Terminal) -> None:
    broken_folder(hangar)
    done = hangar("import", "pictures", "photos", code=1)
    talk = done.stderr.splitlines()
    assert "cat/cut.png: " in talk[0]
    assert "dog/empty.png: " in talk[1]
    assert all(line.startswith("  ") and line.endswith(")") for line in talk[:2])
    assert talk[2] == "Error: 2 of 5 files rejected. Nothing was staged."
    assert talk[3:] == ["Hint: mend or remove them and run the same command again"]
    assert done.stdout == ""
    assert hangar.json("status")["clean"] is True


def test_rejects_are_in_the_json_too(hangar: Terminal) -> None:
    broken_folder(hangar)
    receipt = hangar.json("import", "pictures", "photos", code=1)
    assert receipt["version"] == "hangar.import/1"
    assert (receipt["added"], receipt["rejected"], receipt["files"]) == (0, 2, 5)
    assert all(set(reject) == {"code", "source", "message", "fix"} for reject in receipt["rejects"])
    assert {reject["code"] for reject in receipt["rejects"]} >= {"empty"}
    make_pictures(hangar.directory / "good")
    assert set(hangar.json("import", "pictures", "good")) == set(receipt)


def test_a_file_that_no_plugin_takes_is_never_skipped_silently(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    (hangar.directory / "photos/notes.xyz").write_text("hello")
    done = hangar("import", "pictures", "photos", code=1)
    assert "notes.xyz: No plugins found for the file extension xyz that could do load (" in done.stderr
    assert "Error: 1 of 4 files rejected. Nothing was staged." in done.stderr


def test_a_hidden_file_is_ignored_with_its_reason(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    (hangar.directory / "photos/.DS_Store").write_text("hello")
    shown = hangar("import", "pictures", "photos").stdout
    ignored = shown.split("Ignored")[1]
    assert ".DS_Store: its name begins with a dot (" in ignored
    [again] = hangar.json("import", "pictures", "photos")["ignored"]
    assert again["code"] == "hidden"


def test_a_missing_path_is_a_usage_error_in_the_documented_words(hangar: Terminal) -> None:
    done = hangar("import", "pictures", "nowhere", code=2)
    assert "Invalid value for 'PATH': Path 'nowhere' does not exist." in done.stderr


def test_without_a_path_nothing_can_be_imported(hangar: Terminal) -> None:
    assert "Missing argument" in hangar("import", "pictures", code=2).stderr


def test_the_extension_is_everything_behind_the_first_dot(hangar: Terminal) -> None:
    (hangar.directory / "a.ext.bz2").write_bytes(b"x")
    done = hangar("import", "pictures", "a.ext.bz2", code=1)
    assert done.stderr.endswith("No plugins found for the file extension ext.bz2 that could do load\n")


def test_an_unknown_plugin_is_refused_in_the_documented_words(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    done = hangar("import", "pictures", "photos", "--plugin", "nope", code=1)
    assert done.stderr.endswith("Plugin nope not found\n")


def test_an_invalid_arrayset_name_is_refused(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    done = hangar("import", "two words", "photos", code=1)
    assert "Error: Arrayset name provided: `two words` is invalid." in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="such file names do not exist there")
@pytest.mark.parametrize("name", [b"evil\x1b[2J.png", b"two\nlines.png", b"latin\xff.png"])
def test_a_file_name_cannot_steer_the_terminal(hangar: Terminal, name: bytes) -> None:
    make_pictures(hangar.directory / "photos")
    source = hangar.directory / "photos/cat/001.png"
    os.rename(source, os.fsencode(source.parent) + b"/" + name)
    done = hangar("import", "pictures", "photos", code=1)
    printed = done.stdout + done.stderr
    assert "\x1b" not in printed
    assert len(done.stderr.splitlines()) == 3, printed  # the file, the error, the hint
    assert "\\" in printed


# --- plugins and their options ----------------------------------------------------------------------------------------


def test_unknown_options_go_to_the_plugin_as_text(hangar: Terminal, strangers_plugin: InstallPlugin) -> None:
    strangers_plugin("echo", ECHO)
    (hangar.directory / "a.echo").write_text("x")
    hangar("import", "echoes", "--row-limit", "7", "a.echo", "--sep=;", "--offset", "-1")
    found = " ".join(map(str, keys(hangar, "echoes")))
    assert "row_limit is 7" in found
    assert "sep is ;" in found
    assert "offset is -1" in found


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--limit"], "--limit VALUE"),
        (["--limit", "--other", "1"], "--limit VALUE"),
        (["--limit", "1", "--limit", "2"], "twice"),
        (["--1st", "x"], "No such option '--1st'"),
        (["-x", "1"], "No such option"),
        (["word"], "Path 'word' does not exist"),
    ],
)
def test_what_is_no_pair_is_a_usage_error(hangar: Terminal, words: list[str], text: str) -> None:
    make_pictures(hangar.directory / "photos")
    assert text in hangar("import", "pictures", "photos", *words, code=2).stderr


def test_an_option_that_the_plugin_does_not_have_is_refused(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    done = hangar("import", "pictures", "photos", "--plugn", "image", code=2)
    assert "has no option `plugn`" in done.stderr
    assert "Did you mean --plugin?" in done.stderr
    assert hangar.json("status")["clean"] is True


def test_behind_two_dashes_everything_is_a_path(hangar: Terminal) -> None:
    make_pictures(hangar.directory, names=("--odd",))
    assert "added 1," in hangar("import", "pictures", "--", "--odd.png").stdout


def test_a_plugin_that_fails_is_named(hangar: Terminal, strangers_plugin: InstallPlugin) -> None:
    strangers_plugin("crash", ECHO.replace('"echo"', '"crash"').replace("for name in", "1 / 0\n        for name in"))
    (hangar.directory / "a.crash").write_text("x")
    talk = hangar("import", "echoes", "a.crash", code=1).stderr
    assert "crash" in talk
    assert "Traceback" not in talk


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_leaves_a_clean_repository_and_exit_code_130(hangar: Terminal, strangers_plugin: InstallPlugin) -> None:
    strangers_plugin("slow", SLOW)
    (hangar.directory / "a.slow").write_text("10000")
    process = hangar.start("import", "rows", "a.slow")
    until = time.monotonic() + 60
    while not (hangar.directory / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == "Interrupted. Nothing half-written. Run the same command again.\n"
    assert out == ""
    assert hangar.json("status")["clean"] is True
    (hangar.directory / "a.slow").write_text("2")
    assert hangar.json("import", "rows", "a.slow")["added"] == 2  # the lock is free, the same command works


# --- progress ---------------------------------------------------------------------------------------------------------


@needs_pty
def test_on_a_terminal_a_bar_is_drawn_and_taken_away(hangar: Terminal, strangers_plugin: InstallPlugin) -> None:
    strangers_plugin("slow", SLOW)
    (hangar.directory / "many").mkdir()
    for number in range(8):
        (hangar.directory / f"many/{number}.slow").write_text("2")
    drawn = hangar.look("import", "rows", "many")
    assert re.search(r"Import .*\d/8", drawn)
    last = drawn.rpartition("\x1b[2K")[2]  # behind the erasure of the bar's line
    assert last.startswith("Plan ")
    assert "added 16" in last


def test_progress_lines_come_now_and_then_when_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """A long import into a log: the clock is passed in, so nobody waits."""
    from hangar_cli.progress import LineNowAndThen
    from hangar_core.reports import Progress

    now = 0.0
    report = LineNowAndThen("Import", clock=lambda: now)
    for second in range(12):
        now = float(second)
        report(Progress(done=second * 1000, total=12000, what="evil\x1b.png"))
    assert capsys.readouterr().err.splitlines() == [
        "Import 5,000/12,000 evil\\x1b.png",
        "Import 10,000/12,000 evil\\x1b.png",
    ]
