"""What is staged over a tree, against a dict."""

from __future__ import annotations

from drawn.trees import digest_of, pools
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.history import tree_edits
from hangar_core.history.key_overlay import KeyOverlay, NestedKeyOverlay
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.keys import decode_nested, encode_nested, prefix_of

KEYS = pools()["numbers"][:6] + pools()["names"][:6]
# Few keys and values, so that changes meet and take each other back.
values = st.none() | st.integers(0, 2).map(digest_of)
bases = st.dictionaries(st.sampled_from(KEYS), st.integers(0, 2).map(digest_of), max_size=10)
histories = st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=25)


def overlay_over(objects: Objects, base: dict[bytes, Digest]) -> KeyOverlay:
    return KeyOverlay(objects, tree_edits.build(objects, base), len(base))


def play(overlay: KeyOverlay, model: dict[bytes, Digest], key: bytes, digest: Digest | None) -> None:
    """Do the same to both."""
    overlay.set(key, digest)
    if digest is None:
        model.pop(key, None)
    else:
        model[key] = digest


@given(base=bases, history=histories)
def test_an_overlay_tells_what_a_dict_would_at_every_step(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[bytes, Digest | None]]
) -> None:
    overlay, model = overlay_over(objects, base), dict(base)
    for key, digest in history:
        play(overlay, model, key, digest)
        assert overlay.get(key) == digest
        assert overlay.count == len(model)
    assert {key: overlay.get(key) for key in KEYS} == {key: model.get(key) for key in KEYS}
    assert dict(overlay.items()) == model
    assert len(list(overlay.items())) == len(model)


@given(base=bases, history=histories)
def test_tallies_and_changes_are_the_difference_to_the_base_and_nothing_else(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[bytes, Digest | None]]
) -> None:
    overlay = overlay_over(objects, base)
    for key, digest in history:
        overlay.set(key, digest)
    now = dict(overlay.items())
    added, deleted = now.keys() - base.keys(), base.keys() - now.keys()
    mutated = {key for key in now.keys() & base.keys() if now[key] != base[key]}
    assert overlay.tallies() == (len(added), len(deleted), len(mutated))
    assert overlay.changes == {key: now.get(key) for key in added | deleted | mutated}


@given(base=bases, history=histories)
def test_taking_every_change_back_leaves_nothing_staged(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[bytes, Digest | None]]
) -> None:
    overlay = overlay_over(objects, base)
    for key, digest in [*history, *((key, base.get(key)) for key in KEYS)]:
        overlay.set(key, digest)
    assert overlay.changes == {}
    assert overlay.tallies() == (0, 0, 0)
    assert overlay.tree() == overlay.base


@given(base=bases, history=histories)
def test_the_tree_of_an_overlay_is_the_tree_of_what_it_tells(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[bytes, Digest | None]]
) -> None:
    overlay = overlay_over(objects, base)
    for key, digest in history:
        overlay.set(key, digest)
    assert overlay.tree() == tree_edits.build(objects, dict(overlay.items()))


@given(base=bases, fresh=st.permutations(KEYS))
def test_items_come_in_order_of_committed_keys_and_then_as_they_came(
    objects: Objects, base: dict[bytes, Digest], fresh: list[bytes]
) -> None:
    overlay = overlay_over(objects, base)
    for key in fresh:
        overlay.set(key, digest_of(9))
    assert [key for key, _ in overlay.items()] == sorted(base) + [key for key in fresh if key not in base]


@given(base=bases, sittings=st.lists(histories, min_size=1, max_size=4))
def test_over_several_commits_keys_stay_where_they_were_listed_and_new_ones_follow_as_they_came(
    objects: Objects, base: dict[bytes, Digest], sittings: list[list[tuple[bytes, Digest | None]]]
) -> None:
    overlay, model = overlay_over(objects, base), dict(base)
    listed = sorted(base)
    for history in sittings:
        for key, digest in history:
            play(overlay, model, key, digest)
        # A committed key that is removed and set again before the next commit stays where it was.
        listed = [key for key in listed if key in model] + [key for key in model if key not in listed]
        assert [key for key, _ in overlay.items()] == listed
        after = KeyOverlay(objects, overlay.tree(), overlay.count)
        after.follow(overlay)
        overlay = after
        assert dict(overlay.items()) == model
        assert [key for key, _ in overlay.items()] == listed


@given(base=bases, history=histories)
def test_iteration_does_not_see_what_is_staged_meanwhile(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[bytes, Digest | None]]
) -> None:
    overlay = overlay_over(objects, base)
    overlay.set(KEYS[0], digest_of(8))
    before = list(overlay.items())
    seen = []
    changes = iter(history)
    for item in overlay.items():
        seen.append(item)
        if (change := next(changes, None)) is not None:
            overlay.set(*change)
    assert seen == before


# --- samples inside samples -----------------------------------------------------------------------------------------

SAMPLES: tuple[str | int, ...] = (0, 1, "a", "ab")
NESTED = [encode_nested((sample, key)) for sample in SAMPLES for key in (0, 256, "a", "b")]
nested_bases = st.dictionaries(st.sampled_from(NESTED), st.integers(0, 1).map(digest_of), max_size=12)
nested_histories = st.lists(
    st.tuples(st.sampled_from(NESTED), st.none() | st.integers(0, 1).map(digest_of)), max_size=25
)


def grouped(content: dict[bytes, Digest]) -> dict[bytes, dict[bytes, Digest]]:
    """Return the subsamples of each sample that has any, by its prefix."""
    groups: dict[bytes, dict[bytes, Digest]] = {}
    for key, digest in content.items():
        groups.setdefault(prefix_of(decode_nested(key)[0]), {})[key] = digest
    return groups


@given(base=nested_bases, history=nested_histories)
def test_a_nested_overlay_tells_what_a_dict_of_dicts_would_at_every_step(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[bytes, Digest | None]]
) -> None:
    root = tree_edits.build(objects, base)
    overlay, model = NestedKeyOverlay(objects, root, len(grouped(base))), dict(base)
    for key, digest in history:
        overlay.set(key, digest)
        if digest is None:
            model.pop(key, None)
        else:
            model[key] = digest
        groups = grouped(model)
        assert (overlay.count, overlay.entries, overlay.get(key)) == (len(groups), len(model), digest)
    groups = grouped(model)
    assert dict(overlay.items()) == model
    assert set(overlay.prefixes()) == set(groups)
    assert len(list(overlay.prefixes())) == len(groups)
    for sample in SAMPLES:
        prefix = prefix_of(sample)
        assert dict(overlay.under(prefix)) == groups.get(prefix, {})
        assert overlay.count_under(prefix) == len(groups.get(prefix, {}))
    assert overlay.tree() == tree_edits.build(objects, model)
    assert {key: model.get(key) for key, _ in overlay.edits()} == overlay.changes


@given(base=nested_bases, history=nested_histories)
def test_taking_every_change_of_a_nested_overlay_back_leaves_nothing_staged(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[bytes, Digest | None]]
) -> None:
    root = tree_edits.build(objects, base)
    overlay = NestedKeyOverlay(objects, root, len(grouped(base)))
    for key, digest in [*history, *((key, base.get(key)) for key in NESTED)]:
        overlay.set(key, digest)
    assert overlay.changes == {}
    assert overlay.edits() == []
    assert overlay.tallies() == (0, 0, 0)
    assert (overlay.count, overlay.entries) == (len(grouped(base)), len(base))
    assert list(overlay.prefixes()) == sorted(grouped(base))
