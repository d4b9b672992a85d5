"""A repository for each backend, which every later version has to open: what is in them, and how they were made."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from goldens.repository import _fixed_world, _tar
from hangar_core import Repository
from hangar_core.backends.text_records import encode_elsewhere
from hangar_core.hashing import digests
from hangar_core.hashing.schemas import schema_digest
from hangar_core.storage.context import RepoContext
from hangar_core.storage.tables import forget_tables

CODES = ("00", "01", "10", "20", "30", "50")
# What backend 50 has to say of it.
ELSEWHERE = ("floats", "b")

_FILTERS: tuple[dict[str, Any], ...] = (
    {"complib": "blosc:blosclz", "complevel": 4, "shuffle": "bit"},
    {"complib": "blosc:lz4", "complevel": 1, "shuffle": "byte"},
    {"complib": "blosc:lz4hc", "complevel": 5, "shuffle": None},
    {"complib": "blosc:zlib", "complevel": 8, "shuffle": "byte"},
    {"complib": "blosc:zstd", "complevel": 3, "shuffle": None},
    {"complib": "lzf", "complevel": None, "shuffle": "byte"},
    {"complib": "gzip", "complevel": 4, "shuffle": "byte"},
)


def content(code: str) -> dict[str, dict[str, Any]]:
    """Return arrayset -> sample -> array, text or bytes."""
    floats = np.arange(60, dtype="<f4").reshape(6, 10)
    found: dict[str, dict[str, Any]] = {
        "floats": {"a": floats, "b": floats * np.float32(-0.5), "nan": np.full((6, 10), np.nan, "<f4")},
        "shapes": {f"{a}x{b}": np.arange(a * b, dtype="<i8").reshape(a, b) for a in (0, 1, 4) for b in (1, 3)},
        "scalars": {"yes": np.array(True), "no": np.array(False)},
        "waves": {"w": np.array([1 + 2j, -0.0 - 1j])},
        "dates": {"d": np.array(["2026-01-01", "NaT"], "<M8[us]")},
    }
    if code in {"00", "01"}:
        found |= {f"filter-{number}": {"x": floats.astype("<f8") + number} for number in range(len(_FILTERS))}
    if code in {"20", "30"}:
        found["texts"] = {"empty": "", "german": "Zürich", "many": "e\u0301 " * 100}
        found["bytes"] = {"empty": b"", "all": bytes(range(256))}
    return found


def make_backend_repository(directory: Path, code: str) -> None:
    """Make a repository with one commit."""
    repo = Repository(directory, exists=False)
    repo.init("Zoë Müller", "zoe@example.org")
    backend = "10" if code == "50" else code
    writer: Any = repo.checkout(write=True)
    with closing(writer):
        for name, samples in content(code).items():
            first = next(iter(samples.values()))
            options = {"backend": backend, **(_FILTERS[int(name[-1])] if name.startswith("filter-") else {})}
            if isinstance(first, str):
                aset = writer.arraysets.init_str_arrayset(name, backend_opts=options)
            elif isinstance(first, bytes):
                aset = writer.arraysets.init_bytes_arrayset(name, backend_opts=options)
            elif name == "shapes":
                aset = writer.arraysets.init_arrayset(name, (4, 3), "<i8", variable_shape=True, backend_opts=options)
            else:
                aset = writer.arraysets.init_arrayset(name, prototype=first, backend_opts=options)
            aset.update(samples)
        writer.commit(f"data of backend {code}")
        if code == "50":
            name, key = ELSEWHERE
            aset = writer.arraysets[name]
            place = encode_elsewhere(digests.text(schema_digest(aset.schema)))
            with RepoContext(directory).tables.write() as batch:
                batch.put("locations", aset.digest(key), place)


def backend_archive(code: str) -> bytes:
    """Return `.hangar` as tar.gz: without locks, databases compacted, nothing about the machine."""
    with tempfile.TemporaryDirectory() as scratch, _fixed_world():
        make_backend_repository(Path(scratch), code)
        root = Path(scratch, ".hangar")
        for number, database in enumerate(sorted(path.parent for path in root.rglob("data.mdb"))):
            compact = Path(scratch, f"compact {number}")
            compact.mkdir()
            forget_tables(database)
            with lmdb.open(str(database), max_dbs=16) as environment:
                environment.copy(str(compact), compact=True)
            (compact / "data.mdb").replace(database / "data.mdb")
            (database / "lock.mdb").unlink()
        (root / "lock").unlink()
        return _tar(root)
