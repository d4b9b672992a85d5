"""The command itself: overview, version, usage errors, exit codes, quiet pipes."""

from __future__ import annotations

import subprocess

import pytest
from click.testing import CliRunner

from hangar_cli.main import COMMANDS, main
from hangar_core import __version__

from .conftest import Terminal

DOCUMENTED = {
    "arrayset": "Operations for working with arraysets in the writer checkout.",
    "checkout": "Checkout writer head branch at BRANCHNAME.",
    "commit": "Commits outstanding changes.",
    "import": "Import file or directory of files at PATH to ARRAYSET in the staging area.",
    "init": "Initialize an empty repository at the current path.",
    "log": "Display commit graph starting at STARTPOINT (short-digest or name).",
    "status": "Display changes made in the staging area compared to its base commit.",
    "summary": "Display content summary at STARTPOINT (short-digest or branch).",
    "view": "Use a plugin to view the data of some SAMPLE in ARRAYSET at STARTPOINT.",
}


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_and_succeeds(terminal: Terminal, words: list[str]) -> None:
    shown = terminal(*words).stdout
    assert shown.startswith("Usage: hangar ")
    assert "--version" in shown
    assert "--help" in shown
    for name, entry in COMMANDS.items():
        assert f"\n  {name} " in shown
        assert entry.help in " ".join(shown.split())


def test_the_overview_uses_the_documented_lines() -> None:
    assert {name: COMMANDS[name].help for name in DOCUMENTED} == DOCUMENTED


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_overview_is_the_first_line_of_the_commands_own_help(name: str) -> None:
    own = CliRunner().invoke(main, [name, "--help"]).output
    assert COMMANDS[name].help in " ".join(own.split())


def test_version_ends_with_the_version_of_the_package(terminal: Terminal) -> None:
    assert terminal("--version").stdout.rstrip().endswith(f", version {__version__}")


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["stauts"], "'status'"),
        (["branch", "lst"], "'list'"),
        (["--verson"], "--version"),
        (["status", "--jsno"], "--json"),
        (["import", "pictures", ".", "--overwrit"], "--overwrite"),
        (["export", "pictures", "--fromat"], "--format"),
        (["cherrypick"], "'cherry-pick'"),
        (["merge", "--abrot"], "--abort"),
    ],
)
def test_a_mistyped_word_is_a_usage_error_that_names_the_right_one(
    terminal: Terminal, words: list[str], suggestion: str
) -> None:
    done = terminal(*words, code=2)
    assert "Did you mean" in done.stderr
    assert suggestion in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("section", ["branch", "arrayset", "stash", "tag", "plugins"])
def test_a_section_alone_shows_its_commands(terminal: Terminal, section: str) -> None:
    assert f"Usage: hangar {section} " in terminal(section).stdout


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["log"],
        ["summary"],
        ["branch", "list"],
        ["branch", "create", "dev"],
        ["checkout", "master"],
        ["commit", "-m", "x"],
        ["arrayset", "create", "a", "UINT8", "3"],
        ["arrayset", "remove", "a"],
        ["import", "a", "."],
        ["export", "a"],
        ["view", "a", "s"],
        ["diff"],
        ["merge", "dev"],
        ["merge", "--continue"],
        ["merge", "--abort"],
        ["resolve", "a", "--ours"],
        ["cherry-pick", "dev"],
        ["revert", "HEAD"],
        ["reset"],
        ["stash", "save"],
        ["stash", "list"],
        ["stash", "pop"],
        ["stash", "drop"],
        ["tag", "create", "v1"],
        ["tag", "list"],
        ["tag", "delete", "v1"],
        ["branch", "delete", "dev"],
        ["branch", "rename", "dev", "new"],
        ["reflog"],
        ["repair"],
        ["history", "a", "s"],
        ["why", "a", "s"],
    ],
)
def test_without_a_repository_each_command_says_how_to_make_one(terminal: Terminal, words: list[str]) -> None:
    done = terminal(*words, code=4)
    assert done.stderr.startswith("Error: No hangar repository at ")
    assert "hangar init" in done.stderr
    assert done.stdout == ""


def test_only_the_current_directory_is_searched(hangar: Terminal) -> None:
    (hangar.directory / "below").mkdir()
    hangar("status", code=4, cwd=hangar.directory / "below")


def test_a_reader_that_closes_the_pipe_early_is_no_error_to_talk_about(hangar: Terminal) -> None:
    process = subprocess.Popen(
        hangar.command("--help"),
        cwd=hangar.directory,
        env=hangar.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    talk = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert talk == b""


def test_what_the_output_cannot_encode_is_escaped_instead_of_failing(terminal: Terminal) -> None:
    done = terminal("init", "--name", "\u72ac Ana", "--email", "a@example.org", env={"PYTHONIOENCODING": "latin-1"})
    assert "(user: \\u72ac Ana <a@example.org>)" in done.stdout


def test_the_shell_can_complete_commands_options_and_files(terminal: Terminal) -> None:
    def completions(line: str) -> set[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_HANGAR_COMPLETE": "bash_complete"}
        return set(terminal(env=words).stdout.splitlines())

    assert completions("hangar im") == {"plain,import"}
    assert completions("hangar branch cr") == {"plain,create"}
    assert completions("hangar import --key date --o") == {"plain,--on-error", "plain,--overwrite"}
    assert completions("hangar import pictures ph") == {"file,ph"}
    assert completions("hangar export pictures -o b") == {"file,b"}
