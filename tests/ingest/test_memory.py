"""How much memory an import and its commit take: bounded, however many rows a table has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")

_PEAK = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_BARE = "import hangar_core, numpy" + _PEAK
_IMPORT = """
import sys
from hangar_core import Repository
from hangar_core.ingest import Limits
place, table, policy, in_processes_from = sys.argv[1:]
limits = Limits(files=int(in_processes_from))
receipt = Repository(place, exists=False).ingest("rows", table, jobs=2, on_error=policy, limits=limits)
assert not receipt.rejects
"""
_COMMIT = """
import sys
from hangar_core import Repository
Repository(sys.argv[1], exists=False).commit("rows")
"""


def _peak(program: str, *words: object) -> int:
    """Return the most kB that a process of its own had."""
    said = subprocess.run([sys.executable, "-c", program, *map(str, words)], stdout=subprocess.PIPE, check=True)
    return int(said.stdout)


def _table(path: Path, rows: int) -> Path:
    rng = np.random.default_rng(rows)
    with path.open("w") as file:
        file.write("a,b,c,d,e,f\n")
        for start in range(0, rows, 10_000):
            numbers = rng.integers(-(10**6), 10**6, (min(10_000, rows - start), 6)) / 1000
            file.write("".join(",".join(map(str, row)) + "\n" for row in numbers.tolist()))
    return path


def _peaks(tmp_path: Path, rows: int, policy: str, in_processes_from: int = 2) -> tuple[int, int]:
    """Return the most kB of an import and of its commit, and look at what came of it."""
    place = tmp_path / f"{rows}-{policy}"
    place.mkdir()
    Repository(place, exists=False).init("Ada", "ada@example.org")
    table = tmp_path / f"{rows}.csv"
    if not table.exists():
        _table(table, rows)
    found = _peak(_IMPORT + _PEAK, place, table, policy, in_processes_from), _peak(_COMMIT + _PEAK, place)
    checkout = Repository(place).checkout()
    assert len(checkout.arraysets["rows"]) == rows
    last = [float(cell) for cell in table.read_text().rstrip().rpartition("\n")[2].split(",")]
    assert checkout.arraysets["rows"][rows - 1].tolist() == last
    return found


@pytest.mark.parametrize("in_processes_from", [1, 2])
def test_twice_as_many_rows_take_hardly_more_memory(tmp_path: Path, in_processes_from: int) -> None:
    """Held as objects until they are committed, 150,000 rows more would take 160 MB; until they have been read, 80."""
    few, many = (_peaks(tmp_path, rows, "error", in_processes_from) for rows in (150_000, 300_000))
    assert many[0] - few[0] < 60_000
    assert many[1] - few[1] < 60_000


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["error", "skip", "quarantine"])
def test_a_million_rows_take_less_than_300_mb(tmp_path: Path, policy: str) -> None:
    bare = _peak(_BARE)
    imported, committed = _peaks(tmp_path, 1_000_000, policy)
    assert imported - bare < 300_000
    assert committed - bare < 300_000
