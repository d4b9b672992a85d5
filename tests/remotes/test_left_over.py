"""What a writer or a fetch that was killed has left: found once, never in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sides import fresh, writing

from hangar_core import Repository
from hangar_core.remotes.segments import encode_segment
from hangar_core.remotes.transport import BATCH_BYTES, open_transport
from hangar_core.testing.histories import History

HISTORY = History()
_OPEN_WITHOUT_ROOM = """
import resource, sys
from hangar_core.remotes.transport import open_transport
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
print(dict(open_transport(sys.argv[1], create=True).info().branches))
"""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A remote in whose `tmp` stands what a killed writer had written whole."""
    folder = tmp_path / "remote"
    open_transport(str(folder), create=True).close()
    buffers, _ = encode_segment([HISTORY.array_frame, HISTORY.record_frame])
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "tmp" / "left").write_bytes(b"".join(buffers))
    return folder


def test_it_is_stored_once_however_often_the_remote_is_opened(left: Path) -> None:
    for _ in range(3):
        with closing(open_transport(str(left), create=True)) as remote:
            assert all(remote.has([*HISTORY.data, *HISTORY.objects]))
    assert len(list((left / "segments").iterdir())) == 1


def test_other_things_in_its_place_are_left_alone(left: Path) -> None:
    os.symlink("loop", left / "tmp" / "loop")
    (left / "tmp" / "torn").write_bytes((left / "tmp" / "left").read_bytes()[:-1])
    (left / "tmp" / "junk").write_bytes(os.urandom(100))
    with closing(open_transport(str(left), create=True)) as remote:
        assert all(remote.has(list(HISTORY.data)))


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files there")
def test_where_there_is_no_room_for_it_the_remote_can_be_read(left: Path) -> None:
    command = [sys.executable, "-c", _OPEN_WITHOUT_ROOM, str(left)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{}\n", "")


def _origin(tmp_path: Path, count: int) -> tuple[Repository, Path]:
    """Return a repository with so many tiny samples, all pushed to the folder beside it."""
    repo, folder = fresh(tmp_path / "first"), tmp_path / "remote"
    repo.init("Ada", "ada@example.org")
    rows = np.random.default_rng(3).integers(0, 256, (count, 8), np.uint8)
    with writing(repo) as writer:
        writer.arraysets.init_arrayset("tiny", prototype=rows[0]).update(enumerate(rows))
        writer.commit("all")
    repo.remote.add("origin", str(folder))
    repo.remote.push("origin", "master")
    return repo, folder


def test_names_count_as_well_as_bytes(tmp_path: Path) -> None:
    """Of samples of eight bytes, most that is sent are digests."""
    _, folder = _origin(tmp_path, 150_000)
    # In a file, digests stand twice.
    assert max(path.stat().st_size for path in (folder / "segments").iterdir()) < BATCH_BYTES


def test_a_copy_without_its_temporary_folder_fetches(tmp_path: Path) -> None:
    """As git and some archives make them: they leave out what is empty."""
    _, folder = _origin(tmp_path, 100)
    repo = fresh(tmp_path / "second")
    repo.clone("Bob", "bob@example.org", str(folder))
    shutil.rmtree(tmp_path / "second" / ".hangar" / "tmp", ignore_errors=True)
    repo = Repository(tmp_path / "second")
    repo.remote.fetch_data("origin", "master")
    assert len(list(repo.checkout().arraysets["tiny"].values())) == 100
