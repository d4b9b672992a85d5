"""`hangar resolve`: decide conflicts of a merge in progress."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.conflicts import conflicts_json, count_words, next_lines
from hangar_cli.current import current_repository
from hangar_cli.describe import schema_words
from hangar_cli.output import printable, result, result_json, talk
from hangar_cli.parameters import as_optional_sample, json_option, key_text, parse_sample, wait_option
from hangar_core.errors import InvalidData, InvalidInput, NoMerge, NotFound, UnsupportedDtype

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.model import NestedKey, SampleKey, Schema
    from hangar_core.repository.merging import ConflictRow


@click.command()
@click.argument("arrayset", required=False)
@click.argument("key_glob", required=False)
@click.option(
    "--subsample",
    callback=as_optional_sample,
    metavar="NAME",
    help="The one subsample NAME of the sample KEY_GLOB, which is no pattern then.",
)
@click.option("--metadata", is_flag=True, help="Decide metadata: the only argument is KEY_GLOB then.")
@click.option("--ours", is_flag=True, help="Keep what the staging branch has.")
@click.option("--theirs", is_flag=True, help="Take what is brought in.")
@click.option("--take", type=click.Path(), metavar="FILE", help="Take the sample in FILE; for metadata its text.")
@json_option
@wait_option
def resolve(
    arrayset: str | None,
    key_glob: str | None,
    subsample: SampleKey | None,
    metadata: bool,
    ours: bool,
    theirs: bool,
    take: str | None,
    as_json: bool,
    wait: float,
) -> None:
    """Decide conflicts of a merge: samples of ARRAYSET, or metadata.

    KEY_GLOB chooses among the conflicts that `hangar status` lists: a key, or a pattern such as 'cat/*'; without it all
    are chosen. int:7 is the number 7. Subsamples are listed as SAMPLE/NAME; --subsample tells which of two that is.
    FILE is read by the plugin for its extension and must hold one sample; for
    metadata and samples of text it is UTF-8 text, for samples of bytes they are its content. It decides one conflict.
    What `hangar import --overwrite` or a program sets meanwhile is decided with that value. Deciding again is not
    possible, except by `hangar merge --abort` and a new merge. Nothing is committed before `hangar merge --continue`.

    \b
    Example:
      hangar resolve pictures 'cat/*' --theirs
      hangar resolve --metadata licence --ours
    """
    if ours + theirs + (take is not None) != 1:
        raise click.UsageError("Give one of --ours, --theirs and --take FILE.")
    where, pattern = _place(arrayset, key_glob, metadata)
    if subsample is not None and (metadata or key_glob is None):
        raise click.UsageError("--subsample needs ARRAYSET and the name of a sample.")
    from hangar_core.history.settling import is_meant

    nested: NestedKey | None = (parse_sample(pattern), subsample) if subsample is not None else None
    repo = current_repository()
    if repo.merging.state() is None:
        raise NoMerge
    rows = repo.merging.conflicts()
    chosen = [
        row
        for row in rows
        if row.arrayset == where and (is_meant(row.key, pattern, key_text) if nested is None else row.key == nested)
    ]
    if not chosen:
        named = f"arrayset `{where}`" if where else "the metadata"
        shown = pattern if nested is None else key_text(nested)
        raise NotFound(f"No open conflict of {named} matches `{shown}`.", hint="`hangar status` lists them")
    if take is not None:
        _take(repo, chosen, take, wait)
        count = 1
    else:
        count = repo.merging.resolve(where, {row.key for row in chosen}, side="ours" if ours else "theirs", wait=wait)
    left = repo.merging.conflicts()
    if as_json:
        facts = {"resolved": count, "arrayset": where or None, "conflicts": conflicts_json(left)}
        result_json("hangar.resolve/1", facts)
        return
    result(f"Resolved {count_words(count)}, {len(left):,} left.")
    for line in next_lines(left, repo.status()):
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
    if not row.arrayset:
        # Without the line break that editors put at the end.
        repo.merging.take("", row.key, _text_in(path).removesuffix("\n").removesuffix("\r"), wait=wait)
        return
    schema = repo.merging.schema(row.arrayset)
    value = _value_in(path, schema)
    try:
        repo.merging.take(row.arrayset, row.key, value, wait=wait)
    except (InvalidData, UnsupportedDtype) as why:
        raise InvalidData(
            f"'{printable(path)}' does not fit arrayset `{printable(row.arrayset)}`: {why}",
            hint=f"give a file that holds {schema_words(schema)}",
        ) from why


def _value_in(path: str, schema: Schema) -> Any:
    """Return what a file holds as a sample of a schema: its text, its bytes, or what its plugin reads."""
    if schema.kind == "text":
        return _text_in(path)
    return _bytes_in(path) if schema.kind == "bytes" else _array_in(path)


def _array_in(path: str) -> Any:
    """Return the only sample in a file, through the plugin for its extension."""
    from hangar_core import external

    external.open_file(path).close()  # that there is none is said before that nobody reads its kind
    chosen, extension = external.plugin_manager().match(path)
    loaded = external.load(path, plugin=chosen.plugin_name, extension=extension)
    if isinstance(loaded, tuple):
        return loaded[0]
    pairs = list(islice(loaded, 2))
    if len(pairs) != 1:
        held = "no sample" if not pairs else "more than one sample"
        raise InvalidInput(f"'{printable(path)}' holds {held}.", hint="give a file that holds one")
    return pairs[0][0]


def _bytes_in(path: str) -> bytes:
    from hangar_core.external import open_file

    with open_file(path) as file:
        content: bytes = file.read()
    return content


def _text_in(path: str) -> str:
    content = _bytes_in(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as why:
        message = f"'{printable(path)}' is no UTF-8 text (byte {why.start})."
        raise InvalidInput(message, hint="save it as UTF-8") from why
