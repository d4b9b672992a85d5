"""Walks over random commit graphs, against plain sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hangar_core.history.graph import is_ancestor, merge_base, walk
from hangar_core.model import Commit


@st.composite
def graphs(draw):
    """Return (commits by id, ancestors by id); clocks may go backwards."""
    commits: dict[bytes, Commit] = {}
    ancestors: dict[bytes, set[bytes]] = {}
    for number in range(draw(st.integers(1, 20))):
        earlier = list(commits)
        parents = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        name = b"%02d" % number
        time = 100 * number + draw(st.sampled_from([0, 0, 0, 50, -350]))
        commits[name] = Commit(tuple(parents), b"root", time, "u", "e", "m")
        ancestors[name] = {name}.union(*(ancestors[parent] for parent in parents))
    return commits, ancestors


@given(graphs(), st.data())
def test_merge_base_is_a_nearest_common_ancestor_either_way_round(graph, data):
    commits, ancestors = graph
    one, two = data.draw(st.sampled_from(sorted(commits))), data.draw(st.sampled_from(sorted(commits)))
    common = ancestors[one] & ancestors[two]
    nearest = {
        commit for commit in common if not any(commit != other and commit in ancestors[other] for other in common)
    }
    found = merge_base(one, two, commits.__getitem__)
    assert found == merge_base(two, one, commits.__getitem__)
    assert found in nearest if nearest else found is None


@given(graphs(), st.data())
def test_is_ancestor_agrees_with_the_sets(graph, data):
    commits, ancestors = graph
    old, new = data.draw(st.sampled_from(sorted(commits))), data.draw(st.sampled_from(sorted(commits)))
    assert is_ancestor(old, new, commits.__getitem__) == (old in ancestors[new])


@given(graphs(), st.data())
def test_walk_gives_all_ancestors_once_and_children_first(graph, data):
    commits, ancestors = graph
    start = data.draw(st.sampled_from(sorted(commits)))
    order = [commit for commit, _ in walk(start, commits.__getitem__)]
    assert len(order) == len(set(order))
    assert set(order) == ancestors[start]
    places = {commit: place for place, commit in enumerate(order)}
    assert all(places[commit] < places[parent] for commit in order for parent in commits[commit].parents)
