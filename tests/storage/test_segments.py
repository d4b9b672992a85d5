"""Segments: what worker processes store, one committer takes over whole, or refuses with a reason."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hangar_core import Repository
from hangar_core.backends.codecs import Compression
from hangar_core.backends.pack_frames import pack_path
from hangar_core.errors import BadSegment, ClosedError, StorageFailed, UnsupportedDtype
from hangar_core.hashing.arrays import array_digest
from hangar_core.storage.context import RepoContext
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import COMPRESSED, Layout
from hangar_core.storage.segments import Segment, SegmentWriter
from hangar_core.storage.tables import Tables

FIRST = np.arange(6, dtype="<i4").reshape(2, 3)
SECOND = np.linspace(0, 1, 5)
SMALL = [np.full(100, number, "<i4") for number in range(200)]
ZSTD = Compression("zstd", "a")


@pytest.fixture
def writer(layout: Layout, tables: Tables) -> Iterator[DataWriter]:
    """The one committer."""
    with closing(DataWriter(layout, tables)) as writer:
        yield writer


def made(writer: DataWriter, *samples: Any, codec: Compression | None = None) -> Segment:
    """Do a worker's work."""
    with SegmentWriter(writer.segment_directory, codec) as worker:
        worker.put_many(samples)
        segment = worker.finish()
    assert segment is not None
    return segment


def file_of(writer: DataWriter, segment: Segment) -> Path:
    return pack_path(writer.segment_directory, segment.uid)


def publish(writer: DataWriter, tables: Tables) -> None:
    """What a commit does with data."""
    writer.keep()
    writer.sync()
    with tables.write() as batch:
        batch.place(writer.staged.most, writer.locations)
        batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in writer.published().items()))
    writer.turn_over()


def packs(layout: Layout) -> set[Path]:
    return set(layout.data.rglob("*.pack"))


def left(layout: Layout) -> list[Path]:
    """What lies in `tmp`."""
    return sorted(layout.temporary.rglob("*"))


def same(one: Any, two: NDArray[Any]) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())


# --- many processes ---------------------------------------------------------------------------------------------------

WORKERS = 8
IMPORT = """
import multiprocessing, sys
import numpy as np
from hangar_core import Repository
from hangar_core.backends.codecs import Compression
from hangar_core.history.staging import StagingArea
from hangar_core.records.keys import encode_key
from hangar_core.storage.context import RepoContext
from hangar_core.storage.segments import SegmentWriter
from pathlib import Path

def sample(number):
    # what two workers have in common lies in blocks together with what only one of them has
    return np.random.default_rng(number).integers(0, 4, (5, number % 7 + 1), dtype="<i2")

def work(directory, codec, worker, out):
    numbers = range(worker * 30, worker * 30 + 60)
    with SegmentWriter(directory, Compression(codec, "a")) as segment:
        digests = segment.put_many(map(sample, numbers[:50]))
        digests += [segment.put(sample(number)) for number in numbers[50:]]
        out.send((list(numbers), digests, segment.finish()))

if __name__ == "__main__":
    place, method, codec = sys.argv[1:]
    repo = Repository(place, exists=False)
    repo.init("Ana Lopez", "ana@example.org")
    writer = repo.checkout(write=True)
    writer.arraysets.init_arrayset("a", shape=(5, 7), dtype="<i2", variable_shape=True, backend_opts={"codec": codec})
    writer.commit("empty")
    writer.close()
    context = multiprocessing.get_context(method)
    with StagingArea(RepoContext(Path(place))) as staging:
        pipes, processes = [], []
        for worker in range(8):
            pipe, out = context.Pipe(duplex=False)
            words = staging.data.segment_directory, codec, worker, out
            processes.append(context.Process(target=work, args=words))
            processes[-1].start()
            out.close()
            pipes.append(pipe)
        new = 0
        for pipe, process in zip(pipes, processes):
            numbers, digests, segment = pipe.recv()
            process.join()
            new += staging.data.adopt_segment(segment)
            staging.stage_samples("a", [(encode_key(key), one) for key, one in zip(numbers, digests)])
        staging.data.drop_segments()
    print(new)
    repo.commit("all")
"""


