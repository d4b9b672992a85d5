"""Imports on a Dask cluster of several processes: the same result as here; a worker that dies costs a retry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import InvalidInput, RemoteFailed
from hangar_core.external import BasePlugin, plugin_manager
from hangar_core.testing import ExecutorContract

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are killed by signals")

_CLUSTER = """
import sys
import dask
from distributed import LocalCluster
if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.allowed-failures": 1})
    count = int(sys.argv[1])
    with LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
_PLUGIN = '''
import os, signal, time
from pathlib import Path
import numpy as np
from hangar_core.external import BasePlugin

class Plugin(BasePlugin):
    """Does what the file says."""
    RELEASES_GIL = True

    def __init__(self):
        super().__init__(provides=["load"], accepts=["deed"])

    def load(self, fpath, *, mark=""):
        word = Path(fpath).read_text()
        if word == "die":
            os._exit(3)
        if word == "sleep":
            Path(mark).touch()
            time.sleep(60)
        if word == "lose the machine" or (word == "lose the machine once" and not Path(mark).exists()):
            Path(mark).touch()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if word == "rows":
            return ((np.full(3, row), row) for row in range(2500))
        if word == "parts":
            return {"left": np.zeros(2), "note": "text", "raw": b"bytes"}, self.sample_name(fpath)
        return np.full(3, float(len(word))), self.sample_name(fpath)
'''


@contextmanager
def running_cluster(workers: int) -> Iterator[tuple[str, int]]:
    """Run a scheduler and workers, each a process; give its address, and the number of the process of the scheduler."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER, str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        yield address.replace("tcp://", "dask://"), process.pid
    finally:
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An installed plugin for .deed files, found by the workers too."""
    place = tmp_path_factory.mktemp("packages")
    facts = place / "hangar_deed-1.0.dist-info"
    facts.mkdir()
    (place / "hangar_deed.py").write_text(_PLUGIN)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: hangar-deed\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[hangar.external.plugins]\ndeed = hangar_deed:Plugin\n")
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(place))
    patch.setenv("PYTHONPATH", str(place), prepend=os.pathsep)
    plugin_manager().refresh()
    yield
    sys.modules.pop("hangar_deed", None)
    patch.undo()
    plugin_manager().refresh()


@pytest.fixture(scope="module")
def cluster(stranger: None) -> Iterator[str]:
    with running_cluster(3) as (address, _):
        yield address


@pytest.fixture
def deeds(tmp_path: Path) -> Path:
    """Enough files for two chunks, all of them good."""
    folder = tmp_path / "deeds"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.deed").write_text("x" * (number + 1))
    return folder


def _content(repo: Repository, arrayset: str = "x") -> dict:
    writer = repo.checkout(write=True)
    found = {key: value.tolist() for key, value in writer.arraysets[arrayset].items()}
    writer.close()
    return found


class TestDask(ExecutorContract):
    @pytest.fixture
    def address(self, cluster: str) -> str:
        return cluster


def test_the_result_is_that_of_this_machine_alone(repo: Repository, cluster: str, deeds: Path) -> None:
    (deeds / "table.deed").write_text("rows")
    (deeds / "twin.deed").write_text("x")
    assert repo.ingest("x", deeds, executor=cluster).added == 2801
    repo.ingest("y", deeds, jobs=1)
    assert list(_content(repo).items()) == list(_content(repo, "y").items())
    assert list(repo._context.layout.temporary.iterdir()) == []
    # Another time nothing is read, and nobody has to be there for that.
    assert repo.ingest("x", deeds, executor="dask://127.0.0.1:1").unchanged == 2801


def test_parts_of_a_file_come_from_a_cluster_too(repo: Repository, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "parts.deed").write_text("parts")
    receipt = repo.ingest("y", tmp_path / "parts.deed", executor=cluster)
    assert {name: schema.kind for name, schema in receipt.arraysets.items()} == {
        "y.left": "array",
        "y.note": "text",
        "y.raw": "bytes",
    }


def test_a_worker_that_dies_in_the_middle_costs_a_retry(
    repo: Repository, cluster: str, deeds: Path, tmp_path: Path
) -> None:
    (deeds / "270.deed").write_text("lose the machine once")
    mark = tmp_path / "mark"
    receipt = repo.ingest("x", deeds, executor=cluster, plugin_options={"mark": str(mark)}, commit="all")
    assert mark.exists()
    assert (receipt.added, receipt.rejects) == (300, ())
    expected = {f"{number:03}": [number + 1.0] * 3 for number in range(300)} | {"270": [21.0] * 3}
    assert _content(repo) == expected
    assert not repo.repair().missing
    assert list(repo._context.layout.temporary.iterdir()) == []


