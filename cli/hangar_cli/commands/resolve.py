"""`hangar resolve`: decide conflicts of a merge in progress."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.conflicts import conflicts_json, count_words, next_lines
from hangar_cli.current import current_repository
from hangar_cli.output import printable, result, result_json, talk
from hangar_cli.parameters import json_option, key_text, wait_option
from hangar_core.errors import InvalidInput, NoMerge, NotFound

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.repository.merging import ConflictRow


@click.command()
@click.argument("arrayset", required=False)
@click.argument("key_glob", required=False)
@click.option("--metadata", is_flag=True, help="Decide metadata: the only argument is KEY_GLOB then.")
@click.option("--ours", is_flag=True, help="Keep what the staging branch has.")
@click.option("--theirs", is_flag=True, help="Take what is brought in.")
@click.option("--take", type=click.Path(), metavar="FILE", help="Take the sample in FILE, or its text for metadata.")
@json_option
@wait_option
def resolve(
    arrayset: str | None,
    key_glob: str | None,
    metadata: bool,
    ours: bool,
    theirs: bool,
    take: str | None,
    as_json: bool,
    wait: float,
) -> None:
    """Decide conflicts of a merge: samples of ARRAYSET, or metadata.

    KEY_GLOB chooses among the conflicts that `hangar status` lists: a key, or a pattern such as 'cat/*'; without it all
    are chosen. int:7 is the number 7. FILE is read by the plugin for its extension and must hold one sample; for
    metadata it is UTF-8 text. It decides one conflict. Deciding again is not possible, except by `hangar merge --abort`
    and a new merge. Nothing is committed before `hangar merge --continue`.

    \b
    Example:
      hangar resolve pictures 'cat/*' --theirs
      hangar resolve --metadata licence --ours
    """
    if ours + theirs + (take is not None) != 1:
        raise click.UsageError("Give one of --ours, --theirs and --take FILE.")
    where, pattern = _place(arrayset, key_glob, metadata)
    repo = current_repository()
    if repo.status().merging is None:
        raise NoMerge
    chosen = [row for row in repo.merging.conflicts() if row.arrayset == where and _matches(row, pattern)]
    if not chosen:
        named = f"arrayset `{where}`" if where else "the metadata"
        raise NotFound(f"No open conflict of {named} matches `{pattern}`.", hint="`hangar status` lists them")
    if take is not None:
        _take(repo, chosen, take, wait)
    else:
        repo.merging.resolve(where, {row.key for row in chosen}, side="ours" if ours else "theirs", wait=wait)
    left = repo.merging.conflicts()
    if as_json:
        facts = {"resolved": len(chosen), "arrayset": where or None, "conflicts": conflicts_json(left)}
        result_json("hangar.resolve/1", facts)
        return
    result(f"Resolved {count_words(len(chosen))}, {len(left):,} left.")
    for line in next_lines(left):
        talk(line)


def _place(arrayset: str | None, key_glob: str | None, metadata: bool) -> tuple[str, str]:
    """Return the arrayset (empty for metadata) and the pattern."""
    if metadata:
        if key_glob is not None:
            raise click.UsageError("With --metadata there is one argument: KEY_GLOB.")
        return "", arrayset or "*"
    if not arrayset:
        raise click.UsageError("Missing argument 'ARRAYSET'. (For metadata: --metadata KEY_GLOB.)")
    return arrayset, key_glob or "*"


def _matches(row: ConflictRow, pattern: str) -> bool:
    """Whether a conflict is meant: by its key as it is shown, by a pattern, or as one of all."""
    if row.key is None:
        return pattern == "*"
    shown = key_text(row.key)
    # A name may hold what means something in a pattern, as in `scan[1]`.
    return pattern == shown or fnmatchcase(shown, pattern)


def _take(repo: Repository, chosen: Sequence[ConflictRow], path: str, wait: float) -> None:
    """Decide the one conflict that was chosen with the content of a file."""
    if len(chosen) > 1:
        keys = ", ".join("`the arrayset`" if row.key is None else f"`{key_text(row.key)}`" for row in chosen[:5])
        raise click.UsageError(f"--take decides one conflict, and {len(chosen):,} are chosen: {keys}...")
    [row] = chosen
    if row.key is None:
        raise click.UsageError(
            f"The arrayset {printable(row.arrayset)} itself is in conflict: take it whole with --ours or --theirs."
        )
    value = _sample_in(path) if row.arrayset else _text_in(path)
    repo.merging.take(row.arrayset, row.key, value, wait=wait)


def _sample_in(path: str) -> Any:
    """Return the only sample in a file, through the plugin for its extension."""
    from hangar_core import external

    chosen, extension = external.plugin_manager().match(path)
    loaded = external.load(path, plugin=chosen.plugin_name, extension=extension)
    if isinstance(loaded, tuple):
        return loaded[0]
    pairs = list(islice(loaded, 2))
    if len(pairs) != 1:
        held = "no sample" if not pairs else "more than one sample"
        raise InvalidInput(f"'{path}' holds {held}.", hint="give a file that holds one")
    return pairs[0][0]


def _text_in(path: str) -> str:
    """Return the text of a file, without the line break that editors put at its end."""
    from hangar_core.external import open_file

    with open_file(path) as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as why:
        raise InvalidInput(f"'{path}' is no UTF-8 text (byte {why.start}).", hint="save it as UTF-8") from why
    return text.removesuffix("\n").removesuffix("\r")
