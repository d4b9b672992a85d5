"""Pages of the documentation as sessions: files are written, commands are typed, and what they print is compared."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / "docs"


class Typed(NamedTuple):
    """A line that was typed, what the page says to it (nothing: whatever comes), and what it printed."""

    line: str
    promised: str
    printed: str


def carry_out(page: str, place: Path, **environment: str) -> list[Typed]:
    """Do all that a page tells, one block after another, in an empty folder; every command must succeed."""
    text = (DOCS / page).read_text("utf-8")
    said = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            name = re.match(r"# (\S+\.py)\n", block)
            assert name is not None
            (place / name[1]).write_text(block, encoding="utf-8")
        else:
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, _, promised = part.partition("\n")
                said.append(Typed(line, promised, _type(line, place, environment)))
    return said


def check(said: list[Typed]) -> None:
    """Compare what was printed with what the page says; `...` there is anything."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for line, promised, printed in said:
        if promised.strip():
            assert doctest.OutputChecker().check_output(promised, printed, flags), f"{line}\n{printed}"


def _type(line: str, place: Path, environment: dict[str, str]) -> str:
    program, *words = shlex.split(line)
    known = {"python": [sys.executable], "hangar": [sys.executable, "-m", "hangar_cli"], "git": ["git"]}
    done = subprocess.run(
        known[program] + words,
        cwd=place,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
