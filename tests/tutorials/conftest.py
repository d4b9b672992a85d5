"""A server for the tutorials that need one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The helper is a package beside the tests of remotes; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parents[1] / "remotes"))


@pytest.fixture
def server_address(tmp_path: Path) -> Iterator[str]:
    """The address of a fresh `hangar server`, as HOST:PORT."""
    pytest.importorskip("httpx", reason="the extra http is not installed")
    pytest.importorskip("uvicorn", reason="the extra server is not installed")
    from sides.servers import running_server

    with running_server(tmp_path / "server") as address:
        yield address.removeprefix("http://")
