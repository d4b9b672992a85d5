"""Click groups: one that suggests the right word, and the table of `hangar` that imports a command only when it runs.

`hangar --help` therefore costs click and nothing else, however heavy the commands become.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from hangar_cli.failures import failed, interrupted, refused_by_system
from hangar_cli.installed_commands import installed
from hangar_cli.output import never_fail_on_a_character, printable
from hangar_core.errors import HangarError


class Entry(NamedTuple):
    """Where a command lives (``module:object``) and its line in the overview."""

    target: str
    help: str


class Section(click.Group):
    """A group such as `branch`: alone it prints its help and succeeds, and it suggests names for a mistyped one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words behind the group's name."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is a usage error that names its nearest neighbours."""
        word, known = args[0], self.list_commands(ctx)
        if word not in known and not word.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # only who mistypes needs it

            near = get_close_matches(word.lower(), known)
            suggestion = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise click.UsageError(f"No such command '{printable(word)}'.{suggestion}", ctx)
        return super().resolve_command(ctx, args)


class CommandTable(Section):
    """The group `hangar`. Turns every error that hangar foresees into text and an exit code."""

    def __init__(self, *args: Any, table: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order in which a newcomer needs them."""
        return [*self.table, *(one.name for one in installed(self.table) if one.usable)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; what other packages bring is only looked for if hangar has none of that name."""
        if args[0] in self.table:
            return args[0], self.get_command(ctx, args[0]), args[1:]
        return super().resolve_command(ctx, args)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        entry = self.table.get(cmd_name)
        if entry is None:
            found = next((one for one in installed(self.table) if one.usable and one.name == cmd_name), None)
            return None if found is None else found.load()
        module, _, attribute = entry.target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])
        others = installed(self.table)
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(printable(one.name), printable(one.help)) for one in others])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what hangar foresees becomes text and an exit code."""
        never_fail_on_a_character()
        try:
            return super().invoke(ctx)
        except HangarError as error:
            raise failed(error) from error
        except KeyboardInterrupt as stop:
            raise interrupted() from stop
        except BrokenPipeError:
            raise  # the reader of the pipe has seen enough: click ends quietly
        except OSError as error:
            raise refused_by_system(error) from error
