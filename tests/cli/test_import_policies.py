"""`hangar import` with choices: plans, policies, names, commits; and docs/import.md, whose examples run."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hangar_core import Repository

from .conftest import Terminal, make_pictures

GUIDE = Path(__file__).parents[2] / "docs" / "import.md"

KEYED = """
import numpy as np
from hangar_core.external import BasePlugin


class Plugin(BasePlugin):
    def __init__(self):
        super().__init__(provides=["load"], accepts=["keyed"])

    def load(self, fpath, *, key="row"):
        return np.zeros(2), f"{key} of the plugin"
"""

SLOW = """
import time
from pathlib import Path

import numpy as np
from hangar_core.external import BasePlugin


class Plugin(BasePlugin):
    def __init__(self):
        super().__init__(provides=["load"], accepts=["slow"])

    def load(self, fpath, **options):
        Path(f"begun-{Path(fpath).stem}").touch()
        time.sleep(float(Path(fpath).read_text()))
        return np.zeros(2), self.sample_name(fpath)
"""


@pytest.fixture
def mixed(hangar: Terminal) -> Terminal:
    """Three pictures and a file that is none."""
    make_pictures(hangar.directory / "photos")
    (hangar.directory / "photos/cat/empty.png").write_bytes(b"")
    return hangar


@pytest.mark.parametrize("policy", ["skip", "quarantine"])
def test_some_rejected_and_the_rest_staged_is_exit_code_5(mixed: Terminal, policy: str) -> None:
    done = mixed("import", "pets", "photos", "--on-error", policy, code=5)
    assert "added 3, updated 0" in done.stdout
    rejected = done.stdout.split("Rejected")[1]
    assert "1 file:" in rejected
    assert "cat/empty.png: " in rejected
    again = mixed.json("import", "pets", "photos", "--on-error", policy, code=5 if policy == "skip" else 0)
    assert (again["unchanged"], again["rejected"], again["quarantined"]) == (
        (3, 1, 0) if policy == "skip" else (3, 0, 1)
    )


def test_quarantine_is_named_with_the_command_that_tries_it_again(mixed: Terminal) -> None:
    mixed("import", "pets", "photos", "--on-error", "quarantine", code=5)
    shown = mixed("import", "pets", "photos").stdout
    assert "Left out  1 file in quarantine, tried again with: hangar import pets --retry-quarantined" in shown
    (mixed.directory / "photos/cat/empty.png").write_bytes((mixed.directory / "photos/cat/001.png").read_bytes())
    assert mixed.json("import", "pets", "--retry-quarantined")["added"] == 1


def test_too_many_rejects_are_exit_code_1(mixed: Terminal) -> None:
    done = mixed("import", "pets", "photos", "--on-error", "skip", "--max-errors", "0", code=1)
    assert "more than the 0 allowed: the import stopped" in done.stderr


def test_a_dry_run_prints_the_plan_and_writes_nothing(mixed: Terminal) -> None:
    shown = mixed("import", "pets", "photos", "--labels-from-parent", "--dry-run").stdout
    lines = shown.splitlines()
    assert lines[0].startswith("Plan      4 files to read")
    assert "png 4" in lines[0]
    assert "Arrayset  pets   uint8, 12x16x3   (from 4 sampled files)" in lines
    assert "Labels    2 classes: cat 3 · dog 1" in lines
    assert "cat/empty.png: " in shown
    assert lines[-1] == "Nothing written. Run again without --dry-run."
    plan = mixed.json("import", "pets", "photos", "--dry-run")
    assert plan["version"] == "hangar.import-plan/1"
    assert [reject["code"] for reject in plan["rejects"]] == ["empty"]
    assert mixed.json("status")["clean"] is True


def test_a_dry_run_tells_what_is_in_a_table(hangar: Terminal) -> None:
    """The whole file counts, not its first rows; nothing of it is staged."""
    with (hangar.directory / "data.csv").open("w") as file:
        file.write("date;open;volume;note\n")
        for row in range(10_000):
            opened = "nan" if row in (0, 6, 9_000) else f"{row}.5"
            volume = f"{row}.25" if row == 8_122 else str(row)
            file.write(f"d{row};{opened if opened != 'nan' else ''};{volume};{'' if row % 25 else 'noted'}\n")
    asked = ("import", "prices", "data.csv", "--plugin", "csv", "--key", "date", "--dry-run")
    lines = hangar(*asked).stdout.splitlines()
    assert lines[1:6] == [
        "Table     data.csv   10,000 rows   utf-8   sep ';'",
        "  date     key        text      unique ✔",
        "  open     arrayset   float64   3 empty → NaN",
        "  volume   arrayset   float64   (int64 until row 8,122, promoted)",
        "  note     arrayset   text      96 % empty",
    ]
    table = hangar.json(*asked)["tables"]["data.csv"]
    assert {name: table[name] for name in table if name != "fields"} == {
        "rows": 10_000, "encoding": "utf-8", "separator": ";", "joined": False,
    }  # fmt: skip
    date, opened, volume, note = table["fields"]
    assert date == {"name": "date", "dtype": "text", "key": True, "empty": 0, "unique": True, "widened": None}
    assert (opened["empty"], note["empty"], volume["widened"]) == (3, 9_600, {"from": "int64", "row": 8_122})
    assert hangar.json("status")["clean"] is True


def test_a_dry_run_tells_of_a_table_of_numbers_and_of_a_key_that_is_there_twice(hangar: Terminal) -> None:
    (hangar.directory / "plain.csv").write_text("a,b\n1,2\n3,4\n")
    lines = hangar("import", "numbers", "plain.csv", "--dry-run").stdout.splitlines()
    assert lines[1:4] == [
        "Table     plain.csv   2 rows   utf-8   sep ','",
        "  a   column   int64",
        "  b   column   int64",
    ]
    (hangar.directory / "twice.csv").write_text("a,b\nx,2\nx,4\n")
    lines = hangar("import", "numbers", "twice.csv", "--key", "a", "--dry-run").stdout.splitlines()
    assert lines[2].split() == ["a", "key", "text", "not", "unique", "✘"]


def test_commit_says_its_digest_and_happens_only_for_a_change(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    digest = hangar.json("import", "pets", "photos", "--commit", "nightly {date}")["commit"]
    assert re.search(r"nightly \d{4}-\d\d-\d\d", hangar("log").stdout)
    assert digest is not None
    # As scripts that say it in full do; folders are taken with their subfolders in any case.
    again = hangar.json("import", "pets", "photos", "-r", "--commit", "nightly {date}")
    assert (again["commit"], again["unchanged"]) == (None, 3)


def test_a_key_that_is_none_of_ours_goes_to_the_plugin(
    hangar: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("keyed", KEYED)
    (hangar.directory / "a.keyed").write_text("x")
    hangar("import", "rows", "a.keyed", "--key", "date")
    with closing(Repository(hangar.directory).checkout(write=True)) as writer:
        assert list(writer.arraysets["rows"].keys()) == ["date of the plugin"]
    make_pictures(hangar.directory / "photos")
    assert "option `key`" in hangar("import", "pets", "photos", "--key", "pth", code=2).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_says_how_far_it_came_and_the_same_command_goes_on(
    hangar: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("slow", SLOW)
    (hangar.directory / "many").mkdir()
    for number in range(4):
        (hangar.directory / f"many/{number}.slow").write_text("600" if number == 3 else "0")
    process = hangar.start("import", "rows", "many", "--on-error", "skip")
    until = time.monotonic() + 60
    while not (hangar.directory / "begun-3").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.fullmatch(r"Interrupted at 3/4\. Nothing half-written\. Run the same command to go on\.\n", err)
    (hangar.directory / "many/3.slow").write_text("0")
    receipt = hangar.json("import", "rows", "many", "--on-error", "skip")
    assert receipt["added"] + receipt["unchanged"] == 4


# --- docs/import.md ---------------------------------------------------------------------------------------------------


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_commands_and_the_python_of_the_guide_run(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    for line in "".join(_blocks("console")).splitlines():
        program, *words = shlex.split(line.removeprefix("$ "))
        assert program == "hangar"
        hangar(*words)
    assert len(hangar.json("log")["commits"]) == 1
    [code] = _blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=hangar.directory,
        env=hangar.environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "3 {'png': 3} (12, 16, 3)\n0 3 None\n"


def test_the_guide_lists_the_codes_that_an_import_gives_itself() -> None:
    documented = set(re.findall(r"`([a-z-]+)`", GUIDE.read_text(encoding="utf-8").split("## Codes")[1]))
    source = Path(__file__).parents[2] / "hangar_core" / "ingest"
    text = "".join(path.read_text(encoding="utf-8") for path in source.glob("*.py"))
    given = set(re.findall(r'(?:\.reject\(|Misfit\(|Reject\([\w.() ]+, |code=)\s*"([a-z-]+)"', text))
    assert given - documented == set()
    assert {"collision", "dtype", "worker-crashed", "link"} <= given
