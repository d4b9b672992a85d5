"""Files in an object store: a real S3 server on this machine, samples as from a folder, errors that are told."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository
from hangar_core.errors import FilesRejected, InvalidInput, RemoteFailed, TooManyRejected
from hangar_core.ingest import Limits

obstore = pytest.importorskip("obstore", reason="obstore is not installed")
pytest.importorskip("moto", reason="moto is not installed")


@contextmanager
def server(**environment):
    """An S3 server of moto's on a free port of this machine."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    try:
        for _ in range(600):
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def endpoint():
    with server() as address:
        yield address


@pytest.fixture
def bucket(endpoint, monkeypatch, request):
    """An empty bucket of this test's own, as its store; the variables of AWS lead to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.name))}"
    made = subprocess.run(
        [sys.executable, "-c", "import sys, urllib.request as u\nu.urlopen(u.Request(sys.argv[1], method='PUT'))",
         f"{endpoint}/{name}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return Bucket(name)


class Bucket:
    def __init__(self, name):
        from obstore.store import S3Store

        self.url = f"s3://{name}/"
        self.store = S3Store(name, client_options={"allow_http": True})

    def put(self, key, content):
        obstore.put(self.store, key, content)


def png(value, shape=(4, 6, 3)):
    content = io.BytesIO()
    Image.fromarray(np.full(shape, value, "u1")).save(content, "PNG")
    return content.getvalue()


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def samples(repo, name="images"):
    with closing(repo.checkout(write=True)) as co:
        return {key: co.arraysets[name][key] for key in co.arraysets[name]}


def test_objects_below_a_prefix_are_imported_as_a_folder_would_be(repo, bucket):
    for number, key in enumerate(["raw/cat/1.png", "raw/cat/2.png", "raw/dog/ü 1.png", "rawer/x.png", "raw/a.txt"]):
        bucket.put(key, png(number) if key.endswith("png") else b"text")
    bucket.put("raw/.hidden/1.png", png(9))
    bucket.put("raw/old/1.png", png(9))
    receipt = repo.ingest("images", f"{bucket.url}raw/", include=["*.png"], exclude=["old/"], labels_from_parent=True)
    assert (receipt.added, receipt.ignored_count) == (3, 1)
    assert {key: int(array.max()) for key, array in samples(repo).items()} == {"cat/1": 0, "cat/2": 1, "dog/ü 1": 2}
    assert samples(repo, "images.label") == {"cat/1": "cat", "cat/2": "cat", "dog/ü 1": "dog"}
    assert list((Path(repo.path) / ".hangar" / "tmp").iterdir()) == []


def test_one_object_and_a_prefix_without_a_slash(repo, bucket):
    bucket.put("raw/1.png", png(1))
    bucket.put("raw2/2.png", png(2))
    assert repo.ingest("images", f"{bucket.url}raw/1.png").added == 1
    assert repo.ingest("images", f"{bucket.url}raw2").added == 1
    assert set(samples(repo)) == {"1", "2"}


def test_a_second_import_fetches_nothing_and_a_changed_object_is_fetched_alone(repo, bucket):
    for number in range(5):
        bucket.put(f"raw/{number}.png", png(number))
    time.sleep(2.1)  # times are in seconds: what has just been written is looked at again
    repo.ingest("images", f"{bucket.url}raw/", commit="first")
    again = repo.ingest("images", f"{bucket.url}raw/", commit="again")
    assert (again.unchanged, again.bytes, again.commit) == (5, 0, None)
    bucket.put("raw/3.png", png(99))
    bucket.put("raw/5.png", png(5))
    changed = repo.ingest("images", f"{bucket.url}raw/", overwrite=True)
    assert (changed.added, changed.updated, changed.unchanged) == (1, 1, 4)
    assert int(samples(repo)["3"].max()) == 99


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_objects_come_in_order_through_threads_and_processes(repo, bucket, jobs):
    for number in range(70):
        key, content = (
            (f"{number:03}.npy", npy(np.full(3, number))) if number % 2 else (f"{number:03}.png", png(number))
        )
        bucket.put(f"raw/{key}", content)
    images = repo.ingest("images", f"{bucket.url}raw/", include=["*.png"], jobs=jobs)
    arrays = repo.ingest("arrays", f"{bucket.url}raw/", include=["*.npy"], jobs=jobs, limits=Limits(files=1))
    assert (images.added, arrays.added) == (35, 35)
    assert all(int(array.max()) == int(key) for key, array in samples(repo).items())
    assert all(int(array.max()) == int(key) for key, array in samples(repo, "arrays").items())


def test_a_bad_object_is_rejected_and_tried_again_when_it_is_asked_for(repo, bucket):
    bucket.put("raw/1.png", png(1))
    bucket.put("raw/2.png", png(2)[:-20])
    bucket.put("raw/3", b"what is this")
    plan = repo.plan_ingest("images", f"{bucket.url}raw/")
    assert {reject.source: reject.code for reject in plan.rejects} == {
        f"{bucket.url}raw/2.png": "truncated", f"{bucket.url}raw/3": "no-plugin",
    }  # fmt: skip
    with pytest.raises(FilesRejected):
        repo.ingest("images", f"{bucket.url}raw/")
    receipt = repo.ingest("images", f"{bucket.url}raw/", on_error="quarantine")
    assert (receipt.added, len(receipt.rejects)) == (1, 2)
    bucket.put("raw/2.png", png(2))
    mended = repo.ingest("images", [f"{bucket.url}raw/"], retry_quarantined=True, on_error="quarantine")
    assert mended.added == 1
    with pytest.raises(TooManyRejected):
        repo.ingest("images", f"{bucket.url}raw/", on_error="skip", max_errors=0)


def test_an_object_that_changes_or_goes_after_it_was_listed_is_rejected(repo, bucket, monkeypatch):
    for number in range(3):
        bucket.put(f"raw/{number}.png", png(number))
    from hangar_core.ingest.works import Spool

    def first_change(self, _iterate=Spool.__iter__):
        bucket.put("raw/1.png", png(50, (5, 5)))
        obstore.delete(bucket.store, "raw/2.png")
        return _iterate(self)

    monkeypatch.setattr(Spool, "__iter__", first_change)
    receipt = repo.ingest("images", f"{bucket.url}raw/", on_error="skip")
    assert {reject.source[-5:]: reject.code for reject in receipt.rejects} == {"1.png": "changed", "2.png": "vanished"}
    assert receipt.added == 1


def test_marks_of_folders_are_no_files_and_an_empty_prefix_is_told(repo, bucket, endpoint):
    import urllib.request

    bucket.put("raw/1.png", png(1))
    for mark in ("raw/", "raw/sub/"):
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket.url[5:]}{mark}", method="PUT", data=b""))
    bucket.put("raw/sub/2.png", png(2))
    assert repo.ingest("images", bucket.url).added == 2
    with pytest.raises(InvalidInput, match="nothing to import"):
        repo.ingest("images", f"{bucket.url}nowhere/")


def test_images_of_a_store_may_have_annotations_here(repo, bucket, tmp_path):
    pytest.importorskip("ijson", reason="ijson is not installed")
    bucket.put("val/a.png", png(1))
    (tmp_path / "a.json").write_text('{"images": [{"id": 1, "file_name": "a.png"}], "annotations": []}')
    assert repo.ingest("images", f"{bucket.url}val/", coco=tmp_path / "a.json").added == 1
    assert samples(repo, "images.annotations") == {"a": "[]"}


def test_a_store_that_cannot_be_reached_or_refuses_is_an_error_of_its_own(repo, bucket, monkeypatch):
    for address in ("s3://no-such-bucket-here/raw/", "s3:///raw/"):
        with pytest.raises(RemoteFailed) as refused:
            repo.ingest("images", address)
        assert refused.value.exit_code == 8
    with server(INITIAL_NO_AUTH_ACTION_COUNT="0") as strict:
        monkeypatch.setenv("AWS_ENDPOINT_URL", strict)
        with pytest.raises(RemoteFailed, match="cannot be read") as refused:
            repo.ingest("images", "s3://secret/raw/")
        assert "AWS_ACCESS_KEY_ID" in refused.value.hint


def test_an_import_goes_on_where_the_store_went_away(repo, monkeypatch, endpoint, bucket):
    from hangar_core.ingest import objects, publishing

    monkeypatch.setattr(publishing, "BATCH", 8)
    monkeypatch.setattr(objects, "_RETRY", {"max_retries": 0})
    for number in range(60):
        bucket.put(f"raw/{number:02}.png", png(number))
    fetched = objects._Bucket.fetch
    gone = threading.Event()

    def until_it_goes(self, work, key, target):
        if key == "raw/40.png" and not gone.is_set():
            gone.set()
            raise RemoteFailed(address=work.path, reason="connection reset")
        return fetched(self, work, key, target)

    monkeypatch.setattr(objects._Bucket, "fetch", until_it_goes)
    with pytest.raises(RemoteFailed):
        repo.ingest("images", f"{bucket.url}raw/", on_error="skip", jobs=1)
    there = len(samples(repo))
    assert 8 <= there <= 40
    assert repo.ingest("images", f"{bucket.url}raw/", on_error="skip").added == 60 - there
    assert len(samples(repo)) == 60
    assert list((Path(repo.path) / ".hangar" / "tmp").iterdir()) == []


def test_what_a_killed_import_has_left_is_removed_by_the_next(repo, bucket):
    left = Path(repo.path) / ".hangar" / "tmp" / "objects-left" / "1"
    left.mkdir(parents=True)
    (left / "1.png").write_bytes(png(1))
    bucket.put("raw/1.png", png(1))
    repo.ingest("images", f"{bucket.url}raw/")
    assert list((Path(repo.path) / ".hangar" / "tmp").iterdir()) == []


def test_the_command_imports_and_ends_with_8_without_a_store(bucket, tmp_path):
    bucket.put("raw/1.png", png(1))
    bucket.put("raw/1.txt", b"text")
    Repository(tmp_path, exists=False).init("Ada", "ada@example.org")

    def hangar(*words, **environment):
        return subprocess.run(
            [sys.executable, "-m", "hangar_cli", *words],
            cwd=tmp_path, capture_output=True, text=True, env={**os.environ, **environment},
        )  # fmt: skip

    done = hangar("import", "images", f"{bucket.url}raw/", "--include", "*.png")
    assert (done.returncode, "added 1" in done.stdout) == (0, True), done.stderr
    gone = hangar("import", "images", "s3://no-such-bucket/raw/")
    assert gone.returncode == 8
    assert gone.stderr.startswith("Error: `s3://no-such-bucket/raw/` cannot be read:")
    assert "Traceback" not in gone.stderr
