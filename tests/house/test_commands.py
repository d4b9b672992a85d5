"""Each command explains itself: in its help, in docs/cli.md, and with an example that runs (see tests/cli)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hangar_cli.main import main

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "cli.md"


def tree(command: click.Command, ctx: click.Context, path: str) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command below `command`: its path (``hangar branch list``), itself, its context."""
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            assert child is not None
            child_ctx = click.Context(child, info_name=name, parent=ctx)
            yield f"{path} {name}", child, child_ctx
            yield from tree(child, child_ctx, f"{path} {name}")


COMMANDS = list(tree(main, click.Context(main, info_name="hangar"), "hangar"))
# Some groups, such as `hangar server`, do something by themselves.
LEAVES = [
    (path, command, ctx)
    for path, command, ctx in COMMANDS
    if not isinstance(command, click.Group) or command.invoke_without_command
]
NAMES = [path for path, _, _ in COMMANDS]


@pytest.mark.parametrize(("path", "command"), [(p, c) for p, c, _ in COMMANDS], ids=NAMES)
def test_the_help_of_a_command_ends_with_an_example_of_it(path: str, command: click.Command) -> None:
    text = inspect.cleandoc(command.help or "")
    first, _, rest = text.partition("\n")
    assert first.endswith(".")
    last_part = rest.strip().split("\n\n")[-1].splitlines()
    assert last_part[:2] == ["\b", "Example:"], "the example is the last part of the help"
    assert any(line.startswith(f"  {path}") for line in last_part[2:])


@pytest.mark.parametrize(("command", "ctx"), [(c, x) for _, c, x in LEAVES], ids=[path for path, _, _ in LEAVES])
def test_every_option_has_a_help_text(command: click.Command, ctx: click.Context) -> None:
    for param in command.get_params(ctx):
        if isinstance(param, click.Option):
            assert param.help, param.name


@pytest.mark.parametrize("path", [path for path, _, _ in COMMANDS])
def test_every_command_is_mentioned_in_the_readme_or_the_docs(path: str) -> None:
    texts = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    assert any(path in text.read_text(encoding="utf-8") for text in texts)


def documented() -> dict[str, set[str]]:
    """Return what docs/cli.md says: command -> its options, from the headings and the tables below them."""
    found: dict[str, set[str]] = {}
    for part in re.split(r"^### ", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        match = re.fullmatch(r"`(hangar [a-z -]+?)`", heading.strip())
        if match:
            rows = [line for line in body.splitlines() if line.startswith("| `-")]
            found[match[1]] = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(r.split("|")[1] for r in rows)))
    return found


def test_the_reference_describes_exactly_the_commands_that_exist() -> None:
    assert set(documented()) == {path for path, _, _ in LEAVES}


@pytest.mark.parametrize(("path", "command", "ctx"), LEAVES, ids=[path for path, _, _ in LEAVES])
def test_the_reference_lists_exactly_the_options_of_a_command(
    path: str, command: click.Command, ctx: click.Context
) -> None:
    existing = {
        name
        for param in command.get_params(ctx)
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    assert documented()[path] == existing - {"--help", "-h"}


# What changes one thing and has nothing to tell but that, and those that run until they are stopped.
SAYS_NOTHING_TO_SCRIPTS = {
    "hangar init",
    "hangar checkout",
    "hangar branch create",
    "hangar server",
    "hangar demo",
    *(f"hangar arrayset {verb}" for verb in ("create", "describe", "remove", "rename", "widen")),
}


def test_every_command_that_tells_something_speaks_json() -> None:
    silent = {
        path for path, command, ctx in LEAVES if "--json" not in {o for p in command.get_params(ctx) for o in p.opts}
    }
    assert silent == SAYS_NOTHING_TO_SCRIPTS
