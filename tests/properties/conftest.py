"""Properties: what holds for every value, shown on a fixed choice of them.

The examples are the same in each run. `HYPOTHESIS_PROFILE=explore pytest tests/properties` looks further.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hangar_core.history.objects import Objects
from hangar_core.storage.tables import Tables

# The strategies are a package beside the tests; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile(
    "house",
    derandomize=True,
    max_examples=30,
    deadline=None,
    database=None,
    # A slow machine is no reason to fail.
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", settings.get_profile("house"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """An empty database. `Objects` over it hold what they are given in memory and never find anything in it."""
    tables = Tables(tmp_path_factory.mktemp("tables"))
    yield tables
    tables.close()


@pytest.fixture(scope="session")
def objects(tables: Tables) -> Objects:
    """Records in memory, shared: what is put twice under a digest is the same."""
    return Objects(tables)
