"""PACK_20 passes the contract of backends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from later import seal_again

from hangar_core import Repository
from hangar_core.backends.options import compression
from hangar_core.errors import InvalidInput
from hangar_core.testing import BackendContract


class TestPacks(BackendContract):
    code = "20"

    def make_newer(self, directory: Path) -> None:
        for path in directory.glob("*.pack"):
            seal_again(path, at=0, covered=32)


# --- codecs ---------------------------------------------------------------------------------------------------------


def sparse(count: int) -> dict[int, Any]:
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 256, (count, 300), dtype=np.uint8)
    return dict(enumerate(np.where(rng.random((count, 300)) < 0.1, rows, np.uint8(0))))


def size_of_packs(repo: Repository) -> int:
    return sum(path.stat().st_size for path in Path(repo.path).rglob("*.pack"))


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A fresh repository."""
    repo = Repository(tmp_path, exists=False)
    repo.init("Ana Lopez", "ana@example.org")
    return repo


@pytest.mark.parametrize("codec", ["none", "zstd", "auto"])
def test_a_codec_is_recorded_and_samples_come_back_under_it(repo: Repository, tmp_path: Path, codec: str) -> None:
    samples = sparse(400)
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("a", prototype=samples[0], backend_opts={"codec": codec})
        assert (aset.backend, aset.backend_opts) == ("20", {"codec": codec})
        aset.update(samples)
        aset["late"] = samples[3] + np.uint8(1)
        writer.commit("all")
    requires = json.loads((tmp_path / ".hangar" / "format.json").read_text())["requires"]
    assert requires == ["compact-1", "pack-20", *([] if codec == "none" else ["pack-20-zstd"])]
    found = repo.checkout().arraysets["a"]
    assert (found.backend, found.backend_opts) == ("20", {"codec": codec})
    assert all(np.array_equal(found[key], sample) for key, sample in samples.items())
    assert np.array_equal(found["late"], samples[3] + np.uint8(1))
    assert (size_of_packs(repo) < 60_000) == (codec != "none")
    assert np.array_equal(found.get_batch(list(range(400))), np.stack(list(samples.values())))
    assert not found.get(7, copy=False).flags.writeable
    assert np.array_equal(found.get(7, window=(slice(10, 40),)), samples[7][10:40])


def test_the_codec_of_nested_arraysets_and_of_text_counts_too(repo: Repository) -> None:
    samples, words = sparse(200), {f"k{number}": f"the same words {number}" for number in range(300)}
    with closing(repo.checkout(write=True)) as writer:
        asets = writer.arraysets
        nested = asets.init_arrayset(
            "n", prototype=samples[0], contains_subsamples=True, backend_opts={"backend": "20", "codec": "zstd"}
        )
        nested.update({"first": samples})
        nested["second"] = {number: samples[number] for number in range(3)}
        asets.init_str_arrayset("t", backend_opts={"backend": "20", "codec": "zstd"}).update(words)
        writer.commit("all")
    found = repo.checkout().arraysets
    assert all(np.array_equal(found["n"]["first"][key], sample) for key, sample in samples.items())
    assert dict(found["t"].items()) == words
    assert size_of_packs(repo) < 30_000


def test_staged_samples_in_blocks_are_there_for_the_next_writer(repo: Repository) -> None:
    """What a writer left behind is replayed from the staging log."""
    samples = sparse(500)
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("a", prototype=samples[0], backend_opts={"codec": "zstd"})
        aset.update((key, samples[key]) for key in range(250))
        aset["one"] = samples[400]
        aset.update((key, samples[key]) for key in range(250, 300))
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets["a"]
        assert len(aset) == 301
        assert all(np.array_equal(aset[key], samples[key]) for key in range(300))
        aset.update((key, samples[key]) for key in range(300, 500))
        writer.commit("all")
    found = repo.checkout().arraysets["a"]
    assert all(np.array_equal(found[key], samples[key]) for key in range(500))
    assert np.array_equal(found["one"], samples[400])


def test_a_change_of_codec_leaves_earlier_samples_readable(repo: Repository) -> None:
    samples = sparse(300)
    codecs: list[Any] = ["20", {"backend": "20", "codec": "zstd"}, "10", {"codec": "auto"}, {"codec": "none"}]
    for turn, chosen in enumerate(codecs):
        with closing(repo.checkout(write=True)) as writer:
            if turn == 0:
                writer.arraysets.init_arrayset("a", prototype=samples[0], backend_opts=chosen)
            else:
                writer.arraysets["a"].change_backend(chosen)
            writer.arraysets["a"].update((key, samples[key]) for key in range(turn * 60, turn * 60 + 60))
            writer.commit(f"turn {turn}")
    found = repo.checkout().arraysets["a"]
    assert found.backend_opts == {"codec": "none"}
    assert all(np.array_equal(found[key], samples[key]) for key in range(300))


@pytest.mark.parametrize(
    "options", [{"codec": "lzma"}, {"codec": None}, {"codec": 1}, {"codec": ["zstd"]}, {"level": 3}, {3: 3}]
)
def test_an_unknown_codec_or_option_is_refused_and_says_which_there_are(repo: Repository, options: Any) -> None:
    with closing(repo.checkout(write=True)) as writer:
        with pytest.raises(InvalidInput, match="codec"):
            writer.arraysets.init_arrayset("a", shape=(3,), dtype="f4", backend_opts={"backend": "20", **options})
        assert "a" not in writer.arraysets


def test_a_codec_that_only_a_later_version_knows_is_written_as_no_codec() -> None:
    assert compression("a", {"backend": "20", "backend.codec": '"brotli"'}) is None
    assert compression("a", {"backend": "00", "backend.codec": '"zstd"'}) is None
    wanted = compression("a", {"backend.codec": '"zstd"'})
    assert wanted is not None
    assert (wanted.codec, wanted.arrayset) == ("zstd", "a")


_KILLED = """
import os, signal, sys
import numpy as np
from hangar_core import Repository
rows = np.load(sys.argv[2])
writer = Repository(sys.argv[1]).checkout(write=True)
aset = writer.arraysets.init_arrayset("a", prototype=rows[0], backend_opts={"codec": "zstd"})
aset.update((key, rows[key]) for key in range(200))
aset["one"] = rows[200]
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_compressed_samples_survive_a_kill_once_they_were_stored(repo: Repository, tmp_path: Path) -> None:
    samples = sparse(201)
    np.save(tmp_path / "rows.npy", np.stack(list(samples.values())))
    words = [sys.executable, "-W", "error", "-c", _KILLED, str(tmp_path), str(tmp_path / "rows.npy")]
    assert subprocess.run(words, timeout=60, check=False).returncode == -signal.SIGKILL
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets["a"]
        assert all(np.array_equal(aset[key], samples[key]) for key in range(200))
        assert np.array_equal(aset["one"], samples[200])
        writer.commit("rescued")
    assert repo.repair().whole == 201
