"""The documented summary of a commit."""

from __future__ import annotations

from datetime import UTC, datetime

from hangar_core.hashing import digests
from hangar_core.hashing.schemas import schema_digest
from hangar_core.model import Root
from hangar_core.reports import ArraysetSummary, LogEntry, Summary

_UNITS = ("B", "kB", "MB", "GB", "TB")


def summarize(path: str, disk_usage: int, entry: LogEntry, root: Root) -> Summary:
    """Return what a commit of this root contains, in a repository of `disk_usage` bytes; reads no tree and no data."""
    arraysets = tuple(
        ArraysetSummary(name, one.schema, digests.text(schema_digest(one.schema)), one.count, one.options)
        for name, one in sorted(root.arraysets.items())
    )
    return Summary(path, disk_usage, entry, arraysets, root.metadata_count)


def readable_size(size: float) -> str:
    """Return a number of bytes for people: ``1.25 MB`` (powers of 1000)."""
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1000
    return f"{size:.2f} {_UNITS[-1]}"


def summary_text(summary: Summary) -> str:
    """Return the summary in the documented layout."""
    commit = summary.commit.commit
    created = datetime.fromtimestamp(commit.time / 1e6, UTC).strftime("%a %b %d %H:%M:%S %Y UTC")
    lines = [
        "Summary of Contents Contained in Data Repository",
        " ",
        "==================",
        "| Repository Info",
        "|-----------------",
        f"|  Base Directory: {summary.path}",
        f"|  Disk Usage: {readable_size(summary.disk_usage)}",
        " ",
        "===================",
        "| Commit Details",
        "-------------------",
        f"|  Commit: {digests.text(summary.commit.id)}",
        f"|  Created: {created}",
        f"|  By: {commit.user}",
        f"|  Email: {commit.email}",
        f"|  Message: {commit.message}",
        " ",
        "==================",
        "| DataSets",
        "|-----------------",
        f"|  Number of Named Arraysets: {len(summary.arraysets)}",
    ]
    for aset in summary.arraysets:
        lines += [
            "|",
            f"|  * Arrayset Name: {aset.name}",
            f"|    Num Arrays: {aset.count}",
            "|    Details:",
            f"|    - schema_hash: {aset.schema_digest[: digests.SHORT_SIZE]}",
            f"|    - schema_dtype: {aset.schema.dtype}",
            f"|    - schema_is_var: {aset.schema.variable}",
            f"|    - schema_max_shape: {aset.schema.shape}",
            f"|    - schema_is_named: {aset.schema.named}",
            f"|    - schema_default_backend: {aset.options.get('backend', '')}",
        ]
    lines += [
        " ",
        "==================",
        "| Metadata:",
        "|-----------------",
        f"|  Number of Keys: {summary.metadata_count}",
    ]
    return "\n".join(lines)
