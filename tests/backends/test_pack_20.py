"""PACK_20 passes the contract of backends."""

from __future__ import annotations

from pathlib import Path

from later import seal_again

from hangar_core.testing import BackendContract


class TestPacks(BackendContract):
    code = "20"

    def make_newer(self, directory: Path) -> None:
        for path in directory.glob("*.pack"):
            seal_again(path, at=0, covered=32)
