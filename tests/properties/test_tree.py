"""The record tree against a dict, and its algebra: the content decides, never the way to it."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from drawn.trees import Entries, digest_of, edits, entries, pools
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.history import tree, tree_edits
from hangar_core.history.chunking import LONGEST, cuts
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.nodes import Node

pooled = pytest.mark.parametrize("pool", pools())
Edits = dict[bytes, Digest | None]


def built(objects: Objects, content: Entries) -> Digest:
    return tree_edits.build(objects, content)


def applied(objects: Objects, root: Digest, changes: Edits) -> Digest:
    return tree_edits.apply(objects, root, sorted(changes.items()))


def changed(content: Entries, changes: Edits) -> Entries:
    """Do to a dict what `apply` does to a tree."""
    both = {**content, **changes}
    return {key: digest for key, digest in both.items() if digest is not None}


@pooled
@given(data=st.data())
def test_a_tree_tells_what_was_put_in(objects: Objects, pool: str, data: st.DataObject) -> None:
    content = data.draw(entries(pools()[pool]))
    root = built(objects, content)
    assert list(tree.items(objects, root)) == sorted(content.items())
    assert tree.count(objects, root) == len(content)
    for key in pools()[pool][::37]:
        assert tree.lookup(objects, root, key) == content.get(key)
    for key in (b"\x01", b"\x02", b"\xff" * 10):
        assert tree.lookup(objects, root, key) is None


@pooled
@given(data=st.data())
def test_ranks_and_beginnings_are_those_of_a_sorted_list(objects: Objects, pool: str, data: st.DataObject) -> None:
    content = data.draw(entries(pools()[pool]))
    root = built(objects, content)
    keys = sorted(content)
    for place in (data.draw(st.sampled_from(pools()[pool])), b"", b"\x01", b"\xff"):
        before = bisect_left(keys, place)
        assert tree.rank(objects, root, place) == before
        assert [key for key, _ in tree.items(objects, root, place)] == keys[before:]


@pooled
@given(data=st.data())
def test_any_order_of_edits_leads_to_the_root_that_is_built_at_once(
    objects: Objects, pool: str, data: st.DataObject
) -> None:
    content = data.draw(entries(pools()[pool]))
    root = built(objects, content)
    for _ in range(data.draw(st.integers(1, 3))):
        changes = data.draw(edits(pools()[pool]))
        content = changed(content, changes)
        root = applied(objects, root, changes)
        assert root == built(objects, content)


@pooled
@given(data=st.data())
def test_edits_one_by_one_lead_where_they_lead_together(objects: Objects, pool: str, data: st.DataObject) -> None:
    content = data.draw(entries(pools()[pool]))
    changes = data.draw(edits(pools()[pool]))
    together = one_by_one = built(objects, content)
    few = dict(data.draw(st.permutations(list(changes.items())[:20])))
    for key, digest in few.items():
        one_by_one = applied(objects, one_by_one, {key: digest})
    together = applied(objects, together, few)
    assert one_by_one == together


@pooled
@given(data=st.data())
def test_a_diff_is_the_difference_and_leads_from_one_tree_to_the_other(
    objects: Objects, pool: str, data: st.DataObject
) -> None:
    old = data.draw(entries(pools()[pool]))
    new = (
        changed(old, data.draw(edits(pools()[pool]))) if data.draw(st.booleans()) else data.draw(entries(pools()[pool]))
    )
    one, two = built(objects, old), built(objects, new)
    difference = list(tree.diff(objects, one, two))
    wanted = [
        (key, old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)
    ]
    assert difference == wanted
    assert tree_edits.apply(objects, one, [(key, digest) for key, _, digest in difference]) == two
    assert [(key, after, before) for key, before, after in tree.diff(objects, two, one)] == wanted


@pooled
@given(data=st.data())
def test_a_tree_does_not_differ_from_itself(objects: Objects, pool: str, data: st.DataObject) -> None:
    content = data.draw(entries(pools()[pool]))
    root = built(objects, content)
    assert list(tree.diff(objects, root, root)) == []
    assert applied(objects, root, dict(content)) == root


@pooled
@given(data=st.data())
def test_no_node_is_longer_than_the_longest_nor_has_a_root_one_child(
    objects: Objects, pool: str, data: st.DataObject
) -> None:
    root = built(objects, data.draw(entries(pools()[pool])))
    top = objects.get_node(root)
    assert not (top.level and len(top.keys) == 1)
    level = [top]
    while level:
        assert all(len(node.keys) <= LONGEST for node in level)
        level = [objects.get_node(digest) for node in level if node.level for digest in node.digests]


@pooled
@given(data=st.data())
def test_cuts_are_whole_and_independent_of_what_lies_before_a_boundary(pool: str, data: st.DataObject) -> None:
    keys = sorted(data.draw(entries(pools()[pool])))
    level = data.draw(st.integers(0, 2))
    ends = cuts(keys, level)
    assert ends == sorted(set(ends))
    assert (ends[-1] if ends else 0) == len(keys)
    if ends:
        first = ends[data.draw(st.integers(0, len(ends) - 1))]
        assert cuts(keys[:first], level) == [end for end in ends if end <= first]


@pooled
def test_growing_and_shrinking_key_by_key_leads_through_the_same_trees(objects: Objects, pool: str) -> None:
    """Each key is once the last one: also one that ends a node, behind which the root then begins to have a sibling."""
    keys = pools()[pool][:300]
    root = tree_edits.empty(objects)
    roots = [root]
    for key in keys:
        root = applied(objects, root, {key: digest_of(0)})
        roots.append(root)
    for many, before in enumerate(roots):
        assert before == built(objects, dict.fromkeys(keys[:many], digest_of(0)))
    for key in reversed(keys):
        assert root == roots.pop()
        root = applied(objects, root, {key: None})
    assert root == tree_edits.empty(objects)


# --- trees that no writer makes -------------------------------------------------------------------------------------


def _leaf(objects: Objects, key: bytes) -> Digest:
    return objects.put_node(Node(0, (key,), (digest_of(0),), None, 32))


def test_nodes_on_a_wrong_level_are_refused_however_deep_they_go(objects: Objects) -> None:
    """A chain of nodes that all say level 1 would else be as deep as its maker likes."""
    root = _leaf(objects, b"k")
    for _ in range(5000):
        root = objects.put_node(Node(1, (b"k",), (root,), (1,), 32))
    with pytest.raises(CorruptRecord, match="wrong level"):
        list(tree.items(objects, root))
    with pytest.raises(CorruptRecord, match="wrong level"):
        tree.lookup(objects, root, b"k")
    with pytest.raises(CorruptRecord, match="wrong level"):
        tree_edits.apply(objects, root, [(b"k", digest_of(1))])


def test_an_inner_node_over_records_that_are_no_nodes_is_refused(objects: Objects) -> None:
    with pytest.raises(CorruptRecord, match="no nodes"):
        objects.get_node(objects.put_node(Node(1, (b"k",), (digest_of(0),), (1,), 32)))


def test_an_inner_node_with_an_empty_child_is_refused(objects: Objects) -> None:
    child = objects.put_node(Node(0, (), (), None, 32))
    with pytest.raises(CorruptRecord, match="empty"):
        objects.get_node(objects.put_node(Node(1, (b"k",), (child,), (0,), 32)))


def test_a_missing_node_is_named(objects: Objects) -> None:
    missing = digests.compute(digests.NODE, b"never written")
    root = objects.put_node(Node(1, (b"k",), (missing,), (1,), 32))
    with pytest.raises(CorruptRecord, match=missing.hex()):
        tree.lookup(objects, root, b"k")


@pooled
@given(data=st.data())
def test_keys_that_come_behind_all_others_give_the_tree_of_them_all(
    objects: Objects, pool: str, data: st.DataObject
) -> None:
    content = data.draw(entries(pools()[pool]))
    keys = sorted(content)
    if len(keys) > 1:
        at = data.draw(st.integers(1, len(keys) - 1))
        before = built(objects, {key: content[key] for key in keys[:at]})
        root = tree_edits.append(objects, before, keys[at:], [content[key] for key in keys[at:]])
        assert root == built(objects, content)
