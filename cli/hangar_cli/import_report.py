"""What `hangar import` prints: the plan, the receipt, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hangar_cli.conflicts import next_after_staging
from hangar_cli.describe import plural, reject_lines, rejects_json, schema_json, schema_words, size_text
from hangar_cli.output import printable, result
from hangar_core.errors import FilesRejected

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.external import Field, Outline
    from hangar_core.ingest import Plan, Receipt

_SHOWN = 8
_ENOUGH_TO_RATE = 1_000
_FIELDS = 40


def show_plan(plan: Plan) -> None:
    """Print what an import would do."""
    plugins = ", ".join(f"{printable(name)} {count:,}" for name, count in plan.plugins.items())
    kinds = f"   {_counts(plan.extensions)}" if plan.extensions else ""
    result(f"Plan      {plural(plan.files, 'file')} to read, {size_text(plan.bytes)}{kinds}   plugin: {plugins}")
    for source, table in plan.tables.items():
        for line in _table_lines(source, table):
            result(line)
    if plan.unchanged:
        result(f"Unchanged {plural(plan.unchanged, 'file')} imported before")
    for name, schema in plan.arraysets.items():
        how = f"   (from {plural(plan.sampled, 'sampled file')})" if name in plan.created else "   (as it is)"
        result(f"Arrayset  {printable(name)}   {schema_words(schema)}{how}")
    if plan.labels:
        classes = f"{len(plan.labels):,} class{'' if len(plan.labels) == 1 else 'es'}"
        result(f"Labels    {classes}: {_counts(plan.labels)}")
    if plan.quarantined:
        result(f"Left out  {plural(plan.quarantined, 'file')} in quarantine")
    _show_ignored(plan)
    if plan.rejects:
        result(f"Rejected  {plural(len(plan.rejects), 'file')}, and perhaps others when they are read:")
        for line in reject_lines(plan.rejects):
            result(line)
    result("Nothing written. Run again without --dry-run.")


def _table_lines(source: str, table: Outline) -> Iterator[str]:
    """Yield what is in a table: a line for all of it, then one for each column."""
    words = [printable(source), plural(table.rows, "row"), table.encoding]
    words.append(f"sep {table.separator!r}" if table.separator else "")
    yield "Table     " + "   ".join(word for word in words if word)
    rows = [
        (printable(one.name), "key" if one.key else "column" if table.joined else "arrayset", one.dtype)
        for one in table.fields[:_FIELDS]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, one in zip(rows, table.fields, strict=False):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"  {'   '.join([*cells, _remarks(one, table.rows)])}".rstrip()
    if len(table.fields) > _FIELDS:
        yield f"  ... {len(table.fields) - _FIELDS:,} more"


def _remarks(one: Field, rows: int) -> str:
    remarks = []
    if one.unique is not None:
        remarks.append("unique ✔" if one.unique else "not unique ✘")
    if one.empty and one.dtype.startswith("float"):
        remarks.append(f"{one.empty:,} empty → NaN")
    elif one.empty:
        # Rounded down, so that 100 % are all of them.
        remarks.append(f"{one.empty * 100 // rows} % empty" if one.empty * 100 >= rows else f"{one.empty:,} empty")
    if one.widened is not None:
        remarks.append(f"({one.widened[0]} until row {one.widened[1]:,}, promoted)")
    return "   ".join(remarks)


def show_receipt(receipt: Receipt, repo: Repository) -> None:
    """Print the receipt: what was found, where it went, what did not, and the next command."""
    by_plugin = ", ".join(f"{printable(name)} {count:,}" for name, count in receipt.plugins.items())
    result(f"Plan      {plural(receipt.files, 'file')}   plugin: {by_plugin}")
    for name, schema in receipt.arraysets.items():
        created = "created: " if name in receipt.created else ""
        result(f"Arrayset  {printable(name)}   {created}{schema_words(schema)}")
    kept = f"{plural(receipt.originals, 'original')} kept, " if receipt.originals else ""
    result(
        f"Import    added {receipt.added:,}, updated {receipt.updated:,}, unchanged {receipt.unchanged:,}"
        f"   ({size_text(receipt.bytes)} of data, {kept}{receipt.seconds:.1f} s{_rate(receipt)})"
    )
    _show_ignored(receipt)
    if receipt.kept:
        result(f"Kept      {plural(len(receipt.kept), 'sample')} with other content:")
        for line in reject_lines(receipt.kept):
            result(line)
    again = f"hangar import {printable(receipt.arrayset)} --retry-quarantined"
    if receipt.rejects:
        result(f"Rejected  {plural(len({one.source for one in receipt.rejects}), 'file')}:")
        for line in reject_lines(receipt.rejects):
            result(line)
    if receipt.quarantined:
        result(f"Left out  {plural(receipt.quarantined, 'file')} in quarantine, tried again with: {again}")
    if receipt.commit:
        result(f"Committed {receipt.commit}")
    elif receipt.added or receipt.updated or receipt.schema_created:
        for line in next_after_staging(repo):
            result(line)
    else:
        result("Nothing new to commit from these files. Next: hangar status")


def _rate(receipt: Receipt) -> str:
    taken = receipt.added + receipt.updated
    return f", {round(taken / receipt.seconds):,} samples/s" if taken >= _ENOUGH_TO_RATE and receipt.seconds else ""


def _show_ignored(report: Plan | Receipt) -> None:
    if report.ignored:
        result(f"Ignored   {plural(max(report.ignored_count, len(report.ignored)), 'file')}:")
        for line in reject_lines(report.ignored):
            result(line)


def _counts(counts: Mapping[str, int]) -> str:
    """Return ``jpg 4,806 · png 5``, the most frequent first."""
    words = [f"{printable(name) or '(none)'} {count:,}" for name, count in counts.items()]
    return " · ".join(words[:_SHOWN]) + (f" · {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else "")


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan for JSON."""
    return {
        "arrayset": plan.arrayset,
        "files": plan.files,
        "bytes": plan.bytes,
        "extensions": dict(plan.extensions),
        "plugins": dict(plan.plugins),
        "unchanged": plan.unchanged,
        "quarantined": plan.quarantined,
        "arraysets": {name: schema_json(schema) for name, schema in plan.arraysets.items()},
        "created": list(plan.created),
        "sampled": plan.sampled,
        "tables": {source: _table_json(table) for source, table in plan.tables.items()},
        "labels": dict(plan.labels),
        "rejects": rejects_json(plan.rejects),
        "ignored": rejects_json(plan.ignored),
        "ignored_count": plan.ignored_count,
    }


