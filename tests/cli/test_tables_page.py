"""docs/tables.md is a promise: its commands run in the order of the page, and print what it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from .conftest import Terminal

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def steps(text: str) -> list[tuple[str, list[str]]]:
    """Return each command of a console block with the lines that stand below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def matches(shown: list[str], printed: str) -> bool:
    """Whether the page shows what was printed; ``...`` stands for anything, alone on a line for any lines."""
    pattern = "\n".join(".*" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) for line in shown)
    return re.fullmatch(pattern, printed.strip("\n"), re.DOTALL) is not None


def test_the_page_about_tables_is_true(hangar: Terminal) -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    table = hangar.directory / "data.csv"
    code = 0
    for language, text in blocks:
        if not language:
            # A row that is mended takes the place of the last one; a header begins a new table.
            before = "" if text.startswith("date") else table.read_text().rpartition("\n2026")[0] + "\n"
            table.write_text(before + text, encoding="utf-8")
            continue
        for command, shown in steps(text):
            if command == "echo $?":
                assert shown == [str(code)]
                continue
            program, *words = shlex.split(command)
            assert program == "hangar"
            done = subprocess.run(
                hangar.command(*words), cwd=hangar.directory, env=hangar.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120,
            )  # fmt: skip
            code = done.returncode
            assert matches(shown, done.stdout), f"{command}\n{done.stdout}"
    exported = (hangar.directory / "prices.open.csv").read_text()
    assert [line.rpartition(",")[2] for line in exported.splitlines()[-4:]] == ["1.5", "2.5", "3.0", "4.0"]