def imported(place: Path, method: str, codec: str) -> int:
    """Have eight workers store samples that overlap, commit them, and return how many were new."""
    script = place / "script.py"
    script.write_text(IMPORT)
    done = subprocess.run(
        [sys.executable, "-W", "error", script, place, method, codec],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def number_of(number: int) -> NDArray[Any]:
    return np.random.default_rng(number).integers(0, 4, (5, number % 7 + 1), dtype="<i2")


METHODS = [
    pytest.param("fork", "none", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")),
    pytest.param("spawn", "zstd"),
]


@pytest.mark.parametrize(("method", "codec"), METHODS)
def test_what_workers_stored_side_by_side_is_committed_read_and_repaired_bit_for_bit(
    tmp_path: Path, method: str, codec: str
) -> None:
    last = (WORKERS - 1) * 30 + 60
    assert imported(tmp_path, method, codec) == last, "what several workers have stored counts once"
    repo = Repository(tmp_path)

    def check() -> None:
        with closing(repo.checkout()) as reader:
            assert len(reader["a"]) == last
            for number in range(last):
                assert same(reader["a"][number], number_of(number))

    check()
    assert not left(Layout(tmp_path / ".hangar"))
    requires = json.loads((tmp_path / ".hangar" / "format.json").read_text())["requires"]
    assert (COMPRESSED in requires) == (codec == "zstd")
    tables = RepoContext(tmp_path).tables
    with tables.write() as batch, tables.read() as reader:
        for table in ("locations", "packs"):
            for key, _ in list(reader.items(table)):
                batch.delete(table, key)
    found = repo.repair()
    assert (found.restored, found.missing, found.damaged) == (last, (), ())
    check()
    repo.checkout(write=True).close()  # who opens a writer cuts and removes nothing of it
    check()


# --- one committer ----------------------------------------------------------------------------------------------------


def test_an_adopted_segment_is_a_pack_and_its_samples_are_staged(
    writer: DataWriter, tables: Tables, layout: Layout
) -> None:
    segment = made(writer, FIRST, SECOND, "text", b"bytes", FIRST)
    assert segment.samples == 4
    assert writer.adopt_segment(pickle.loads(pickle.dumps(segment))) == 4
    assert packs(layout) == {pack_path(layout.data / "20", segment.uid)}
    assert writer.published() == {segment.uid: segment.length}
    for _ in ("staged", "published"):
        assert same(writer.get(array_digest(FIRST)), FIRST)
        assert writer.get(writer.put("text")) == "text"
        assert writer.get(writer.put(b"bytes")) == b"bytes"
        publish(writer, tables)
    assert len(packs(layout)) == 1, "nothing of it was stored again"


@pytest.mark.parametrize("verify", [False, True])
def test_compressed_samples_alone_and_in_blocks_are_adopted(
    writer: DataWriter, tables: Tables, layout: Layout, verify: bool
) -> None:
    large = np.zeros(100_000)
    segment = made(writer, *SMALL, large, codec=ZSTD)
    assert segment.length < 20_000
    assert writer.adopt_segment(segment, verify=verify) == len(SMALL) + 1
    publish(writer, tables)
    assert COMPRESSED in json.loads(layout.format_file.read_text())["requires"]
    assert all(same(writer.get(array_digest(one)), one) for one in (*SMALL, large))


def test_a_segment_of_which_nothing_is_new_is_removed(writer: DataWriter, tables: Tables, layout: Layout) -> None:
    writer.put(FIRST)
    publish(writer, tables)
    writer.put(SECOND)
    before = packs(layout)
    segment = made(writer, FIRST, SECOND)
    assert writer.adopt_segment(segment) == 0
    assert packs(layout) == before
    assert not file_of(writer, segment).exists()


def test_a_segment_heals_published_data_that_are_damaged(
    writer: DataWriter, tables: Tables, layout: Layout, damage: Callable[..., Any]
) -> None:
    digest = writer.put(FIRST)
    publish(writer, tables)
    (pack,) = packs(layout)
    segment = made(writer, FIRST)
    with damage(pack, pack.stat().st_size - 8):
        assert writer.adopt_segment(segment) == 1
        publish(writer, tables)
        assert same(writer.get(digest), FIRST)


def test_an_empty_segment_is_none_and_leaves_no_file(writer: DataWriter, layout: Layout) -> None:
    with SegmentWriter(writer.segment_directory) as worker:
        assert worker.finish() is None
    assert left(layout) == [writer.segment_directory]


def test_what_is_dropped_before_a_commit_leaves_no_pack(writer: DataWriter, tables: Tables, layout: Layout) -> None:
    writer.adopt_segment(made(writer, FIRST))
    writer.keep()
    writer.turn_over()
    assert not packs(layout)
    writer.put(SECOND)
    publish(writer, tables)
    assert len(packs(layout)) == 1


def test_what_no_record_names_is_given_back_on_closing(layout: Layout, tables: Tables) -> None:
    writer = DataWriter(layout, tables)
    kept = made(writer, FIRST)
    writer.adopt_segment(kept)
    writer.keep()
    writer.adopt_segment(made(writer, SECOND))
    made(writer, SMALL[0])
    writer.close()
    assert packs(layout) == {pack_path(layout.data / "20", kept.uid)}
    assert not left(layout)


# --- workers that end early -------------------------------------------------------------------------------------------


def test_a_segment_that_is_abandoned_is_removed(writer: DataWriter, layout: Layout) -> None:
    with SegmentWriter(writer.segment_directory) as worker:
        worker.put(FIRST)
        assert len(left(layout)) == 2
    assert left(layout) == [writer.segment_directory]
    with pytest.raises(ClosedError):
        worker.put(SECOND)
    with pytest.raises(ClosedError):
        worker.finish()


def test_a_sample_that_cannot_be_stored_leaves_the_others(writer: DataWriter) -> None:
    with SegmentWriter(writer.segment_directory) as worker:
        worker.put(FIRST)
        with pytest.raises(UnsupportedDtype):
            worker.put_many([SECOND, np.array([object()])])
        segment = worker.finish()
    assert segment is not None
    assert writer.adopt_segment(segment, verify=True) == 1


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from hangar_core.storage.segments import SegmentWriter
worker = SegmentWriter(Path(sys.argv[1]))
worker.put(np.arange(5))
print("stored", flush=True)
sys.stdin.read()
worker.put(np.arange(6))
worker.finish()
again = SegmentWriter(Path(sys.argv[1]))
try:
    again.put(np.arange(7))
except Exception as why:
    print(type(why).__name__)
"""


def test_what_a_killed_worker_left_goes_and_living_ones_are_left_alone(
    writer: DataWriter, layout: Layout, start: Callable[..., Any]
) -> None:
    worker = start(KILLED, writer.segment_directory)
    assert worker.stdout.readline() == "stored\n"
    worker.kill()
    worker.wait(30)
    assert len(left(layout)) == 2
    living = SegmentWriter(writer.segment_directory)
    living.put(FIRST)
    writer.recover()  # as the one committer does, and none of its own is harmed by that
    segment = living.finish()
    assert segment is not None
    assert writer.adopt_segment(segment) == 1
    writer.drop_segments()
    assert not left(layout)


def test_the_next_writer_removes_what_a_killed_committer_left_and_its_workers_can_begin_nothing(
    layout: Layout, tables: Tables, start: Callable[..., Any]
) -> None:
    killed = DataWriter(layout, tables)  # and never closed
    worker = start(KILLED, killed.segment_directory)
    assert worker.stdout.readline() == "stored\n"
    (layout.temporary / "other").mkdir()
    with closing(DataWriter(layout, tables)) as writer:
        writer.recover()
        assert left(layout) == [layout.temporary / "other"], "only what is a committer's is removed"
        own = writer.segment_directory
        out, _ = worker.communicate("", timeout=30)
        assert out == "StorageFailed\n"
        assert left(layout) == sorted([own, layout.temporary / "other"])


FORKED = """
import os, sys
import numpy as np
from pathlib import Path
from hangar_core.errors import ForkedWriter
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.segments import SegmentWriter
from hangar_core.storage.tables import open_tables

layout = Layout(Path(sys.argv[1]))
writer = DataWriter(layout, open_tables(layout.records))
adopted = SegmentWriter(writer.segment_directory)
digests = [adopted.put(np.arange(5)), writer.put(np.arange(6))]
writer.adopt_segment(adopted.finish())
with SegmentWriter(writer.segment_directory) as worker:
    digests.append(worker.put(np.arange(7)))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            worker.put(np.arange(8))
        except ForkedWriter:
            worker.abandon()
            writer.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert writer.adopt_segment(worker.finish()) == 1
print([writer.get(digest).size for digest in digests])
writer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_neither_adds_to_nor_removes_what_its_parent_writes(
    layout: Layout, tables: Tables, run: Callable[..., str]
) -> None:
    assert run(FORKED, layout.root) == "[5, 6, 7]\n"


LARGE_IN_FORKED = """
import os, sys, threading
from pathlib import Path
import numpy as np
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.segments import SegmentWriter
from hangar_core.storage.tables import open_tables

layout = Layout(Path(sys.argv[1]))
writer = DataWriter(layout, open_tables(layout.records))
large = np.arange(1 << 20)
known = writer.put(large)
directory = writer.segment_directory
child = os.fork()
if child == 0:
    giving_up = threading.Timer(20, os._exit, [3])
    giving_up.daemon = True
    giving_up.start()
    code = 1
    try:
        with SegmentWriter(directory) as worker:
            code = 0 if worker.put(large) == known and worker.put(large + 1) != known else 2
    finally:
        os._exit(code)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
writer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_worker_stores_large_samples_after_its_parent_did(
    layout: Layout, tables: Tables, run: Callable[..., str]
) -> None:
    assert run(LARGE_IN_FORKED, layout.root) == "0\n"


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Let no file of this process grow beyond some bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("limit", [10, 64, 1000, 1_500_000])
def test_a_full_disk_is_said_and_nothing_is_left(
    writer: DataWriter, layout: Layout, small_files: Callable[[int], None], limit: int
) -> None:
    own = writer.segment_directory
    worker = SegmentWriter(own)
    small_files(limit)
    with pytest.raises(StorageFailed):
        worker.put_many([*SMALL[:5], np.random.default_rng(1).random((500, 600)), SECOND])
    assert left(layout) == [own]
    with pytest.raises(ClosedError):
        worker.finish()


def test_a_sync_that_fails_is_said_and_nothing_is_left(
    writer: DataWriter, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with SegmentWriter(writer.segment_directory) as worker:
        worker.put(FIRST)
        monkeypatch.setattr("hangar_core.files.sync_descriptor", fail)
        with pytest.raises(StorageFailed):
            worker.finish()
    assert left(layout) == [writer.segment_directory]


# --- descriptions that are not true -----------------------------------------------------------------------------------


def refused(writer: DataWriter, segment: Any, reason: str, *, verify: bool = False) -> None:
    """The segment is refused, and nothing has changed."""
    before = dict(writer.staged), writer.published()
    with pytest.raises(BadSegment, match=reason):
        writer.adopt_segment(segment, verify=verify)
    assert (dict(writer.staged), writer.published()) == before


FORGED: dict[str, tuple[Callable[[Segment], Any], str]] = {
    "a path": (lambda one: one._replace(uid=b"../../../../etc/x"), "no description"),
    "a text": (lambda one: one._replace(uid="../../data/20/0"), "no description"),
    "no numbers": (lambda one: one._replace(length=str(one.length)), "no description"),
    "true": (lambda one: one._replace(length=True), "no description"),
    "another uid": (lambda one: one._replace(uid=bytes(16)), "cannot be read"),
    "longer": (lambda one: one._replace(length=one.length + 8), "bytes instead of"),
    "endless": (lambda one: one._replace(length=1 << 62), "bytes instead of"),
    "negative": (lambda one: one._replace(length=-8), "no pack"),
    "not aligned": (lambda one: one._replace(length=one.length + 1), "no pack"),
    "nothing": (lambda one: one._replace(digests=b"", places=b""), "a place for each"),
    "half a digest": (lambda one: one._replace(digests=one.digests[:-1]), "a place for each"),
    "a place too few": (lambda one: one._replace(places=one.places[:-10]), "a place for each"),
    "a place twice": (lambda one: one._replace(places=one.places[:10] * 2), "twice"),
    "a digest twice": (lambda one: one._replace(digests=one.digests[:33] * 2), "twice"),
    "a digest of a commit": (lambda one: one._replace(digests=one.digests[:-1] + b"\x22"), "no digest of data"),
    "another digest": (lambda one: one._replace(digests=bytes(32) + b"\x01" + one.digests[33:]), "instead of"),
    "digests exchanged": (lambda one: one._replace(digests=one.digests[33:] + one.digests[:33]), "instead of"),
    "no frame": (lambda one: one._replace(places=b"\x48" + one.places[1:]), "no frame begins at 1"),
    "behind the end": (lambda one: one._replace(places=b"\xff" * 8 + one.places[8:]), "no frame begins at 1"),
    "in a block": (lambda one: one._replace(places=one.places[:8] + b"\0\0" + one.places[10:]), "no frame begins at 1"),
}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("how", FORGED)
def test_a_description_that_is_not_true_is_refused(writer: DataWriter, how: str, verify: bool) -> None:
    segment = made(writer, FIRST, SECOND)
    forge, reason = FORGED[how]
    refused(writer, forge(segment), reason, verify=verify)
    assert writer.adopt_segment(segment, verify=verify) == 2, "the segment itself is as good as before"


def test_a_place_in_a_block_that_has_no_such_sample_is_refused(writer: DataWriter) -> None:
    segment = made(writer, *SMALL, codec=ZSTD)
    last = segment.places[-10:-2] + (60_000).to_bytes(2, "little")
    refused(writer, segment._replace(places=segment.places[:-10] + last), "no frame begins at 1")


def test_a_frame_inside_of_data_is_no_frame(writer: DataWriter) -> None:
    """Bytes that look like a frame are data of the frame they lie in, whoever says what."""
    inner = made(writer, FIRST)
    trojan = file_of(writer, inner).read_bytes()[64:]
    outer = made(writer, trojan)
    at = file_of(writer, outer).read_bytes().index(trojan)
    forged = outer._replace(digests=inner.digests, places=at.to_bytes(8, "little") + b"\xff\xff")
    refused(writer, forged, "no frame begins at 1")


def test_a_segment_is_adopted_once(writer: DataWriter) -> None:
    segment = made(writer, FIRST)
    writer.adopt_segment(segment)
    refused(writer, segment, "cannot be read")


def test_a_pack_that_is_there_is_never_replaced(writer: DataWriter, tables: Tables, layout: Layout) -> None:
    segment = made(writer, FIRST)
    copy = file_of(writer, segment).read_bytes()
    digest = array_digest(FIRST)
    writer.adopt_segment(segment)
    publish(writer, tables)
    (pack,) = packs(layout)
    file_of(writer, segment).write_bytes(copy)
    pack.write_bytes(b"damaged, so that it is wanted again")
    refused(writer, segment, "already")
    assert pack.read_bytes() == b"damaged, so that it is wanted again"
    assert writer.locate(digest) is not None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_regular_file_is_refused(writer: DataWriter, tmp_path: Path, kind: str) -> None:
    segment = made(writer, FIRST)
    path = file_of(writer, segment)
    path.rename(tmp_path / "elsewhere")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    refused(writer, segment, "cannot be read|no regular file")


@pytest.mark.parametrize("offset", [0, 16, 35, 64, 66, 70, 80, 130, 155])
def test_damage_to_headers_is_found_without_reading_data(
    writer: DataWriter, damage: Callable[..., Any], offset: int
) -> None:
    segment = made(writer, FIRST)
    with damage(file_of(writer, segment), offset):
        refused(writer, segment, "not taken over")


@pytest.mark.parametrize("codec", [None, ZSTD])
def test_damage_to_data_is_found_when_nobody_is_believed(
    writer: DataWriter, damage: Callable[..., Any], codec: Compression | None
) -> None:
    segment = made(writer, *SMALL[:3], codec=codec)
    with damage(file_of(writer, segment), segment.length - 12):
        refused(writer, segment, "damaged", verify=True)
    assert writer.adopt_segment(segment, verify=True) == 3


def test_digests_in_a_block_that_are_not_those_of_its_data_are_found_when_nobody_is_believed(
    writer: DataWriter,
) -> None:
    segment = made(writer, *SMALL[:2], codec=ZSTD)
    forged = segment._replace(digests=segment.digests[33:] + segment.digests[:33])
    refused(writer, forged, "have the digest", verify=True)