def test_files_that_kill_every_worker_end_the_import_and_nothing_is_staged(
    repo: Repository, cluster: str, tmp_path: Path
) -> None:
    (tmp_path / "a.deed").write_text("lose the machine")
    with pytest.raises(RemoteFailed, match="several workers died") as failed:
        repo.ingest("x", tmp_path / "a.deed", executor=cluster, plugin_options={"mark": str(tmp_path / "mark")})
    assert failed.value.exit_code == 8
    assert repo.status().clean
    assert list(repo._context.layout.temporary.iterdir()) == []


def test_a_file_that_brings_its_decoder_down_costs_that_file_only(
    repo: Repository, cluster: str, tmp_path: Path
) -> None:
    deeds = tmp_path / "few"
    deeds.mkdir()
    for number in range(5):
        (deeds / f"{number}.deed").write_text("die" if number == 2 else "x" * (number + 1))
    receipt = repo.ingest("x", deeds, executor=cluster, on_error="skip")
    assert [(Path(one.source).name, one.code) for one in receipt.rejects] == [("2.deed", "worker-crashed")]
    assert _content(repo) == {str(number): [number + 1.0] * 3 for number in (0, 1, 3, 4)}


def test_workers_may_write_to_a_shared_folder(repo: Repository, cluster: str, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "table.deed").write_text("rows")
    assert repo.ingest("x", tmp_path / "table.deed", executor=cluster, shared=shared, commit="all").added == 2500
    assert list(shared.iterdir()) == []
    assert _content(repo)[7] == [7.0] * 3
    assert not repo.repair().missing


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system at hand")
def test_the_shared_folder_may_lie_on_another_file_system(repo: Repository, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "table.deed").write_text("rows")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared:
        if os.stat(shared).st_dev == os.stat(repo.path).st_dev:
            pytest.skip("it is the same file system")
        assert repo.ingest("x", tmp_path / "table.deed", executor=cluster, shared=shared, commit="all").added == 2500
        assert os.listdir(shared) == []
    assert _content(repo)[7] == [7.0] * 3
    assert not repo.repair().missing


def test_a_cluster_that_goes_away_is_said_and_nothing_is_staged(
    repo: Repository, stranger: None, deeds: Path, tmp_path: Path
) -> None:
    (deeds / "270.deed").write_text("sleep")
    mark = tmp_path / "mark"
    with running_cluster(1) as (address, scheduler):

        def stop() -> None:
            while not mark.exists():
                time.sleep(0.05)
            os.kill(scheduler, signal.SIGKILL)

        threading.Thread(target=stop, daemon=True).start()
        with pytest.raises(RemoteFailed):
            repo.ingest("x", deeds, executor=address, plugin_options={"mark": str(mark)})
    assert repo.status().clean


def test_an_address_where_nobody_answers_is_said(repo: Repository, deeds: Path, monkeypatch) -> None:
    from hangar_dask.executor import DaskExecutor

    with pytest.raises(RemoteFailed, match="no Dask scheduler answers"):
        DaskExecutor("dask://127.0.0.1:1", patience=0.5)
    with pytest.raises(InvalidInput, match="No executor for the address"):
        repo.ingest("x", deeds, executor="nobody://127.0.0.1:1")


def test_what_does_not_go_together_is_refused(repo: Repository, deeds: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`jobs`"):
        repo.ingest("x", deeds, executor="dask://127.0.0.1:1", jobs=2)
    with pytest.raises(InvalidInput, match="`shared`"):
        repo.ingest("x", deeds, shared=tmp_path)
    with pytest.raises(InvalidInput, match="is none"):
        repo.ingest("x", deeds, executor="dask://127.0.0.1:1", shared=tmp_path / "nowhere")


def test_a_plugin_of_this_process_only_is_refused(repo: Repository, cluster: str, tmp_path: Path) -> None:
    class Here(BasePlugin):
        def __init__(self) -> None:
            super().__init__(provides=["load"], accepts=["here"])

        def load(self, fpath):
            return np.zeros(1), "x"

    manager = plugin_manager()
    manager.register("here", Here())
    try:
        (tmp_path / "a.here").write_text("x")
        with pytest.raises(InvalidInput, match="in this process only"):
            repo.ingest("x", tmp_path / "a.here", executor=cluster)
    finally:
        manager.refresh()
