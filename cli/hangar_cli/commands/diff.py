"""`hangar diff`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.conflicts import METADATA
from hangar_cli.current import current_repository
from hangar_cli.describe import schema_json, schema_words, size_text
from hangar_cli.output import coloured, columns, printable, result_json, result_json_list, result_lines, talk
from hangar_cli.parameters import json_option, key_text
from hangar_core.errors import ArraysetNotFound

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.history.changes import Tally
    from hangar_core.history.content_diff import ArraysetStatistics, ContentDiff, DiffRow, DiffStatistics

_SIGNS = {"added": "+", "deleted": "-", "mutated": "~"}
_COLOURS = {"added": "green", "deleted": "red", "mutated": "yellow"}
_SCHEMA = "(schema)"  # no arrayset can have this name
_SHORT = 12
_VERSION = "hangar.diff/1"
_STAT_VERSION = "hangar.diff-stat/1"


@click.command()
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option("--stat", is_flag=True, help="Only count, arrayset by arrayset.")
@click.option("--arrayset", metavar="ARRAYSET", help="Compare this arrayset only.")
@json_option
def diff(a: str | None, b: str | None, stat: bool, arrayset: str | None, as_json: bool) -> None:
    """Show what differs between two commits, or what is staged.

    Without arguments: what is staged, against its commit. With A: the way from A to the head of the staging branch.
    With A and B: the way from A to B. Lines begin with + (added), - (deleted) or ~ (mutated) and end with the short
    digest of the data, or OLD..NEW. No data are read.

    \b
    Example:
      hangar diff master HEAD --stat
    """
    repo = current_repository()
    found, ends = _compare(repo, a, b)
    if arrayset is not None and arrayset not in found.arraysets:
        raise ArraysetNotFound(f"No arrayset `{arrayset}` on either side.", name=arrayset)
    if stat:
        _show_statistics(found.statistics(), arrayset, ends, as_json)
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
