"""`hangar demo`: the main job on shipped data, run as a user would type it, and compared number for number."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from hangar_cli.output import coloured, printable, result, talk

if TYPE_CHECKING:
    import numpy as np

_INTEGRITY = 6


@click.command()
@click.option("--path", metavar="DIR", help="New or empty directory to work in.  [default: a temporary one]")
def demo(path: str | None) -> None:
    """Run the main job on data that ship with hangar, and prove the result.

    Imports pictures and a table, commits, shows and exports them with the commands that you would type, then compares
    every pixel and every number with the original files. The directory is kept. Exit code 6 if anything differs.

    \b
    Example:
      hangar demo
    """
    place = _new_place(path)
    _copy(resources.files("hangar_cli") / "demo_data", place)
    (place / "back").mkdir()
    first = _pictures(place)[0].with_suffix("").as_posix()
    for words in (
        ["init", "--name", "Demo", "--email", "demo@example.org"],
        ["import", "pictures", "pictures/"],
        ["import", "digits", "digits.csv"],
        ["status"],
        ["commit", "-m", "pictures and digits"],
        ["log"],
        ["summary"],
        ["view", "pictures", first],
        ["export", "pictures", "-f", "png", "-o", "back"],
        ["export", "digits", "-f", "csv", "-o", "back"],
    ):
        _run(words, place)
    prove(place)
    result(f"The repository and the exported files are kept in {printable(place)}")


def prove(place: Path) -> None:
    """Compare every exported file in ``back`` with its original; exit 6 at the first difference."""
    pictures, pixels = _pictures(place), 0
    for picture in pictures:
        [(_, original)] = _samples(place / "pictures" / picture)
        [(_, exported)] = _samples(place / "back" / picture.with_suffix(".png"))
        _must_be_equal(original, exported, f"picture {picture.as_posix()}")
        pixels += original.size
    [table] = (place / "back").glob("**/*.csv")
    originals, back = dict(_samples(place / "digits.csv")), dict(_samples(table))
    if originals.keys() != back.keys():
        raise _differs(f"the names of the rows of {table.name}")
    for name, row in originals.items():
        _must_be_equal(row, back[name], f"row {name} of {table.name}")
    numbers = sum(row.size for row in originals.values())
    result(
        f"Proved: {len(pictures)} pictures ({pixels:,} values) and {len(originals):,} rows of a table "
        f"({numbers:,} numbers) went in and came out bit for bit the same."
    )


def _samples(path: Path) -> Iterator[tuple[str | int, np.ndarray[Any, Any]]]:
    """Yield the samples in a file as its plugin decodes them: name, array."""
    from hangar_core import external

    loaded = external.load(path, extension=path.name.partition(".")[2])
    for data, name in [loaded] if isinstance(loaded, tuple) else loaded:
        yield name, data


def _must_be_equal(original: np.ndarray[Any, Any], exported: np.ndarray[Any, Any], what: str) -> None:
    if (original.dtype, original.shape) != (exported.dtype, exported.shape) or original.tobytes() != exported.tobytes():
        raise _differs(what)


def _differs(what: str) -> Exit:
    talk(f"Error: {printable(what)} differs from the original.")
    return Exit(_INTEGRITY)


def _run(words: list[str], place: Path) -> None:
    """Show a command as it is typed, and run it as its own process; its output goes where ours goes."""
    typed = f"hangar {shlex.join(words)}"
    result(coloured(f"$ {typed}", "cyan", bold=True))
    done = subprocess.run(  # noqa: S603 — this program again, with the words listed above, no shell
        [sys.executable, "-m", "hangar_cli", *words], cwd=place, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        talk(f"Error: `{typed}` ended with exit code {done.returncode} in {printable(place)}")
        raise Exit(done.returncode if done.returncode > 0 else 1)
    result()


def _pictures(place: Path) -> list[Path]:
    """Return the original pictures, relative to their folder, in order."""
    folder = place / "pictures"
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _new_place(path: str | None) -> Path:
    """Return an empty directory: the one named, made if need be, or a temporary one."""
    if path is None:
        import tempfile

        return Path(tempfile.mkdtemp(prefix="hangar-demo-"))
    place = Path(path)
    if place.exists() and not (place.is_dir() and next(place.iterdir(), None) is None):
        raise click.BadParameter(f"'{printable(path)}' is not an empty directory.", param_hint="'--path'")
    place.mkdir(parents=True, exist_ok=True)
    return place.resolve()


def _copy(source: Traversable, target: Path) -> None:
    for entry in source.iterdir():
        if entry.is_dir():
            (target / entry.name).mkdir()
            _copy(entry, target / entry.name)
        else:
            (target / entry.name).write_bytes(entry.read_bytes())
