"""Where nodes end, and the roots that follow from it, pinned. Format: docs/formats/record-tree.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash
from goldens import load
from goldens.trees import level_sizes, tree_entries, tree_keys

from hangar_core.history import tree_edits
from hangar_core.history.chunking import FANOUT, LONGEST, cuts, is_boundary
from hangar_core.history.objects import Objects
from hangar_core.storage.tables import Tables

VECTORS = load("record-tree-1.json")
KEYS = tree_keys()


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    """Records that are held in memory."""
    tables = Tables(tmp_path)
    yield Objects(tables)
    tables.close()


@pytest.mark.parametrize("name", VECTORS)
def test_a_tree_keeps_its_root_and_its_shape(objects: Objects, name: str) -> None:
    root = tree_edits.build(objects, dict(tree_entries(KEYS[name])))
    assert root.hex() == VECTORS[name]["root"]
    assert level_sizes(objects, root) == VECTORS[name]["levels"]


def test_every_golden_tree_has_its_vector() -> None:
    assert VECTORS.keys() == KEYS.keys()


def test_the_constants_of_the_rule_stay_as_they_were_given() -> None:
    assert (FANOUT, LONGEST) == (32, 512)


@pytest.mark.parametrize("level", [0, 1, 5])
def test_a_node_ends_where_the_documented_hash_says(level: int) -> None:
    keys = KEYS["5000 numbers"]
    ends = [at for at, key in enumerate(keys, 1) if xxhash.xxh3_64_intdigest(key, seed=level) < 2**59]
    assert [at for at, key in enumerate(keys, 1) if is_boundary(key, level)] == ends
    assert cuts(keys, level) == ends + ([len(keys)] if ends[-1] < len(keys) else [])


def test_a_run_without_a_boundary_is_cut_every_512_entries_from_the_last_boundary() -> None:
    run = KEYS["2000 without a boundary"]
    ending = next(key for key in KEYS["5000 numbers"] if is_boundary(key, 0))
    assert cuts(run, 0) == [512, 1024, 1536, 2000]
    assert cuts([*run[:100], ending, *run[100:]], 0) == [101, 613, 1125, 1637, 2001]
