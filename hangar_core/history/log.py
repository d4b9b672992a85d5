"""The history behind a commit as data, newest first. Needs no sample data and no numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hangar_core.hashing import digests
from hangar_core.history.graph import ReadCommit, walk
from hangar_core.model import CommitId
from hangar_core.reports import LogEntry


def entries(start: CommitId, read: ReadCommit, branches: Mapping[str, CommitId | None]) -> list[LogEntry]:
    """Return `walk` with the names of the branches that point at each commit."""
    return [
        LogEntry(one, commit, tuple(sorted(name for name, head in branches.items() if head == one)))
        for one, commit in walk(start, read)
    ]


def draw(log: Sequence[LogEntry], line: Callable[[LogEntry], str]) -> str:
    """Return the log as a graph, one `line` behind each star, lanes drawn as git does."""
    rows: list[str] = []
    lanes: list[CommitId] = []
    for entry in log:
        if entry.id not in lanes:
            lanes.append(entry.id)
        at = lanes.index(entry.id)
        while (other := _find(lanes, entry.id, at + 1)) is not None:
            rows.append(_joining(lanes, at, other))
            del lanes[other]
        parents = entry.commit.parents
        width = 2 * (len(lanes) + max(0, len(parents) - 1))
        stars = " ".join("*" if index == at else "|" for index in range(len(lanes)))
        rows.append(f"{stars:<{width}}".ljust(width) + line(entry))
        lanes[at : at + 1] = parents
        if len(parents) > 1:
            rows.append(("| " * at + "|" + "\\ " * (len(lanes) - at - 1)).ljust(width))
    return "\n".join(rows)


def _find(lanes: Sequence[CommitId], wanted: CommitId, start: int) -> int | None:
    return next((index for index in range(start, len(lanes)) if lanes[index] == wanted), None)


def _joining(lanes: Sequence[CommitId], at: int, other: int) -> str:
    """The row on which the lane `other` runs into the lane `at`; lanes behind it move up."""
    row = "| " * at + "|" + "_|" * (other - at - 1) + "/" + " /" * (len(lanes) - other - 1)
    return row.ljust(2 * len(lanes))


def line(entry: LogEntry, *, show_time: bool = False, show_user: bool = False) -> str:
    """Return one documented log line: ``DIGEST (branch) (branch) : message``."""
    commit = entry.commit
    parts = [digests.text(entry.id), *(f"({name})" for name in entry.branches)]
    if show_time:
        parts.append(f"({datetime.fromtimestamp(commit.time / 1e6, UTC).strftime('%d%b%Y %H:%M:%S UTC')})")
    if show_user:
        parts.append(f"({commit.user})")
    # Only the first line has a place in a graph.
    return f"{' '.join(parts)} : {commit.message.partition(chr(10))[0]}"


def contents(log: Sequence[LogEntry]) -> dict[str, Any]:
    """Return the log as the documented dict; `log` is newest first."""
    return {
        "head": digests.text(log[0].id),
        "ancestors": {
            digests.text(entry.id): [digests.text(parent) for parent in entry.commit.parents] or [""] for entry in log
        },
        "specs": {
            digests.text(entry.id): {
                "commit_time": entry.commit.time / 1e6,
                "commit_message": entry.commit.message,
                "commit_user": entry.commit.user,
                "commit_email": entry.commit.email,
            }
            for entry in log
        },
        "order": [digests.text(entry.id) for entry in log],
        "branch_heads": {digests.text(entry.id): list(entry.branches) for entry in log if entry.branches},
    }
