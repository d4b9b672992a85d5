"""For all tests: what they leave in the user's folders goes elsewhere, and nothing that is there has a say."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _folders_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("nobody")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", os.fspath(folder / "cache"))
    patch.setenv("XDG_CONFIG_HOME", os.fspath(folder / "config"))
    patch.delenv("HANGAR_PLUGINS", raising=False)
    yield
    patch.undo()