def _table_json(table: Outline) -> dict[str, Any]:
    return {
        "rows": table.rows,
        "encoding": table.encoding,
        "separator": table.separator,
        "joined": table.joined,
        "fields": [
            {
                "name": one.name,
                "dtype": one.dtype,
                "key": one.key,
                "empty": one.empty,
                "unique": one.unique,
                "widened": None if one.widened is None else {"from": one.widened[0], "row": one.widened[1]},
            }
            for one in table.fields
        ],
    }


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt for JSON."""
    return {
        "arrayset": receipt.arrayset,
        "branch": receipt.branch,
        "added": receipt.added,
        "updated": receipt.updated,
        "unchanged": receipt.unchanged,
        "rejected": len({reject.source for reject in receipt.rejects}),
        "kept": rejects_json(receipt.kept),
        "ignored": rejects_json(receipt.ignored),
        "ignored_count": receipt.ignored_count,
        "quarantined": receipt.quarantined,
        "rejects": rejects_json(receipt.rejects),
        "schema_created": receipt.schema_created,
        "schema": None if receipt.schema is None else schema_json(receipt.schema),
        "arraysets": {name: schema_json(schema) for name, schema in receipt.arraysets.items()},
        "created": list(receipt.created),
        "plugins": dict(receipt.plugins),
        "files": receipt.files,
        "bytes": receipt.bytes,
        "seconds": round(receipt.seconds, 3),
        "originals": receipt.originals,
        "commit": receipt.commit,
    }


def nothing_imported(arrayset: str, branch: str, refused: FilesRejected) -> dict[str, Any]:
    """Return the receipt of an import that was refused: the same keys, so that a script needs one reader."""
    return {
        "arrayset": arrayset,
        "branch": branch,
        "added": 0,
        "updated": 0,
        "unchanged": 0,
        "rejected": refused.count,
        "kept": [],
        "ignored": [],
        "ignored_count": 0,
        "quarantined": 0,
        "rejects": rejects_json(refused.rejects),
        "schema_created": False,
        "schema": None,
        "arraysets": {},
        "created": [],
        "plugins": {},
        "files": refused.total,
        "bytes": None,
        "seconds": None,
        "originals": 0,
        "commit": None,
    }
