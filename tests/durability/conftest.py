"""Durability: what was acknowledged survives a kill, a power cut, a full disk, rot, and rivals."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from durable.nursery import Nursery

# The helpers are a package beside the tests; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parent))

if not hasattr(os, "fork"):
    collect_ignore_glob = ["test_*.py"]  # processes are bred by forking


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Children on demand."""
    from durable.nursery import Nursery

    with Nursery() as one:
        yield one
