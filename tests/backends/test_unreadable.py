"""Files that the system does not let be read now: no damage, no bare OSError, and a word on what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import CorruptDataError, StorageFailed
from hangar_core.testing.samples import create, new_repository, writing

resource = pytest.importorskip("resource", reason="this system knows no such limit")

CODES = ["00", "01", "10", "20"]
COMMITS = 12


def files_of_one_sample(place: Path, code: str) -> Repository:
    """Return a repository with a file of data for each of some commits."""
    repo = new_repository(place)
    for number in range(COMMITS):
        with writing(repo) as writer:
            new = {f"k{number:02}": np.full((40,), number, "<i4")}
            if number == 0:
                create(writer.arraysets, "a", new, code)
            else:
                writer.arraysets["a"].update(new)
            writer.commit(f"commit {number}")
    return repo


@pytest.fixture(params=CODES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """The directory of such a repository, and the code of its backend."""
    files_of_one_sample(tmp_path, request.param)
    return tmp_path, request.param


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open so many more files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]  # so that no gap lies below the limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1 + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for one in taken:
            os.close(one)


def test_where_no_more_files_can_be_opened_that_is_said_and_no_damage(place: tuple[Path, str]) -> None:
    directory, code = place
    with closing(Repository(directory).checkout()) as reader:
        aset: Any = reader.arraysets["a"]
        assert aset["k00"][0] == 0  # whatever has to be imported is
        with descriptors_left(0), pytest.raises(StorageFailed, match=r"open files") as found:
            aset["k05"]
        assert Path(found.value.file).parent == directory / ".hangar" / "data" / code
        assert found.value.digest
        assert "ulimit -n" in str(found.value.hint)
        assert aset["k05"][0] == 5


def test_a_reader_of_packs_gives_mappings_up_before_it_fails(tmp_path: Path) -> None:
    repo = files_of_one_sample(tmp_path, "20")
    with closing(repo.checkout()) as reader:
        aset: Any = reader.arraysets["a"]
        assert aset["k00"][0] == 0
        with descriptors_left(3):
            for _ in range(2):
                assert [int(aset[key][0]) for key in aset] == list(range(COMMITS))


def test_a_folder_in_place_of_a_file_is_damage(place: tuple[Path, str]) -> None:
    directory, code = place
    for path in (directory / ".hangar" / "data" / code).iterdir():
        path.unlink()
        path.mkdir()
    with closing(Repository(directory).checkout()) as reader, pytest.raises(CorruptDataError) as found:
        reader.arraysets["a"]["k03"]
    assert found.value.digest


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_nobody_waits_for_a_named_pipe_in_place_of_a_file(place: tuple[Path, str]) -> None:
    directory, code = place
    for path in (directory / ".hangar" / "data" / code).iterdir():
        path.unlink()
        os.mkfifo(path)
    script = (
        "import sys\n"
        "from hangar_core import Repository\n"
        "from hangar_core.errors import Corrupt\n"
        "aset = Repository(sys.argv[1]).checkout().arraysets['a']\n"
        "for read in (lambda: aset['k00'], lambda: aset[['k01', 'k02']]):\n"
        "    try:\n        read()\n    except Corrupt as why:\n        print(why)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, directory], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("it is no file") == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("code", ["00", "10"])
def test_a_writer_leaves_alone_what_it_cannot_read(tmp_path: Path, code: str) -> None:
    repo = files_of_one_sample(tmp_path, code)
    strange = next((tmp_path / ".hangar" / "data" / code).iterdir()).with_stem("ab" * 16)
    os.mkfifo(strange)
    with writing(repo) as writer:
        writer.arraysets["a"]["more"] = np.zeros(40, "<i4")
        writer.commit("more")
    assert strange.exists()
