"""W2, a folder: JPEGs of 256x256x3, about 17 KB each, of smooth gradients and noise.

Stored as they are, against copying the files; decoded, against one write of the pixels with sync; the same pixels
through segments of worker processes on all cores, against the same floor. Imported as a folder: as originals that are
decoded to check them, against decoding on all cores; without a check, against git adding and committing them; as
pixels, against the slower of decoding and writing the pixels; again with nothing changed, against a look at each file.
Exported, against git checking them out. Decoding itself is not hangar's: its speed stands beside the others for
reference.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import alternate, emit, fresh
from hangar_core import Repository
from hangar_core.history.staging import StagingArea
from hangar_core.ingest.options import Choices
from hangar_core.model import Digest, User
from hangar_core.records.keys import encode_key
from hangar_core.storage.context import RepoContext
from hangar_core.storage.segments import Segment, SegmentWriter

DEFAULT_N = 5_000
_ROUNDS = 3
_SIDE = 256
_SHAPE = (_SIDE, _SIDE, 3)
_NOISE, _QUALITY = 8, 85  # about 17 KB
_SEGMENT = 256  # images, 50 MB of pixels

Pixels = NDArray[np.uint8]


def run(folder: Path, n: int) -> None:
    images = folder / "images"
    images.mkdir()
    decoded = folder / "pixels.npy"
    cores = os.cpu_count() or 1
    # Not forked: pools of programs with threads should not be, and it is all the same once they have begun.
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        paths = pool.map(partial(_draw, images), range(n), chunksize=64)
        np.lib.format.open_memmap(decoded, "w+", np.uint8, (n, *_SHAPE)).flush()
        decode_all = partial(pool.map, partial(_decode_into, decoded), list(enumerate(paths)), chunksize=64)
        decode_all()
        _originals(folder, paths)
        _pixels(folder, decoded, pool, n)
        one, every = alternate(1, lambda: [_decode(path) for path in paths], decode_all)
        _import(folder, images, decode_all, decoded, n)
        _beside_git(folder, images, n)
    emit("W2", "decode with Pillow, one core", n / one, "images/s", n=n)
    emit("W2", f"decode with Pillow, {cores} cores", n / every, "images/s", n=n)


def _originals(folder: Path, paths: list[Path]) -> None:
    n = len(paths)
    wrote, copied = alternate(
        _ROUNDS,
        fresh(folder / "originals", lambda place: _store_originals(place, paths)),
        fresh(folder / "copies", lambda place: [shutil.copyfile(path, place / path.name) for path in paths]),
    )
    emit("W2", "originals, ingest and commit", n / wrote, "images/s", n / copied, n)
    with closing(Repository(folder / "originals").checkout()) as reader:
        aset = reader.arraysets["images"]
        assert all(aset[path.stem] == path.read_bytes() for path in paths[:100])

        def one_by_one() -> None:
            for path in paths:
                aset[path.stem]

        def files() -> None:
            for path in paths:
                path.read_bytes()

        read, floor = alternate(_ROUNDS, one_by_one, files)
    emit("W2", "originals, read all one by one, verified", n / read, "images/s", n / floor, n)
    shutil.rmtree(folder / "originals")
    shutil.rmtree(folder / "copies")


def _pixels(folder: Path, decoded: Path, pool: Pool, n: int) -> None:
    pixels = np.load(decoded, mmap_mode="r")
    alone, together, floor = alternate(
        _ROUNDS,
        fresh(folder / "alone", lambda place: _store_pixels(place, pixels)),
        fresh(folder / "together", lambda place: _store_with_workers(place, decoded, pool, n)),
        fresh(folder / "floor", lambda place: _write(place, pixels)),
    )
    for name in "alone", "together":
        with closing(Repository(folder / name).checkout()) as reader:
            aset = reader.arraysets["images"]
            assert len(aset) == n
            assert all(np.array_equal(aset[key], pixels[key]) for key in range(0, n, max(1, n // 100)))
    cores = os.cpu_count() or 1
    emit("W2", "pixels, ingest and commit", n / alone, "images/s", n / floor, n)
    emit("W2", f"pixels, ingest and commit by segments of {cores} workers", n / together, "images/s", n / floor, n)


def _import(folder: Path, images: Path, decode_all: Callable[[], object], decoded: Path, n: int) -> None:
    pixels = np.load(decoded, mmap_mode="r")
    kept, flat, decoding, writing = alternate(
        _ROUNDS,
        fresh(folder / "imported", lambda place: _ingest(_repository(place), images)),
        fresh(folder / "flat", lambda place: _ingest(_repository(place), images, store="pixels")),
        decode_all,
        fresh(folder / "floor", lambda place: _write(place, pixels)),
    )
    emit("W2", "import and commit of the folder as originals, checked", n / kept, "images/s", n / decoding, n)
    emit("W2", "import and commit of the folder as pixels", n / flat, "images/s", n / max(decoding, writing), n)
    repo = Repository(folder / "imported")
    again, looked = alternate(
        _ROUNDS, lambda: _ingest(repo, images), lambda: [entry.stat() for entry in os.scandir(images)]
    )
    emit("W2", "import again, nothing changed", n / again, "files/s", n / looked, n)


def _beside_git(folder: Path, images: Path, n: int) -> None:
    """What git does with the same files: adds and commits them from where they lie, and checks them out."""
    if shutil.which("git") is None:
        return
    imported, added = alternate(
        _ROUNDS,
        fresh(folder / "unchecked", lambda place: _ingest(_repository(place), images, check=False)),
        fresh(folder / "git", lambda place: _git_add(place, images)),
    )
    emit("W2", "import and commit of the folder as originals, not checked", n / imported, "images/s", n / added, n)
    repo = Repository(folder / "unchecked")
    exported, checked_out = alternate(
        _ROUNDS,
        _another(folder / "exported", lambda place: repo.export("images", place)),
        _another(
            folder / "checked-out", lambda place: _git(folder / "git", place, "checkout", "--quiet", "-f", "HEAD")
        ),
    )
    for place in "exported", "checked-out":
        for path in sorted(images.iterdir()):
            assert all((one / path.name).read_bytes() == path.read_bytes() for one in (folder / place).iterdir())
    emit("W2", "export of originals", n / exported, "files/s", n / checked_out, n)


def _another(place: Path, work: Callable[[Path], object]) -> Callable[[], object]:
    """Return work that begins in a folder of its own each time; nothing is removed.

    A file system without a journal (ext4 of many virtual machines) passes over what was removed in the last minutes one
    by one whenever a file is made: after 5,000 removals that is ten times as slow, for git and for us.
    """
    place.mkdir()

    def call() -> object:
        return work(Path(tempfile.mkdtemp(dir=place)))

    return call


def _git_add(place: Path, images: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", place], check=True)  # noqa: S607 — the user's git
    _git(place, images, "add", "--all")
    _git(place, images, "-c", "user.name=Bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "-mall")


def _git(place: Path, tree: Path, *words: str) -> None:
    command = ["git", f"--git-dir={place}", f"--work-tree={tree}", "-c", "core.bare=false", *words]
    subprocess.run(command, cwd=tree, check=True)


def _ingest(repo: Repository, images: Path, **choices: Unpack[Choices]) -> None:
    receipt = repo.ingest("images", images, commit="all", **choices)
    assert receipt.added + receipt.unchanged == receipt.files


# --- what is measured -------------------------------------------------------------------------------------------------


def _repository(place: Path) -> Repository:
    repo = Repository(place, exists=False)
    repo.init("Bench", "bench@example.org")
    return repo


def _store_originals(place: Path, paths: list[Path]) -> None:
    with closing(_repository(place).checkout(write=True)) as writer:
        aset = writer.arraysets.init_bytes_arrayset("images", backend_opts="20")
        aset.update((path.stem, path.read_bytes()) for path in paths)
        writer.commit("all")


def _store_pixels(place: Path, pixels: Pixels) -> None:
    with closing(_repository(place).checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("images", shape=_SHAPE, dtype=np.uint8).update(enumerate(pixels))
        writer.commit("all")


def _store_with_workers(place: Path, decoded: Path, pool: Pool, n: int) -> None:
    with closing(_repository(place).checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("images", shape=_SHAPE, dtype=np.uint8)
    with StagingArea(RepoContext(place)) as staging:
        work = partial(_store_segment, staging.data.segment_directory, decoded)
        for start, digests, segment in pool.imap_unordered(work, range(0, n, _SEGMENT)):
            staging.data.adopt_segment(segment)
            staging.stage_samples("images", [(encode_key(start + at), one) for at, one in enumerate(digests)])
        staging.commit("all", User("Bench", "bench@example.org"), time.time_ns() // 1000)


def _store_segment(directory: Path, decoded: Path, start: int) -> tuple[int, list[Digest], Segment]:
    with SegmentWriter(directory) as worker:
        digests = worker.put_many(np.load(decoded, mmap_mode="r")[start : start + _SEGMENT])
        segment = worker.finish()
    assert segment is not None
    return start, digests, segment


def _write(place: Path, pixels: Pixels) -> None:
    with open(place / "bytes", "wb", buffering=0) as out:
        out.writelines(image.data for image in pixels)
        os.fsync(out.fileno())


# --- images -----------------------------------------------------------------------------------------------------------


def _draw(folder: Path, number: int) -> Path:
    """Write one image, which only its number determines."""
    from PIL import Image

    rng = np.random.default_rng(number)
    ramp = np.linspace(-0.5, 0.5, _SIDE, dtype=np.float32)
    down, across = rng.uniform(-120, 120, (2, 3)).astype(np.float32)
    noise = _NOISE * rng.standard_normal((_SIDE, _SIDE, 1), dtype=np.float32)
    image = 128 + down * ramp[:, None, None] + across * ramp[None, :, None] + noise
    path = folder / f"{number:06}.jpg"
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(path, quality=_QUALITY)
    return path


def _decode(path: Path) -> Pixels:
    from PIL import Image

    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.asarray(image)


def _decode_into(decoded: Path, numbered: tuple[int, Path]) -> None:
    number, path = numbered
    np.load(decoded, mmap_mode="r+")[number] = _decode(path)
