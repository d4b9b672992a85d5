"""`hangar status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import dtype_name, schema_json
from hangar_cli.output import coloured, printable, result, result_json
from hangar_cli.parameters import json_option
from hangar_core.reports import ArraysetChange, DerivedArrayset, MergeState, Status

if TYPE_CHECKING:
    from hangar_core.repository.merging import ConflictRow

_COLOURS = {"added": "green", "deleted": "red", "mutated": "yellow"}


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Display changes made in the staging area compared to its base commit.

    \b
    Example:
      hangar status
    """
    repo = current_repository()
    staged = repo.status()
    conflicts = repo.merging.conflicts() if staged.merging is not None else []
    derived = repo.derived()
    if as_json:
        result_json(
            "hangar.status/1", _status_json(staged, conflicts) | {"derived": [_derived_json(d) for d in derived]}
        )
        return
    for line in status_lines(staged, conflicts):
        result(line)
    changed = {one.name for one in staged.arraysets if one.state != "same" or one.added or one.deleted or one.mutated}
    for line in _stale_lines(derived, changed):
        result(line)


def _stale_lines(derived: Sequence[DerivedArrayset], uncommitted: set[str]) -> Iterator[str]:
    """Yield which derived arraysets no longer follow from what they were computed from, and what is to be done."""
    stale = [one for one in derived if one.stale]
    if stale:
        yield ""
        yield coloured("STALE", "yellow", bold=True)
    for one in stale:
        yield f"  {printable(one.name)}: {', '.join(map(printable, one.changed))} changed since {printable(one.step)}"
    first = sorted({name for one in stale for name in one.changed if name in uncommitted})
    if first:
        yield f"  Commit the changes of {', '.join(map(printable, first))} first: `hangar run` reads what is committed."
    elif stale:
        yield "  `hangar run MODULE:FUNCTION` computes what has changed."


def _derived_json(one: DerivedArrayset) -> dict[str, Any]:
    return {"name": one.name, "step": one.step, "inputs": list(one.inputs), "changed": list(one.changed)}


def status_lines(staged: Status, conflicts: Sequence[ConflictRow] = ()) -> Iterator[str]:
    """Yield the status as people read it: the branch, what a commit would record, and the next commands."""
    yield f"Branch: {printable(staged.branch)}"
    if staged.merging is not None:
        from hangar_cli.conflicts import conflict_lines, count_words, progress_words  # merges are rare

        left = f"{count_words(len(conflicts))} to resolve" if conflicts else "all conflicts are resolved"
        yield f"{progress_words(staged.merging, staged.branch)}: {left}."
        if conflicts:
            yield from conflict_lines(conflicts)
    if staged.clean:
        yield "Nothing staged: the staging area equals " + ("its commit." if staged.base else "an empty repository.")
        yield ""
        yield "Next: hangar import ARRAYSET PATH"
        return
    for state in ("added", "deleted", "mutated"):
        yield from _block(staged, state)
    yield ""
    if staged.merging is not None:
        from hangar_cli.conflicts import next_lines

        yield from next_lines(conflicts, staged)
    else:
        yield 'Next: hangar commit -m "MESSAGE"'


def _block(staged: Status, state: str) -> Iterator[str]:
    """Yield what was added, deleted or mutated; nothing at all if nothing was."""
    schemas = [change for change in staged.arraysets if change.state == state]
    samples = [(change.name, getattr(change, state)) for change in staged.arraysets if getattr(change, state)]
    metadata: int = getattr(staged, f"metadata_{state}")
    if not (schemas or samples or metadata):
        return
    yield ""
    yield coloured(state.upper(), _COLOURS[state], bold=True)
    if schemas:
        yield f"  Schema: {len(schemas)}"
        for change in schemas:
            renamed = f" (renamed from {printable(change.renamed_from)})" if change.renamed_from else ""
            yield f"    {printable(change.name)}{renamed}"
            yield from (f"      {fact}" for fact in _schema_facts(change))
    if samples:
        yield f"  Samples: {sum(count for _, count in samples)}"
        for name, count in samples:
            yield f"    {printable(name)}: {count}"
    if metadata:
        yield f"  Metadata: {metadata}"


def _schema_facts(change: ArraysetChange) -> Iterator[str]:
    from hangar_core.backends.options import recorded
    from hangar_core.model import RENAMED_FROM
    from hangar_core.records.derivations import DERIVED_OPTION

    schema = change.schema
    yield f"named: {schema.named}"
    yield f"dtype: {dtype_name(schema.dtype)}"
    yield f"(max) shape: {schema.shape}"
    yield f"variable shape: {schema.variable}"
    code, backend_opts = recorded(change.options)
    yield f"backend: {printable(code)}"
    yield f"backend opts: {printable(backend_opts)}"
    if "source.plugin" in change.options:
        yield f"source: plugin {printable(change.options['source.plugin'])}"
    others = {
        name: text
        for name, text in change.options.items()
        if not name.startswith(("source.", "backend")) and name not in {RENAMED_FROM, DERIVED_OPTION}
    }
    if others:
        yield f"options: {printable(others)}"


def _status_json(staged: Status, conflicts: Sequence[ConflictRow]) -> dict[str, Any]:
    from hangar_core.hashing import digests

    return {
        "branch": staged.branch,
        "base": digests.text(staged.base) if staged.base else None,
        "clean": staged.clean,
        "arraysets": [
            {
                "name": change.name,
                "state": change.state,
                "renamed_from": change.renamed_from or None,
                "schema": schema_json(change.schema),
                "options": dict(change.options),
                "samples": {"added": change.added, "deleted": change.deleted, "mutated": change.mutated},
            }
            for change in staged.arraysets
        ],
        "metadata": {
            "added": staged.metadata_added,
            "deleted": staged.metadata_deleted,
            "mutated": staged.metadata_mutated,
        },
        "merging": _merging_json(staged.merging, conflicts) if staged.merging is not None else None,
    }


def _merging_json(state: MergeState, conflicts: Sequence[ConflictRow]) -> dict[str, Any]:
    from hangar_cli.conflicts import conflicts_json

    return {
        "kind": state.kind,
        "label": state.label,
        "message": state.message,
        "conflicts": conflicts_json(conflicts),
    }
