"""The examples in the help of the commands run as they are printed."""

from __future__ import annotations

import shlex
import shutil

import click
import pytest

from hangar_cli.main import COMMANDS, main

from .conftest import Terminal


def examples() -> list[str]:
    """Return the example lines of all commands and sub-commands."""
    ctx = click.Context(main)
    commands = [main.get_command(ctx, name) for name in COMMANDS]
    for section in [command for command in commands if isinstance(command, click.Group)]:
        commands += section.commands.values()
    helps = [command.help or "" for command in commands if command is not None]
    return [line.strip() for text in helps for line in text.split("Example:")[1].splitlines() if line.strip()]


@pytest.mark.parametrize("example", examples())
def test_an_example_from_the_help_runs(committed: Terminal, example: str) -> None:
    """Where there are photos, a commit of them, and something staged, unless the command has no use for it."""
    program, *words = shlex.split(example)
    assert program == "hangar"
    if words[0] == "init":
        shutil.rmtree(committed.directory / ".hangar")
    elif words[0] != "checkout":
        committed("arrayset", "create", "staged", "UINT8", "3")
    committed(*words)
