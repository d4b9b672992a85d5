"""How many bytes a difference adds and removes, by arrayset."""

from __future__ import annotations

import numpy as np
import pytest


def _bytes(diff):
    return {one.name: tuple(one.bytes()) for one in diff.statistics().arraysets}


def test_samples_of_one_size_are_multiplied(filled):
    assert _bytes(filled.diff("HEAD~1", "HEAD")) == {"numbers": (24, 0)}
    assert _bytes(filled.diff("HEAD", "HEAD~1")) == {"numbers": (0, 24)}
    writer = filled.checkout(write=True)
    writer["numbers", "a"] = np.full((2, 3), 9, np.float32)
    del writer.arraysets["numbers"]["b"]
    assert _bytes(filled.diff_staged()) == {"numbers": (24, 48)}
    del writer.arraysets["numbers"]
    assert _bytes(filled.diff_staged()) == {"numbers": (0, 72)}
    writer.close()


@pytest.mark.parametrize("backend", ["20", "00", "01", "10"])
def test_samples_of_any_size_are_looked_up_where_they_lie(repo, backend):
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("any", shape=(50,), dtype="u2", variable_shape=True, backend_opts=backend)
    aset["a"] = np.arange(7, dtype="u2")
    aset["b"] = np.arange(50, dtype="u2")
    aset["none"] = np.arange(0, dtype="u2")
    assert _bytes(repo.diff_staged()) == {"any": (114, 0)}
    writer.commit("first")
    aset["a"] = np.arange(9, dtype="u2")
    aset["c"] = aset["b"]
    del aset["none"]
    staged = _bytes(repo.diff_staged())
    assert staged == {"any": (118, 14)}
    writer.commit("second")
    writer.close()
    assert _bytes(repo.diff("HEAD~1")) == staged
    assert _bytes(repo.diff("HEAD", "HEAD~1")) == {"any": (14, 118)}


def test_text_and_bytes_are_counted_in_bytes(repo):
    writer = repo.checkout(write=True)
    text, raw = writer.add_str_arrayset("text"), writer.add_bytes_arrayset("raw", contains_subsamples=True)
    text["a"] = "grün"
    raw["x"] = {"one": b"123", "two": b""}
    assert _bytes(repo.diff_staged()) == {"raw": (3, 0), "text": (5, 0)}
    writer.commit("first")
    text["a"] = "rot"
    writer.commit("second")
    writer.close()
    assert _bytes(repo.diff("HEAD~1")) == {"text": (3, 5)}


def test_samples_compressed_together_have_the_size_of_their_data(repo):
    writer = repo.checkout(write=True)
    options = {"backend": "20", "codec": "zstd"}
    aset = writer.arraysets.init_arrayset("any", shape=(64,), dtype="u1", variable_shape=True, backend_opts=options)
    with aset:
        for number in range(40):
            aset[number] = np.full(64, number, "u1")
    writer.commit("first")
    del aset[0]
    writer.commit("second")
    writer.close()
    assert _bytes(repo.diff("HEAD~1")) == {"any": (0, 64)}
    assert _bytes(repo.diff("HEAD", "HEAD~1")) == {"any": (64, 0)}


def test_what_is_not_here_has_no_known_size(repo, tmp_path):
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("any", shape=(50,), dtype="u2", variable_shape=True)
    writer.commit("empty")
    aset["a"] = np.arange(7, dtype="u2")
    writer.commit("first")
    writer.close()
    for pack in (tmp_path / ".hangar" / "data" / "20").iterdir():
        pack.unlink()
    statistics = repo.diff("HEAD~1").statistics()
    assert statistics.arraysets[0].samples.added == 1
    assert statistics.arraysets[0].bytes() == (None, 0)
