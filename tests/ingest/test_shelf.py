"""What waits during an import, where the disk is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="no limits of files here")

_FILL = """
import resource, sys
from pathlib import Path
from hangar_core.errors import StorageFailed
from hangar_core.ingest.shelf import Shelf
resource.setrlimit(resource.RLIMIT_FSIZE, (9 << 20, 9 << 20))
shelf = Shelf(Path(sys.argv[1]))
try:
    extents = [shelf.put(bytes(700_000)) for _ in range(20)]
    list(map(shelf.get, extents))
except StorageFailed as why:
    print(why.path)
del shelf
"""


def test_a_full_disk_is_told_of_once(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FILL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{tmp_path}\n", "")
