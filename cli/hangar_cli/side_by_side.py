"""`hangar diff --show`: the two versions of a changed sample next to each other, as wide as the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.describe import statistics_text, what_text
from hangar_cli.output import draw, printable_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hangar_core.export import View

USUAL_NUMBER = 5


class ShowsSome(click.Command):
    """A command whose option ``--show`` has a number behind it, or has not: then it is `USUAL_NUMBER`.

    click alone would take the next word for the value: ``--show master HEAD``.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the number where there is none; let click read the rest."""
        words = args[: args.index("--")] if "--" in args else args
        completed = []
        for word, following in zip(words, [*words[1:], ""], strict=False):
            alone = word == "--show" and not following.isdecimal()
            completed.append(f"--show={USUAL_NUMBER}" if alone else word)
        return super().parse_args(ctx, completed + args[len(words) :])


def draw_both(old: View, new: View) -> None:
    """Draw two versions of a sample, old on the left, with their facts above."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(expand=True, padding=(0, 2))
    for _ in (old, new):
        grid.add_column(ratio=1)
    grid.add_row(*(Text(f"{name}: {what_text(side)}") for name, side in (("old", old), ("new", new))))
    grid.add_row(*(Text(statistics_text(side)) for side in (old, new)))
    grid.add_row(*map(_renderable, (old, new)))
    draw(grid)


def _renderable(side: View) -> RenderableType:
    from rich.text import Text

    if side.renderable is None or isinstance(side.renderable, str):
        return Text(printable_lines(side.renderable or ""))
    return side.renderable  # type: ignore[return-value]  # whatever rich can draw
