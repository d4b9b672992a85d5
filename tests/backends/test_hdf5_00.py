"""HDF5_00 passes the contract of backends."""

from __future__ import annotations

from pathlib import Path

from compression import OPTION_SETS
from later import seal_again

from hangar_core.testing import BackendContract


class TestHdf5(BackendContract):
    code = "00"
    option_sets = OPTION_SETS

    def make_newer(self, directory: Path) -> None:
        for path in directory.glob("*.hdf5"):
            seal_again(path, at=0, covered=88)
