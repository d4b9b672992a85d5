"""Formats: what the golden files hold is read, and written again, byte for byte."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest

# The values behind the bytes are a package beside the tests; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def golden_repository(tmp_path: Path) -> Path:
    """A directory with a fresh copy of the golden repository."""
    from goldens import GOLDEN

    with tarfile.open(GOLDEN / "repository-1.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path
