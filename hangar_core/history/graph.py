"""Pure walks over the commit graph. `read` gives a commit by its id; nothing here knows where commits are kept."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from hangar_core.errors import HistoryEnds
from hangar_core.hashing import digests
from hangar_core.model import Commit, CommitId

ReadCommit = Callable[[CommitId], Commit]
_LEFT, _RIGHT, _STALE = 1, 2, 4


def walk(start: CommitId, read: ReadCommit) -> list[tuple[CommitId, Commit]]:
    """Return `start` and all its ancestors, newest first, children always before their parents.

    Clocks may go backwards: then the order of descent wins.
    """
    commits: dict[CommitId, Commit] = {}
    children: dict[CommitId, int] = {start: 0}
    found = [start]
    while found:
        one = found.pop()
        if one in commits:
            continue
        commits[one] = read(one)
        for parent in commits[one].parents:
            children[parent] = children.get(parent, 0) + 1
            found.append(parent)
    ready = [(-commits[start].time, start)]
    ordered = []
    while ready:
        _, one = heapq.heappop(ready)
        commit = commits[one]
        ordered.append((one, commit))
        for parent in commit.parents:
            children[parent] -= 1
            if not children[parent]:
                heapq.heappush(ready, (-commits[parent].time, parent))
    return ordered


def merge_base(one: CommitId, two: CommitId, read: ReadCommit) -> CommitId | None:
    """Return the newest commit that is behind both, None for histories that never met.

    Raises `HistoryEnds` if they may have met where history was cut.

    Both sides are painted downwards from the newest commit on; what is behind a common ancestor is stale, and when only
    stale commits are left nothing nearer can come. Of several nearest ancestors the newest is taken (of equally new
    ones that with the smaller id), so that merging either way round asks the same question.
    """
    if one == two:
        return one
    colours: dict[CommitId, int] = {one: _LEFT, two: _RIGHT}
    queue = [(-read(commit).time, commit) for commit in (one, two)]
    heapq.heapify(queue)
    common: dict[CommitId, int] = {}
    while any(not colours[commit] & _STALE for _, commit in queue):
        _, commit = heapq.heappop(queue)
        colour = colours[commit]
        if colour & (_LEFT | _RIGHT) == _LEFT | _RIGHT:
            if not colour & _STALE:
                common[commit] = read(commit).time
            colour |= _STALE
        for parent in read(commit).parents:
            if colours.get(parent, 0) | colour != colours.get(parent, 0):
                colours[parent] = colours.get(parent, 0) | colour
                heapq.heappush(queue, (-read(parent).time, parent))
    nearest = [commit for commit in common if not colours[commit] & _STALE]
    if len(nearest) > 1:  # a clock that went backwards can make an ancestor of one look like another
        nearest = [one for one in nearest if not any(one != two and is_ancestor(one, two, read) for two in nearest)]
    if not nearest:
        refuse_cut(list(colours), read, "no common ancestor is known")
    return min(nearest, key=lambda commit: (-common[commit], commit), default=None)


def is_ancestor(old: CommitId, new: CommitId, read: ReadCommit) -> bool:
    """Whether `old` is `new` or behind it."""
    seen = {new}
    found = [new]
    while found:
        one = found.pop()
        if one == old:
            return True
        for parent in read(one).parents:
            if parent not in seen:
                seen.add(parent)
                found.append(parent)
    return False


def refuse_cut(commits: Iterable[CommitId], read: ReadCommit, what: str) -> None:
    """Raise `HistoryEnds` if the history behind any of these commits was cut; `what` says what cannot be told."""
    for one in commits:
        if read(one).hidden:
            raise HistoryEnds(commit=digests.short(one), what=what)
