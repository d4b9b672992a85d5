"""`hangar plugins new` and `check`: for those who write plugins."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit

from hangar_cli.output import on_terminal, printable, result, result_json
from hangar_cli.parameters import json_option

_LICENCES = ("MIT", "Apache-2.0", "BSD-3-Clause")


@click.command()
@click.argument("name")
@click.option("--extensions", metavar="EXT,...", help="Extensions of its files.  [default: NAME]")
@click.option("--licence", type=click.Choice(_LICENCES, case_sensitive=False), help="Its licence.  [default: MIT]")
@click.option("--author", metavar="NAME", help="Who writes it.  [default: as git knows you]")
@click.option("--email", metavar="EMAIL", help="How to reach the author.  [default: as git knows you]")
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    default=".",
    metavar="DIR",
    help="Where to put it.  [default: the current directory]",
)
@json_option
def new(
    name: str,
    extensions: str | None,
    licence: str | None,
    author: str | None,
    email: str | None,
    out: str,
    as_json: bool,
) -> None:
    """Make a new package with plugin NAME: a format that works, its options, its tests. On a terminal it asks.

    \b
    Example:
      hangar plugins new my-format
    """
    from hangar_cli.git_settings import git_config
    from hangar_cli.plugin_template import bake, checked_answers

    asking = on_terminal() and on_terminal(err=True) and not as_json and os.isatty(0)
    answers = checked_answers(
        name=name,
        extensions=_answer("extensions", extensions, name.replace("-", "_"), asking),
        licence=_answer("licence", licence, "MIT", asking, click.Choice(_LICENCES, case_sensitive=False)),
        author=_answer("author", author, git_config("user.name") or "The author", asking),
        email=_answer("email", email, git_config("user.email") or "author@example.org", asking),
    )
    place = bake(answers, Path(out))
    files = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    if as_json:
        result_json("hangar.plugins-new/1", {"name": name, "path": str(place.resolve()), "files": files})
        return
    shown = os.path.join(os.path.relpath(place), "")
    result(printable(f"Created {shown}  ({len(files)} files: {', '.join(files)})"))
    result(printable(f"Next: cd {shown} && pip install -e '.[test]' && pytest"))


@click.command()
@click.argument("name")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False))
@json_option
def check(name: str, files: tuple[str, ...], as_json: bool) -> None:
    """Check what plugin NAME promises, on FILEs that it reads: the more, the more is checked. Ends with 1 on a flaw.

    \b
    Example:
      hangar plugins check image photos/cat/001.png
    """
    from hangar_core.testing.plugin_report import examine

    with tempfile.TemporaryDirectory(prefix="hangar-check-") as folder:
        findings = examine(name, Path(folder), [Path(file).absolute() for file in files])
    if as_json:
        checks = [{"check": one.check, "promise": one.promise, "flaw": one.flaw} for one in findings]
        result_json("hangar.plugins-check/1", {"name": name, "checks": checks})
    else:
        for one in findings:
            result(printable(f"{'✔' if one.flaw is None else '✘'} {one.promise}"))
            if one.flaw is not None:
                result(printable(f"    {one.flaw}"))
        if not files:
            result("Give files that it reads, and more is checked.")
    if any(one.flaw is not None for one in findings):
        raise Exit(1)


def _answer(what: str, given: str | None, default: str, asking: bool, kind: Any = None) -> str:
    if given is not None:
        return given
    if not asking:
        return default
    answer: str = click.prompt(f"  {what}", default=default, type=kind, show_choices=True)
    return answer
