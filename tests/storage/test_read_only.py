"""A repository where nothing can be written: everything that only reads works, and writing says why it does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import CorruptRecord, StorageFailed
from hangar_core.storage.tables import forget_tables

READ = """
import json, sys
from hangar_core import Repository
repo = Repository(sys.argv[1])
reader = repo.checkout()
old = repo.checkout(commit=repo.log_entries()[-1].id.hex())
repo.export("x", sys.argv[2], plugin="npy", format=".npy")
print(json.dumps({
    "log": [entry.commit.message for entry in repo.log_entries()],
    "clean": repo.status().clean,
    "staged": len(list(repo.diff_staged().rows())),
    "sample": reader.arraysets["x"]["b"].tolist(),
    "old": sorted(old.arraysets["x"].keys()),
    "branches": [head.name for head in repo.branch_heads()],
    "view": type(repo.view("x", "b")).__name__,
}))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits, and a sample staged on top; nobody has it open."""
    folder = tmp_path / "written"
    folder.mkdir()
    repo = Repository(folder, exists=False)
    repo.init("Ana", "ana@example.org")
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("x", shape=(2,), dtype=np.int32)
    for name in "ab":
        aset[name] = np.array([1, 2], np.int32)
        writer.commit(name)
    aset["c"] = np.array([3, 4], np.int32)
    writer.close()
    forget_tables(folder / ".hangar" / "records")
    return folder


@pytest.fixture
def mounted(repository: Path, tmp_path: Path) -> Iterator[Path]:
    """The same, seen through a read-only mount."""
    place = tmp_path / "read-only"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no `mount`")
    made = subprocess.run(["mount", "--bind", "-o", "ro", repository, place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"mounting is not permitted: {made.stderr.strip()}")
    try:
        if os.access(place, os.W_OK):
            pytest.skip("the mount can be written to")
        yield place
    finally:
        forget_tables(place / ".hangar" / "records")
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("missing", [[], ["records/lock.mdb", "lock"]])
def test_all_that_only_reads_works(mounted: Path, repository: Path, tmp_path: Path, missing: list[str]) -> None:
    for name in missing:
        (repository / ".hangar" / name).unlink()
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    out = tmp_path / "out"
    out.mkdir()
    ran = subprocess.run([sys.executable, "-c", READ, mounted, out], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["log"], found["clean"], found["staged"]) == (["b", "a"], False, 1)
    assert (found["sample"], found["old"], found["branches"]) == ([1, 2], ["a"], ["master"])
    assert sorted(path.stem for path in out.rglob("*.npy")) == ["a", "b"]
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_writing_is_refused_with_the_reason_and_what_to_do(mounted: Path) -> None:
    repo = Repository(mounted)
    for write in (
        lambda: repo.checkout(write=True),
        lambda: repo.commit("no"),
        lambda: repo.create_branch("dev"),
        lambda: repo.reset(hard=True),
        lambda: repo.tags.create("v1"),
    ):
        with pytest.raises(StorageFailed, match="read-only") as caught:
            write()
        assert caught.value.hint is not None
        assert "copy the repository" in caught.value.hint


def test_a_database_that_lacks_its_end_is_refused_where_it_cannot_be_made_whole(
    mounted: Path, repository: Path
) -> None:
    """Pages that are mapped and not there would kill the process."""
    data = repository / ".hangar" / "records" / "data.mdb"
    with lmdb.open(str(data.parent), readonly=True, lock=False) as env:
        end = (env.info()["last_pgno"] + 1) * env.stat()["psize"]  # the file is longer, which may go
    os.truncate(data, end - 8192)
    with pytest.raises(CorruptRecord, match="cannot be made longer"):
        Repository(mounted).log_entries()
