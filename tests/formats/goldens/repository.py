"""A repository that every later version has to open: what is in it, and how it was made."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import lmdb
import numpy as np

from hangar_core import Repository
from hangar_core.storage.tables import forget_tables

TIME = 1_767_225_600_000_000
BOOT = "golden boot"

# arrayset -> sample -> what it holds: an array, text, bytes or, where samples are nested, a dict of such
Content = dict[str, dict[str | int, Any]]


def first_commit() -> Content:
    """What the first commit holds, on the branch `master`."""
    numbers = np.arange(12, dtype="f4").reshape(3, 4)
    return {
        "images": {f"cat/{number:03}.png": np.full((2, 3, 3), number, "u1") for number in range(120)},
        "numbers": {0: numbers, 1: numbers * np.float32(2), 2**64 - 1: numbers + np.float32("nan"), "two": numbers},
        "flags": {"yes": np.array(True), "no": np.array(False)},
        "spectra": {"a": np.array([1 + 2j, -0.0 - 1j]), "b": np.array([complex(np.inf, np.nan)])},
        "dates": {7: np.array(["2026-01-01", "NaT"], "M8[D]")},
        "captions": {"empty": "", "cat/000.png": "Die Katze schläft.\n", 3: "\U0001f408 e\u0301 \u00e9"},
        "files": {"empty": b"", "header": bytes(range(256))},
        "volumes": {"left": {0: numbers, "mask": numbers * 0}, 5: {2**40: numbers + 1}},
    }


def second_commit() -> Content:
    """What the second commit, on the branch `dev`, makes of it: samples added, changed, removed, an arrayset less."""
    content = first_commit()
    content["images"]["文/é.png"] = np.full((2, 3, 3), 255, "u1")
    content["images"]["cat/007.png"] = np.zeros((2, 3, 3), "u1")
    del content["images"]["cat/000.png"], content["flags"]
    content["captions"]["cat/000.png"] = "awake"
    content["volumes"]["left"]["mask"] = np.full((3, 4), 9, "f4")
    return content


def staged() -> Content:
    """What lies in the staging log on top of that."""
    content = second_commit()
    content["numbers"][5] = np.full((3, 4), 5, "f4")
    del content["numbers"]["two"], content["volumes"][5]
    content["halves"] = {"h": np.array([0.5, -0.5], "f2")}
    content["captions"]["new"] = "not committed"
    return content


METADATA: dict[str, dict[str | int, str]] = {
    "first": {"author": "Zoë Müller", 1: "one\nline and another"},
    "second": {"author": "somebody else", 1: "one\nline and another"},
    "staged": {"author": "somebody else", 1: "one\nline and another", "note": "not committed"},
}


def make_repository(directory: Path) -> None:
    """Two commits on two branches, a tag, and changes that are staged."""
    repo = Repository(directory, exists=False)
    repo.init("Zoë Müller", "zoe@example.org")
    with _writer(repo) as checkout:
        make = checkout.arraysets
        make.init_arrayset("images", (2, 3, 3), "u1")
        make.init_arrayset("numbers", (3, 4), "f4")
        make.init_arrayset("flags", (), "?")
        make.init_arrayset("spectra", (4,), "c16", variable_shape=True)
        make.init_arrayset("dates", (2,), "M8[D]")
        make.init_str_arrayset("captions", backend_opts="20")
        make.init_bytes_arrayset("files", backend_opts="20")
        make.init_arrayset("volumes", (3, 4), "f4", contains_subsamples=True)
        for name, samples in first_commit().items():
            make[name].update(samples)
        for key, text in METADATA["first"].items():
            checkout.metadata[key] = text
        checkout.commit("first: images, numbers and more")
    repo.create_branch("dev")
    repo.tags.create("v1", message="the first one")
    with _writer(repo, "dev") as checkout:
        change = second_commit()
        images, captions = checkout.arraysets["images"], checkout.arraysets["captions"]
        images.update({key: change["images"][key] for key in ("文/é.png", "cat/007.png")})
        del images["cat/000.png"]
        captions["cat/000.png"] = change["captions"]["cat/000.png"]
        checkout.arraysets["volumes"].update({"left": {"mask": change["volumes"]["left"]["mask"]}})
        checkout.arraysets.remove_aset("flags")
        checkout.metadata["author"] = METADATA["second"]["author"]
        checkout.commit("second: changes\n\nthe body of the message")
    with _writer(repo, "dev") as checkout:
        change = staged()
        with checkout.arraysets["numbers"] as numbers:
            numbers.update({5: change["numbers"][5]})
            del numbers["two"]
        checkout.arraysets["captions"]["new"] = change["captions"]["new"]
        del checkout.arraysets["volumes"][5]
        checkout.arraysets.init_arrayset("halves", (2,), "f2").update(change["halves"])
        checkout.metadata["note"] = METADATA["staged"]["note"]


@contextmanager
def _writer(repo: Repository, branch: str = "") -> Iterator[Any]:
    checkout = repo.checkout(write=True, branch=branch)
    try:
        yield checkout
    finally:
        checkout.close()


@contextmanager
def _fixed_world() -> Iterator[None]:
    """Clock, random ids and the start of the machine as they were when the golden repository was made."""
    numbers = random.Random(20260101)
    clock = iter(range(TIME, TIME + 10**9, 1_000_000))
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(mock.patch("uuid.uuid4", side_effect=lambda: uuid.UUID(int=numbers.getrandbits(128), version=4)))
        enter(mock.patch("os.urandom", side_effect=numbers.randbytes))
        enter(mock.patch("time.time_ns", side_effect=(microseconds * 1000 for microseconds in clock)))
        for module in ("history.staging_opening", "history.staging_log", "storage.lock"):
            enter(mock.patch(f"hangar_core.{module}.boot_id", return_value=BOOT))
        yield


def repository_archive() -> bytes:
    """Return `.hangar` as tar.gz: without locks, the database compacted, nothing about the machine."""
    with tempfile.TemporaryDirectory() as scratch, _fixed_world():
        make_repository(Path(scratch))
        root = Path(scratch, ".hangar")
        compact = Path(scratch, "compact")
        compact.mkdir()
        forget_tables(root / "records")
        with lmdb.open(str(root / "records"), max_dbs=16) as environment:
            environment.copy(str(compact), compact=True)
        (compact / "data.mdb").replace(root / "records" / "data.mdb")
        (root / "records" / "lock.mdb").unlink()
        (root / "lock").unlink()
        return _tar(root)


def _tar(root: Path) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted([root, *root.rglob("*")]):
            info = tarfile.TarInfo(str(path.relative_to(root.parent)))
            info.type = tarfile.DIRTYPE if path.is_dir() else tarfile.REGTYPE
            info.mode = 0o755 if path.is_dir() else 0o644
            data = b"" if path.is_dir() else path.read_bytes()
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
