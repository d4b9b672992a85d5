"""docs/plugins.md is a promise: each command and each block of code in it runs, in the order of the page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from .conftest import Terminal

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


class Author:
    """Follows the page in a directory: writes the files it shows, types the commands it shows."""

    def __init__(self, terminal: Terminal, packages: Path) -> None:
        self.terminal = terminal
        self.packages = packages
        paths = [str(packages), *filter(None, [terminal.environment.get("PYTHONPATH")])]
        terminal.environment["PYTHONPATH"] = os.pathsep.join(paths)
        self.typed: list[str] = []

    def follow(self, language: str, text: str) -> None:
        """Do what one block says."""
        if language == "console":
            for line in text.splitlines():
                self.type(line.removeprefix("$ "))
        elif language == "toml":
            tomllib.loads(text)
        elif match := re.match(r"# (\S+\.py)\n", text):
            (self.terminal.directory / match[1]).write_text(text[match.end() :], encoding="utf-8")
        else:
            self.python("-c", text)

    def type(self, line: str) -> None:
        """Type one command."""
        self.typed.append(line)
        program, *words = shlex.split(line)
        if program == "hangar":
            self.terminal(*words)
        elif program == "cd":
            self.terminal.directory /= words[0]
        elif program == "rm":
            (self.terminal.directory / words[0]).unlink()
        elif program == "pytest":
            self.python("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider")
        elif line == "pip install -e '.[test]'":
            # Without network, and into a folder of its own: what an editable installation leaves there is a link.
            options = ["--no-deps", "--no-build-isolation", "--target", self.packages]
            self.python("-m", "pip", "install", "-q", *options, ".")
            module = next(self.packages.glob("hangar_*/__init__.py")).parent
            for path in sorted(module.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            module.rmdir()
            module.symlink_to(self.terminal.directory / "src" / module.name)
        elif program == "pip":
            self.python("-m", "pip", *words, "--no-build-isolation", "-q")
        else:
            assert program == "python"
            self.python(*words)

    def python(self, *words: str | Path) -> None:
        environment = {**self.terminal.environment, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        if "pip" in words:
            del environment["PYTHONWARNINGS"]
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=self.terminal.directory,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_takes_an_author_from_nothing_to_a_package(terminal: Terminal, tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert {language for language, _ in blocks} == {"console", "python", "toml"}
    author = Author(terminal, tmp_path / "packages")
    for language, block in blocks:
        author.follow(language, block)
    assert len(list((terminal.directory / "dist").glob("hangar_sensor-*.whl"))) == 1
    assert "2 channels from 0 to 0" in terminal("view", "days", "int:0").stdout
    assert author.typed.count("pytest") == 2


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target
