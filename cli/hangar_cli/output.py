"""What the commands print: results on stdout, talk on stderr, JSON with a version key.

Text that comes from outside (file names, sample names, messages of a foreign repository) goes through `printable`, so
that no byte of it can steer the terminal. rich is loaded only by `console` and `draw`: it costs more time than most
commands take.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

_BLOCK = 256
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def never_fail_on_a_character() -> None:
    """Let stdout and stderr escape the characters that their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(value: object) -> str:
    """Return the text of `value` on one line, with every character that a terminal would obey or hide escaped."""
    text = str(value)
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: str) -> str:
    """Like `printable`, but newlines stay newlines: for texts that have lines by right, such as a commit message."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    return _ESCAPES.get(char) or char.encode("unicode_escape", "surrogatepass").decode("ascii")


def result(text: str = "") -> None:
    """Print one piece of the result (stdout)."""
    click.echo(text)


def result_lines(lines: Iterable[str]) -> None:
    """Print many lines of the result as they come, without holding them all and without a system call for each."""
    for block in _blocks(lines):
        click.echo("\n".join(block))


def talk(text: str) -> None:
    """Print a remark to the person at the terminal (stderr)."""
    click.echo(text, err=True)


def result_json(version: str, facts: dict[str, Any]) -> None:
    """Print `facts` as one JSON document whose first key is its version: indented for a reader, one line for a pipe.

    Pure ASCII: JSON escapes serve the same purpose here as `printable` does in text.
    """
    import json  # nobody who asks for help needs it

    document = {"version": version, **facts}
    click.echo(json.dumps(document, ensure_ascii=True, indent=2 if on_terminal() else None))


def result_json_list(version: str, facts: dict[str, Any], name: str, items: Iterable[dict[str, Any]]) -> None:
    """Print the document that `result_json` would print of `facts` and the list `name`, while the items come."""
    import json

    gap = "\n" if on_terminal() else ""
    head = json.dumps({"version": version, **facts}, ensure_ascii=True)
    click.echo(f"{head[:-1]}, {json.dumps(name)}: [", nl=False)
    comma = ""
    for block in _blocks(json.dumps(item, ensure_ascii=True) for item in items):
        click.echo(comma + gap + f", {gap}".join(block), nl=False)
        comma = ", "
    click.echo(f"{gap}]}}")


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    left = iter(lines)
    while block := list(islice(left, _BLOCK)):
        yield block


def on_terminal(*, err: bool = False) -> bool:
    """Whether stdout (or stderr) is looked at by a person."""
    stream = sys.stderr if err else sys.stdout
    return stream.isatty()


def coloured(text: str, colour: str, *, bold: bool = False) -> str:
    """Return `text` in a colour when stdout is a terminal that wants colours (see no-color.org)."""
    if not on_terminal() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return click.style(text, fg=colour, bold=bold)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row, cells padded to the width of their column; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def console(*, err: bool = False) -> Console:
    """Return a rich console; without a terminal it writes plain text, wide enough not to fold what a script reads."""
    from rich.console import Console

    if on_terminal(err=err):
        return Console(stderr=err, highlight=False, markup=False, emoji=False)
    return Console(
        stderr=err, highlight=False, markup=False, emoji=False, force_terminal=False, color_system=None, width=120
    )


def draw(renderable: object) -> None:
    """Draw on stdout what a plugin's `show` returned: text, or a rich renderable."""
    if isinstance(renderable, str):
        result(printable_lines(renderable.removesuffix("\n")))
        return
    from rich.segment import Segment

    from hangar_cli.graphics import draw_pixels

    target = console()
    if draw_pixels(renderable, target):
        return
    # Styles and cursor movements are fields of their own; the text of a segment comes from the data and may add none.
    clean = [
        part if part.control else Segment(printable_lines(part.text), part.style)
        for part in target.render(renderable)  # type: ignore[arg-type]  # whatever rich can draw
    ]
    if not on_terminal():
        text = "".join(part.text for part in clean if not part.control)
        result_lines(line.rstrip() for line in text.removesuffix("\n").split("\n"))
        return
    target.print(Drawing(clean), end="", soft_wrap=True)


class Drawing:
    """A finished drawing for the console."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> Iterator[Segment]:
        yield from self.segments
