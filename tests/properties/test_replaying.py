"""Reading a staging log many records at a time, against reading it one by one."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from drawn.trees import digest_of, pools
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.backends.pack_frames import decode_location, encode_location
from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.history import tree_edits
from hangar_core.history.key_overlay import KeyOverlay, NestedKeyOverlay
from hangar_core.history.lookups import lookup_many
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records import staging
from hangar_core.records.keys import encode_nested, sample_prefix
from hangar_core.records.staged_samples import Samples
from hangar_core.storage.adoption import last_of_each

KEYS = pools()["numbers"][:6] + pools()["names"][:6]
GENERATION = 3

places = st.sampled_from([b"", encode_location(bytes(16), 64), b"xx"])
changes = st.tuples(st.sampled_from(KEYS), st.none() | st.integers(0, 2).map(digest_of), places).map(
    lambda one: one if one[1] else (one[0], None, b"")
)
# Mostly what staging samples one by one leaves: runs of frames with one change, of few arraysets.
records = st.one_of(
    *4 * [st.tuples(st.sampled_from(["a", "b", "ab"]), changes.map(lambda one: [one]))],
    st.tuples(st.just("a"), st.lists(changes, max_size=4)),
).map(lambda one: (staging.SAMPLES, staging.encode_samples(*one)))
others = st.just((staging.SYNCED, b"")) | st.tuples(st.just(99), st.binary(max_size=9))
logs = st.lists(st.one_of(*4 * [records], others), max_size=12)


def log_of(operations: Iterable[tuple[int, bytes]]) -> bytes:
    log = staging.encode_frame(staging.BEGIN, b"", GENERATION, 0)
    for operation, payload in operations:
        log += staging.encode_frame(operation, payload, GENERATION, len(log))
    return log


def one_by_one(log: bytes) -> list[object]:
    """Return (where, what) of each frame, by the reader of single frames."""
    found: list[object] = []
    for frame in staging.frames(log, GENERATION):
        what: object = frame.payload
        if frame.operation == staging.SAMPLES:
            arrayset, of_frame = staging.decode_samples(frame.payload)
            what = arrayset, list(of_frame)
        found.append((frame.offset, frame.end, frame.operation, what))
    return found


def together(log: bytes) -> list[object]:
    """Return the same by the reader of many."""
    found: list[object] = []
    for part in staging.parts(log, GENERATION):
        if isinstance(part, Samples):
            found += [
                (one.offset, one.end, staging.SAMPLES, (one.arrayset, list(one.changes))) for one in part.one_by_one()
            ]
        else:
            assert isinstance(part, staging.Frame)
            found.append((part.offset, part.end, part.operation, part.payload))
    return found


@given(operations=logs, data=st.data())
def test_reading_many_frames_gives_what_reading_each_gives_however_the_log_is_damaged(
    operations: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    log = log_of(operations)
    assert together(log) == one_by_one(log)
    assert len(one_by_one(log)) == 1 + len(operations)
    damaged = bytearray(log[: data.draw(st.integers(0, len(log)))])
    if damaged:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(0, 255))
    assert together(bytes(damaged)) == one_by_one(bytes(damaged))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_sample_in_a_run_that_is_set_to_no_data_is_refused(at: int) -> None:
    found = [digest_of(1), digest_of(1), digest_of(1)]
    found[at] = Digest(found[at][:-1] + bytes([digests.COMMIT]))
    payloads = [staging.encode_samples("a", [(key, digest, b"")]) for key, digest in zip(KEYS[:3], found, strict=True)]
    with pytest.raises(CorruptRecord, match="no data"):
        list(staging.parts(log_of((staging.SAMPLES, payload) for payload in payloads), GENERATION))


@pytest.mark.parametrize("name", ["..", "a b", ""])
def test_a_run_of_an_arrayset_with_a_forbidden_name_is_refused(name: str) -> None:
    payload = staging.encode_samples(name, [(KEYS[0], digest_of(1), b"")])
    with pytest.raises(CorruptRecord):
        list(staging.parts(log_of([(staging.SAMPLES, payload)] * 3), GENERATION))


# --- laying over ----------------------------------------------------------------------------------------------------

NESTED = [encode_nested((sample, key)) for sample in (0, "a", "ab") for key in (0, 256, "b")]


@pytest.mark.parametrize("kind", [KeyOverlay, NestedKeyOverlay])
@given(data=st.data())
def test_setting_many_is_setting_one_after_another(
    objects: Objects, kind: type[KeyOverlay], data: st.DataObject
) -> None:
    keys = st.sampled_from(NESTED if kind is NestedKeyOverlay else KEYS)
    values = st.integers(0, 2).map(digest_of)
    base = data.draw(st.dictionaries(keys, values, max_size=8))
    root = tree_edits.build(objects, base)
    count = len({sample_prefix(key) for key in base}) if kind is NestedKeyOverlay else len(base)
    many, single = (kind(objects, root, count) for _ in "ms")
    for _ in range(data.draw(st.integers(1, 3))):
        with_removals = data.draw(st.booleans())
        rows = data.draw(st.lists(st.tuples(keys, st.none() | values if with_removals else values), max_size=10))
        many.set_many([key for key, _ in rows], [digest for _, digest in rows])
        for key, digest in rows:
            single.set(key, digest)
        assert list(many.items()) == list(single.items())
        assert many.edits() == single.edits()
        assert (many.count, many.entries, many.tallies()) == (single.count, single.entries, single.tallies())


@given(data=st.data())
def test_looking_up_many_is_looking_up_each(objects: Objects, data: st.DataObject) -> None:
    pool = pools()["numbers"]
    base = data.draw(st.dictionaries(st.sampled_from(pool), st.integers(0, 9).map(digest_of), max_size=200))
    root = tree_edits.build(objects, base)
    wanted = data.draw(st.lists(st.sampled_from(pool), max_size=50))
    assert lookup_many(objects, root, wanted) == {key: base[key] for key in wanted if key in base}


# --- adopting -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300) | st.integers(2**63, 2**64 - 1)), max_size=20))
def test_the_last_of_each_pack_is_the_one_with_the_highest_offset(places: list[tuple[int, int]]) -> None:
    locations = [encode_location(bytes([uid]) * 16, offset) for uid, offset in places]
    found = last_of_each([digest_of(number) for number in range(len(places))], locations)
    highest = {uid: max(offset for other, offset in places if other == uid) for uid, _ in places}
    assert sorted(decode_location(one) for one in found.values()) == [
        (bytes([uid]) * 16, offset) for uid, offset in sorted(highest.items())
    ]
    assert all(locations[number] == found.get(digest_of(number), locations[number]) for number in range(len(places)))


def test_what_is_no_location_of_a_pack_is_never_left_out() -> None:
    """Whoever looks at it refuses it then."""
    locations = [encode_location(bytes(16), 64), b"20", encode_location(bytes(16), 128), b"20" + bytes(30)]
    found = last_of_each([digest_of(number) for number in range(4)], locations)
    assert found == {digest_of(number): locations[number] for number in (1, 2, 3)}
