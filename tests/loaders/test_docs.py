"""docs/loaders.md is a promise: its examples run as they stand, each after those before it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "loaders.md"
BLOCKS = re.findall(r"^```python *(\w*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(code: str, place: Path) -> None:
    options = ["-W", "error", "-W", "ignore:Dataloaders are experimental:UserWarning"]
    done = subprocess.run([sys.executable, *options, "-c", code], cwd=place, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_examples_run(tmp_path):
    run("\n".join(code for framework, code in BLOCKS if not framework), tmp_path)


@pytest.mark.parametrize("framework", sorted({framework for framework, _ in BLOCKS if framework}))
def test_the_examples_of_other_frameworks_run(framework, tmp_path):
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    # Imported first, and what it warns of itself is not ours to answer for.
    quiet = "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n"
    examples = "".join(code for one, code in BLOCKS if one == framework)
    run(f"{quiet}    import {framework}\n{BLOCKS[0][1]}{examples}", tmp_path)


def test_the_page_has_examples_for_every_framework():
    assert {framework for framework, _ in BLOCKS} == {"", "tensorflow", "datasets"}
    assert all(f"make_{name}_dataset" in PAGE.read_text(encoding="utf-8") for name in ("torch", "tf", "numpy"))
