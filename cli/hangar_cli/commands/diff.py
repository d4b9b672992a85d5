"""`hangar diff`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.conflicts import METADATA
from hangar_cli.current import current_repository
from hangar_cli.describe import plural, schema_json, schema_words, size_text, view_json
from hangar_cli.output import coloured, columns, printable, result, result_json, result_json_list, result_lines, talk
from hangar_cli.parameters import json_option, key_text
from hangar_cli.side_by_side import USUAL_NUMBER, ShowsSome, draw_both
from hangar_core.errors import ArraysetNotFound, DataMissing

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.export import View
    from hangar_core.history.changes import Tally
    from hangar_core.history.content_diff import ArraysetStatistics, ContentDiff, DiffRow, DiffStatistics

_SIGNS = {"added": "+", "deleted": "-", "mutated": "~"}
_COLOURS = {"added": "green", "deleted": "red", "mutated": "yellow"}
_SCHEMA = "(schema)"  # no arrayset can have this name
_SHORT = 12
_VERSION = "hangar.diff/1"
_STAT_VERSION = "hangar.diff-stat/1"


@click.command(cls=ShowsSome)
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option("--stat", is_flag=True, help="Only count, arrayset by arrayset.")
@click.option("--arrayset", metavar="ARRAYSET", help="Compare this arrayset only.")
@click.option(
    "--show",
    type=click.IntRange(min=1),
    metavar="[N]",
    help=f"Draw both versions of the first N changed samples side by side.  [N: {USUAL_NUMBER}]",
)
@json_option
def diff(a: str | None, b: str | None, stat: bool, arrayset: str | None, show: int | None, as_json: bool) -> None:
    """Show what differs between two commits, or what is staged.

    Without arguments: what is staged, against its commit. With A: the way from A to the head of the staging branch.
    With A and B: the way from A to B. Lines begin with + (added), - (deleted) or ~ (mutated) and end with the short
    digest of the data, or OLD..NEW. No data are read, but for --show.

    \b
    Example:
      hangar diff master HEAD --stat
    """
    if stat and show is not None:
        raise click.UsageError("--stat counts and --show draws: choose one of them.")
    repo = current_repository()
    found, ends = _compare(repo, a, b)
    if arrayset is not None and arrayset not in found.arraysets:
        raise ArraysetNotFound(f"No arrayset `{arrayset}` on either side.", name=arrayset)
    if stat:
        _show_statistics(found.statistics(), arrayset, ends, as_json)
        return
    if show is not None:
        _show_versions(repo, found, arrayset, show, ends if as_json else None)
    elif as_json:
        result_json_list(_VERSION, ends, "changes", (_row_json(row) for row in found.rows(arrayset)))
    else:
        rows = found.rows(arrayset)
        first = next(rows, None)
        if first is None:
            talk("No differences.")
            return
        result_lines([_line(first)])
        result_lines(map(_line, rows))


def _show_versions(
    repo: Repository, found: ContentDiff, arrayset: str | None, most: int, ends: dict[str, str | None] | None
) -> None:
    """Tell all differences, and show both versions of up to `most` samples; as JSON if `ends` are given."""
    changed = 0

    def versions(row: DiffRow) -> tuple[View, View] | None:
        nonlocal changed
        if row.what != "sample" or row.kind != "mutated":
            return None
        changed += 1
        if changed > most:
            return None
        try:
            return repo.both_versions(found, row)
        except DataMissing as why:  # a clone need not have all data; what differs is known all the same
            talk(f"{printable(row.arrayset)}: {printable(why.message)}")
            return None

    if ends is not None:
        result_json_list(
            _VERSION, ends, "changes", (_row_json(row) | _versions_json(versions(row)) for row in found.rows(arrayset))
        )
        return
    told = False
    for row in found.rows(arrayset):
        told = True
        result(_line(row))
        both = versions(row)
        if both is not None:
            draw_both(*both)
    if not told:
        talk("No differences.")
    elif changed > most:
        talk(f"{most:,} of {plural(changed, 'changed sample')} shown; all: --show {changed}")


def _versions_json(both: tuple[View, View] | None) -> dict[str, Any]:
    return {} if both is None else {"shown": {"old": view_json(both[0]), "new": view_json(both[1])}}


def _compare(repo: Repository, a: str | None, b: str | None) -> tuple[ContentDiff, dict[str, str | None]]:
    """Return the difference, and between which commits it is; the staging area is None."""
    from hangar_core.hashing import digests

    if a is None:
        base = repo.status().base
        return repo.diff_staged(), {"old": digests.text(base) if base else None, "new": None}
    old, new = digests.text(repo.resolve(a)), digests.text(repo.resolve(b))
    return repo.diff(old, new), {"old": old, "new": new}


def _line(row: DiffRow) -> str:
    if row.what == "schema":
        where, facts = f"{_SCHEMA} {printable(row.arrayset)}", _schema_facts(row)
    else:
        assert row.key is not None
        place = printable(row.arrayset) if row.what == "sample" else METADATA
        where = f"{place} {key_text(row.key)}"
        facts = "..".join(digest[:_SHORT] for digest in (row.old, row.new) if digest)
    return coloured(f"{_SIGNS[row.kind]} {where}  {facts}", _COLOURS[row.kind])


def _schema_facts(row: DiffRow) -> str:
    if row.old_schema == row.new_schema and row.new_schema is not None:
        changed = f"renamed from {printable(row.renamed_from)}" if row.renamed_from else "other options"
        return f"{schema_words(row.new_schema)} ({changed})"
    words = [schema_words(schema) for schema in (row.old_schema, row.new_schema) if schema is not None]
    return " -> ".join(words) + (f" (renamed from {printable(row.renamed_from)})" if row.renamed_from else "")


def _row_json(row: DiffRow) -> dict[str, Any]:
    facts: dict[str, Any] = {"what": row.what, "kind": row.kind, "arrayset": row.arrayset or None, "key": row.key}
    if row.what == "schema":
        facts["renamed_from"] = row.renamed_from or None
        schemas = {"old": row.old_schema, "new": row.new_schema}
        return {**facts, **{side: schema_json(schema) if schema else None for side, schema in schemas.items()}}
    return {**facts, "old": row.old or None, "new": row.new or None}


def _show_statistics(found: DiffStatistics, arrayset: str | None, ends: dict[str, str | None], as_json: bool) -> None:
    chosen = [one for one in found.arraysets if arrayset in (None, one.name, one.renamed_from or None)]
    metadata = found.metadata if arrayset is None else None
    if as_json:
        rows = [
            {
                "name": one.name,
                "state": one.state,
                "renamed_from": one.renamed_from or None,
                "samples": {state: getattr(one.samples, state) for state in _SIGNS},
                "bytes": one.bytes()._asdict(),
            }
            for one in chosen
        ]
        counts = {state: getattr(metadata, state) for state in _SIGNS} if metadata is not None else None
        result_json(_STAT_VERSION, {**ends, "arraysets": rows, "metadata": counts})
        return
    lines = [(printable(one.name), _state(one), *_counts(one.samples), *map(_size, one.bytes())) for one in chosen]
    if metadata is not None and metadata.total:
        lines.append((METADATA, "-", *_counts(metadata), "-", "-"))
    if lines:
        result_lines(columns([("ARRAYSET", "SCHEMA", "ADDED", "DELETED", "MUTATED", "+DATA", "-DATA"), *lines]))
    else:
        talk("No differences.")


def _state(one: ArraysetStatistics) -> str:
    return f"renamed from {printable(one.renamed_from)}" if one.renamed_from else one.state


def _size(count: int | None) -> str:
    return "?" if count is None else size_text(count)


def _counts(tally: Tally) -> Iterator[str]:
    return (str(getattr(tally, state)) for state in _SIGNS)
