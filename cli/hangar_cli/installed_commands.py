"""Commands that other packages bring: entry points of the group ``hangar.commands``, named like the command.

Their names are read from the metadata of what is installed; a package is imported when its command runs. A command of
hangar itself wins over one of that name, and what cannot be used is listed with the reason. Commands of packages that
come with hangar enter by the same door, and stand in its table as well, which is read at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hangar_core.errors import HangarError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "hangar.commands"
# How the folder with the metadata of a package ends, and of hangar's own begins.
_METADATA: Final = (".dist-info", ".egg-info")
_OWN: Final = ("hangar_core-", "hangar_core.")


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
        return f"from {self.distribution}"

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
    if not any(map(_brings_commands, sys.path)):
        return []  # as a rule; reading all metadata takes a third of what the overview may take
    from importlib import metadata

    try:
        points = list(metadata.entry_points(group=GROUP))
    except Exception:  # one damaged installation fails the whole scan
        return []
    found: dict[str, Installed] = {}
    rows: list[Installed] = []
    for point in sorted(points, key=lambda one: (one.name, _distribution(one), one.value)):
        problem = ""
        if _distribution(point).partition(" ")[0].replace("_", "-") == "hangar-core":
            continue
        if point.name in built_in:
            problem = "hangar has a command of that name"
        elif point.name in found:
            problem = f"{found[point.name].distribution} has a command of that name"
        row = Installed(point.name, _distribution(point), point, problem)
        found.setdefault(point.name, row)
        rows.append(row)
    return rows


def _brings_commands(place: str) -> bool:
    """Whether any package but hangar itself in a folder of Python's path says that it brings commands."""
    try:
        folders = [one.path for one in os.scandir(place or ".") if one.name.endswith(_METADATA)]
    except OSError:
        return os.path.isfile(place)  # an archive is read by whoever looks closer
    wanted = f"[{GROUP}]".encode()
    for folder in folders:
        if not os.path.basename(folder).startswith(_OWN):
            try:
                with open(os.path.join(folder, "entry_points.txt"), "rb") as file:
                    if wanted in file.read():
                        return True
            except OSError:
                continue  # most have none
    return False


def _distribution(point: Any) -> str:
    try:
        return f"{point.dist.name} {point.dist.version}"
    except Exception:  # no metadata file: the type of error differs between versions of Python
        return "an unknown package"


def _line(why: BaseException) -> str:
    return f"{type(why).__name__}: {why}".splitlines()[0]
