"""Commands that other packages bring: entry points of the group ``hangar.commands``, named like the command.

Their names are read from the metadata of what is installed, in the few milliseconds that takes; a package is imported
when its command runs. A command of hangar itself wins over one of that name, and what cannot be used is listed with the
reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hangar_core.errors import HangarError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "hangar.commands"
# What hangar's own packages bring is told in the overview without importing them.
_OWN: Final = {
    "run": "Compute steps and derived arraysets named by TARGET.",
    "runs": "List runs, show one, and compare two.",
    "steps": "Show and forget results of steps that are kept here.",
}


class CommandBroken(HangarError):
    """A package brings a command that cannot be loaded."""

    template = "The command `{name}` of {distribution} cannot be loaded: {reason}"
    default_hint = "install the package again, or ask its author"


class Installed(NamedTuple):
    """One command of a package, and why it is not `usable`, if so."""

    name: str
    distribution: str
    point: EntryPoint
    problem: str = ""

    @property
    def usable(self) -> bool:
        """Whether the command can be called by its name."""
        return not self.problem

    @property
    def help(self) -> str:
        """The line of the overview."""
        if self.problem:
            return f"(not usable: {self.problem})"
        own = self.distribution.partition(" ")[0].replace("_", "-") == "hangar-core"
        return _OWN.get(self.name, f"from {self.distribution}") if own else f"from {self.distribution}"

    def load(self) -> click.Command:
        """Import the command. Raises `CommandBroken`, whatever went wrong."""
        try:
            command = self.point.load()
        except (Exception, SystemExit) as why:  # a guest may raise anything
            raise CommandBroken(name=self.name, distribution=self.distribution, reason=_line(why)) from why
        if not isinstance(command, click.Command):
            reason = f"{self.point.value} is {type(command).__name__}, not a click command."
            raise CommandBroken(name=self.name, distribution=self.distribution, reason=reason)
        return command


def installed(built_in: Iterable[str]) -> list[Installed]:
    """Return what is installed, by name; commands of hangar itself are `built_in`."""
    return _installed(frozenset(built_in))


@cache
def _installed(built_in: frozenset[str]) -> list[Installed]:
    from importlib import metadata

    try:
        points = list(metadata.entry_points(group=GROUP))
    except Exception:  # one damaged installation fails the whole scan
        return []
    found: dict[str, Installed] = {}
    rows: list[Installed] = []
    for point in sorted(points, key=lambda one: (one.name, _distribution(one), one.value)):
        problem = ""
        if point.name in built_in:
            problem = "hangar has a command of that name"
        elif point.name in found:
            problem = f"{found[point.name].distribution} has a command of that name"
        row = Installed(point.name, _distribution(point), point, problem)
        found.setdefault(point.name, row)
        rows.append(row)
    return rows


def _distribution(point: Any) -> str:
    try:
        return f"{point.dist.name} {point.dist.version}"
    except Exception:  # no metadata file: the type of error differs between versions of Python
        return "an unknown package"


def _line(why: BaseException) -> str:
    return f"{type(why).__name__}: {why}".splitlines()[0]
