"""The compact form of tree nodes: lossless, smaller where it can be, and damage is a typed error."""

from __future__ import annotations

import contextlib

import pytest
from goldens import load
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import ARRAY, BYTES, NODE, TEXT
from hangar_core.model import Digest
from hangar_core.records.compact_nodes import canonical, compacted
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import Node, encode_node

HASHES = st.sampled_from([bytes([number]) * 32 for number in range(6)]) | st.binary(min_size=32, max_size=32)
KEYS = st.integers(0, 2**40).map(encode_key) | st.text("abé/0", min_size=1, max_size=9).map(encode_key)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    keys = sorted(draw(st.sets(KEYS, max_size=60)))
    level = draw(st.integers(0, 2)) if keys else 0
    codes = st.sampled_from([NODE] if level else [ARRAY, TEXT, BYTES])
    digests = [Digest(draw(HASHES) + bytes([draw(codes)])) for _ in keys]
    counts = [draw(st.integers(1, 2**40)) for _ in keys] if level else None
    return Node(level, keys, digests, counts, 32)


@given(nodes())
def test_compact_form_gives_the_canonical_bytes_again(node: Node) -> None:
    data = encode_node(node)
    stored = compacted(data)
    assert len(stored) <= len(data)
    assert canonical(stored) == data


@given(nodes())
def test_canonical_bytes_are_read_as_they_are(node: Node) -> None:
    assert canonical(encode_node(node)) == encode_node(node)


@given(nodes(), st.data())
def test_damage_is_a_typed_error_or_other_bytes(node: Node, data: st.DataObject) -> None:
    """Other bytes have another digest, which `Objects.get` compares."""
    whole = encode_node(node)
    stored = compacted(whole)
    cut = data.draw(st.integers(0, len(stored) - 1))
    changed = bytes([data.draw(st.integers(0, 255))])
    for damaged in (stored[:cut], stored[:cut] + changed + stored[cut + 1 :], stored + changed):
        if damaged != stored:
            with contextlib.suppress(CorruptRecord):
                assert canonical(damaged) != whole


@pytest.mark.parametrize("row", load("compact-nodes-1.json")["nodes"])
def test_golden_forms(row: dict[str, str]) -> None:
    data = bytes.fromhex(row["canonical"])
    assert compacted(data).hex() == row["compact"]
    assert canonical(bytes.fromhex(row["compact"])) == data


def test_consecutive_numbers_take_little_more_than_their_hashes() -> None:
    digests = [Digest(bytes([number]) * 32 + bytes([ARRAY])) for number in range(32)]
    data = encode_node(Node(0, [encode_key(number) for number in range(32)], digests, None, 32))
    assert len(compacted(data)) < 32 * 32 + 32 * 2 + 24 < len(data)


def test_few_digests_are_kept_once() -> None:
    digests = [Digest(bytes([number % 10]) * 32 + bytes([ARRAY])) for number in range(32)]
    data = encode_node(Node(0, [encode_key(number) for number in range(32)], digests, None, 32))
    assert len(compacted(data)) < 10 * 33 + 32 * 2 + 24


@pytest.mark.parametrize(("count", "prefix", "size"), [(0xFFFF, 0x8000, 1), (0xFFFF, 1, 0x8000), (600, 0xFFFE, 0xFFFF)])
def test_keys_that_would_be_endless_are_refused_before_they_are_made(count: int, prefix: int, size: int) -> None:
    stored = b"\2\0 \0" + b"".join(one.to_bytes(2, "little") for one in (count, count, prefix, size))
    with pytest.raises(CorruptRecord):
        canonical(stored + bytes(200_000))
