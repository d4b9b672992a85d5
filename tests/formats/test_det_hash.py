"""Deterministic hashes of Python values, pinned. Format: docs/formats/det-hash.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from blake3 import blake3
from goldens import det_values, load

import hangar_core
from hangar_core.hashing import det_hash
from hangar_core.hashing.base58 import spell

VECTORS = load("det-hash-1.json")
SUPPORTED = ("3.11", "3.12", "3.13")
PAGE = Path(__file__).parents[2] / "docs" / "formats" / "det-hash.md"


def test_every_value_keeps_its_hash() -> None:
    assert det_values.det_hash_vectors() == VECTORS


@pytest.mark.parametrize("seed", ["0", "1"])
def test_every_process_gives_the_same_hashes_whatever_its_hash_seed(seed: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": seed}
    script = Path(det_values.__file__)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == VECTORS


@cache
def interpreter(version: str) -> str | None:
    """Return a Python of that version that has what hashing needs, numpy and blake3, if there is one.

    Those named by HANGAR_PYTHONS are asked first, which is how `.ci/run` names those that it made for this.
    """
    named = [path for path in os.environ.get("HANGAR_PYTHONS", "").split(os.pathsep) if path]
    for path in (*named, shutil.which(f"python{version}")):
        script = "import sys, numpy, blake3; print('{}.{}'.format(*sys.version_info))"
        if path is not None:
            done = subprocess.run([path, "-c", script], capture_output=True, text=True, check=False, timeout=60)
            if done.stdout.strip() == version:
                return path
    return None


@pytest.mark.parametrize("seed", ["0", "1"])
@pytest.mark.parametrize("version", [one for one in SUPPORTED if one != "{}.{}".format(*sys.version_info)])
def test_every_python_gives_the_same_hashes(version: str, seed: str, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} with numpy and blake3 is here; HANGAR_PYTHONS may name one")
    # The package alone: what lies beside it is made for this Python.
    (tmp_path / "hangar_core").symlink_to(Path(hangar_core.__file__).parent, target_is_directory=True)
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([python, det_values.__file__], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
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
