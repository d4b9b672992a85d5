"""`hangar init`: who the user is, and what happens to a repository that is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hangar_core import Repository

from .conftest import Terminal, needs_pty


def test_init_makes_a_usable_repository_and_says_where_and_for_whom(terminal: Terminal) -> None:
    done = terminal("init", "--name", "Ana Lopez", "--email", "ana@example.org")
    place = terminal.directory / ".hangar"
    assert done.stdout == f"Initialised repository in {place} (user: Ana Lopez <ana@example.org>)\n"
    assert done.stderr.startswith("Next: hangar import")
    repo = Repository(terminal.directory)
    assert (repo.user.name, repo.user.email) == ("Ana Lopez", "ana@example.org")
    assert repo.list_branches() == ["master"]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_init_takes_the_user_from_gits_configuration(terminal: Terminal, tmp_path: Path) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Gil Git\n\temail = gil@example.org\n")
    done = terminal("init", env={"GIT_CONFIG_GLOBAL": str(config)})
    assert "(user: Gil Git <gil@example.org>, from git config)" in done.stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_an_option_wins_over_git(terminal: Terminal, tmp_path: Path) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Gil Git\n\temail = gil@example.org\n")
    done = terminal("init", "--name", "Ana", env={"GIT_CONFIG_GLOBAL": str(config)})
    assert "(user: Ana <gil@example.org>, from git config)" in done.stdout


def test_without_options_git_and_terminal_init_names_the_options(terminal: Terminal) -> None:
    done = terminal("init", code=2, env={"PATH": str(terminal.directory)})
    assert "--name NAME" in done.stderr
    assert "--email EMAIL" in done.stderr
    assert not (terminal.directory / ".hangar").exists()


@pytest.mark.parametrize("words", [["--name", " ", "--email", "a@example.org"], ["--name", "Ana", "--email", ""]])
def test_an_empty_name_or_email_is_a_usage_error(terminal: Terminal, words: list[str]) -> None:
    assert "must not be empty" in terminal("init", *words, code=2).stderr


@needs_pty
def test_on_a_terminal_init_asks_for_what_is_missing(terminal: Terminal) -> None:
    drawn = terminal.look("init", "--name", "Ana", typed="ana@example.org\n")
    assert "Your email address: " in drawn
    assert "(user: Ana <ana@example.org>)" in drawn


def test_init_leaves_an_existing_repository_alone(committed: Terminal) -> None:
    done = committed("init", "--name", "Eve", "--email", "eve@example.org", code=1)
    assert done.stderr.startswith("Error: ")
    assert "exists" in done.stderr
    assert "first pets" in committed("log").stdout


def test_overwrite_begins_anew(committed: Terminal) -> None:
    committed("init", "--name", "Eve", "--email", "eve@example.org", "--overwrite")
    assert committed("log").stdout == ""
    assert committed.json("branch", "list")["branches"] == [{"name": "master", "digest": None}]
