"""Deterministic hashes of Python values, pinned. Format: docs/formats/det-hash.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3
from goldens import det_values, load

from hangar_core.hashing import det_hash
from hangar_core.hashing.base58 import spell

VECTORS = load("det-hash-1.json")
PAGE = Path(__file__).parents[2] / "docs" / "formats" / "det-hash.md"


def test_every_value_keeps_its_hash() -> None:
    assert det_values.det_hash_vectors() == VECTORS


@pytest.mark.parametrize("seed", ["0", "1"])
def test_every_process_gives_the_same_hashes_whatever_its_hash_seed(seed: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": seed}
    script = Path(det_values.__file__)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == VECTORS


def test_no_two_of_these_values_share_a_hash() -> None:
    assert len(set(VECTORS.values())) == len(VECTORS)


def test_the_example_of_the_page_is_true() -> None:
    example = PAGE.read_text("utf-8").split("## Example")[1]
    lines = [line for line in example.splitlines() if line.startswith("    ")]
    hashed = bytes.fromhex("".join(re.split(r"\s{3,}", line.strip())[0] for line in lines))
    digest = blake3(hashed).digest()
    assert f"`{spell(digest)}`" in example
    assert det_hash({"a": 1}) == spell(digest)


def test_the_text_form_has_44_characters_for_every_digest() -> None:
    assert spell(bytes(32)) == "1" * 44
    assert len(spell(b"\xff" * 32)) == 44
    assert set(spell(b"\xff" * 32)) <= set("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
