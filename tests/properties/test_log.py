"""Walks over histories of any form, and their drawing."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from hangar_core.hashing import digests
from hangar_core.history import log
from hangar_core.model import Commit, CommitId

# For each commit the places of its parents among those before it, and how far its clock is off.
Form = list[tuple[list[int], int]]
ROOT = digests.compute(digests.ROOT, b"")


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Histories with branches, merges of two and more parents, several beginnings, and clocks that go wrong."""
    form: Form = [([], 0)]
    for place in range(1, draw(st.integers(1, 14))):
        parents = draw(st.lists(st.integers(max(0, place - 5), place - 1), max_size=3, unique=True))
        form.append((parents, draw(st.sampled_from([0, 0, 0, -50, 50]))))
    return form


def history(form: Form, *, right_clocks: bool = False) -> dict[CommitId, Commit]:
    """Return the commits in the order in which they were made."""
    ids: list[CommitId] = []
    commits = {}
    for place, (parents, off) in enumerate(form):
        time = 1000 + 10 * place + (0 if right_clocks else off)
        commit = Commit(tuple(ids[parent] for parent in parents), ROOT, time, "user", "mail", f"number {place}")
        ids.append(CommitId(digests.compute(digests.COMMIT, b"%d" % place)))
        commits[ids[-1]] = commit
    return commits


def ancestors(commits: dict[CommitId, Commit], start: CommitId) -> set[CommitId]:
    found = {start}
    for commit in reversed(commits):
        if commit in found:
            found.update(commits[commit].parents)
    return found


def walked(commits: dict[CommitId, Commit]) -> list[CommitId]:
    return [commit for commit, _ in log.walk(list(commits)[-1], commits.__getitem__)]


def read_once(commits: dict[CommitId, Commit]) -> Callable[[CommitId], Commit]:
    left = dict(commits)
    return lambda commit: left.pop(commit)


@given(forms())
def test_a_walk_meets_the_start_and_every_ancestor_exactly_once(form: Form) -> None:
    commits = history(form)
    order = walked(commits)
    assert len(order) == len(set(order))
    assert set(order) == ancestors(commits, list(commits)[-1])


@given(forms())
def test_children_come_before_their_parents_whatever_the_clocks_say(form: Form) -> None:
    commits = history(form)
    order = walked(commits)
    for place, commit in enumerate(order):
        assert set(commits[commit].parents).isdisjoint(order[:place])


@given(forms())
def test_with_right_clocks_the_newest_comes_first(form: Form) -> None:
    commits = history(form, right_clocks=True)
    times = [commits[commit].time for commit in walked(commits)]
    assert times == sorted(times, reverse=True)


@given(forms())
def test_each_commit_is_read_once(form: Form) -> None:
    commits = history(form)
    log.walk(list(commits)[-1], read_once(commits))


@given(forms())
@example([([], 0), ([0], 0), ([0], 0), ([1, 2], 0), ([1, 2], 0), ([3, 4], 0)])
def test_a_drawing_has_each_commit_once_in_order_behind_its_star(form: Form) -> None:
    commits = history(form)
    entries = log.entries(list(commits)[-1], commits.__getitem__, {"dev": list(commits)[-1]})
    rows = log.draw(entries, log.line).split("\n")
    starred = [row for row in rows if "*" in row.split(":")[0]]
    assert len(starred) == len(entries)
    for row, entry in zip(starred, entries, strict=True):
        graph, found, rest = row.partition(log.line(entry))
        assert (found, rest) == (log.line(entry), "")
        assert set(graph) <= set("*| ")
    for row in rows:
        assert row in starred or set(row) <= set("|/\\_ ")


@given(st.integers(1, 40))
def test_a_history_without_merges_is_drawn_as_one_lane(length: int) -> None:
    commits = history([([], 0), *(([place], 0) for place in range(length - 1))])
    entries = log.entries(list(commits)[-1], commits.__getitem__, {})
    assert log.draw(entries, log.line).split("\n") == [f"* {log.line(entry)}" for entry in entries]


def test_a_long_history_is_no_deep_recursion() -> None:
    commits = history([([], 0), *(([place], 0) for place in range(5000))])
    assert walked(commits) == list(reversed(commits))
