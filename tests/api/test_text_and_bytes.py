"""Arraysets of text and of bytes: what goes in comes out, of any length and any Unicode."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hangar_core import Repository
from hangar_core.backends.pack_20 import PackReader
from hangar_core.backends.pack_writer import PackWriter
from hangar_core.errors import CorruptDataError, FilesRejected, InvalidData, SampleNotFound
from hangar_core.hashing import digests
from hangar_core.model import Digest
from hangar_core.storage.tables import forget_tables

TEXTS = {
    "empty": "",
    "plain": "hello",
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "controls": "a\x00b\r\n\t\x7f",
    "far": "\U0001f680 \u202e\u6f22\u5b57 \U0010ffff",
    "long": "\u00e9\n" * 700_000,
}
BLOBS = {"empty": b"", "zero": b"\0", "every": bytes(range(256)), "utf8": "é".encode(), "long": bytes(1 << 21)}


@pytest.mark.parametrize(("make", "samples"), [("add_str_arrayset", TEXTS), ("add_bytes_arrayset", BLOBS)])
def test_samples_come_back_as_they_were_staged_committed_and_reopened(repo, writer, make, samples):
    aset = getattr(writer, make)("x")
    with aset:
        for name, sample in samples.items():
            aset[name] = sample
    assert dict(aset.items()) == samples
    writer.commit("c")
    assert {name: writer["x", name] for name in samples} == samples
    with repo.checkout() as reader:
        found = reader["x"]
        assert dict(found.items()) == samples
        assert {type(sample) for sample in found.values()} == {type(samples["empty"])}
        assert found.dtype is type(samples["empty"])
        assert (found.shape, found.variable_shape, found.contains_subsamples) == ((), True, False)
    reader.close()


def test_text_is_not_normalised(writer):
    aset = writer.add_str_arrayset("x")
    aset["one"], aset["two"] = "\u00e9", "e\u0301"
    assert (len(aset["one"]), len(aset["two"])) == (1, 2)
    assert aset.digest("one") != aset.digest("two")


def test_equal_content_of_another_kind_is_another_sample(writer):
    text, blob = writer.add_str_arrayset("text"), writer.add_bytes_arrayset("bytes")
    array = writer.add_ndarray_arrayset("array", shape=(3,), dtype="u1")
    text["a"], blob["a"], array["a"] = "abc", b"abc", np.frombuffer(b"abc", "u1")
    assert len({aset.digest("a") for aset in (text, blob, array)}) == 3
    assert (text["a"], blob["a"], array["a"].tobytes()) == ("abc", b"abc", b"abc")


@pytest.mark.parametrize("data", [b"bytes", np.array(["a"]), 7, None, ["a"]])
def test_what_is_no_text_is_refused_and_nothing_staged(writer, data):
    aset = writer.add_str_arrayset("x")
    with pytest.raises(InvalidData, match="`data` argument type: "):
        aset["a"] = data
    with pytest.raises(InvalidData, match="`data` argument type: "):
        aset.update({"ok": "text", "a": data})
    assert len(aset) == 0


@pytest.mark.parametrize("data", ["text", np.zeros(2, "u1"), 7, None, [1]])
def test_what_is_no_bytes_is_refused(writer, data):
    aset = writer.add_bytes_arrayset("x")
    with pytest.raises(InvalidData, match="`data` argument type: "):
        aset["a"] = data
    assert len(aset) == 0


def test_buffers_are_taken_as_bytes(writer):
    aset = writer.add_bytes_arrayset("x")
    aset["array"], aset["view"] = bytearray(b"abc"), memoryview(b"abcdef")[::2]
    assert (aset["array"], aset["view"]) == (b"abc", b"ace")


def test_half_of_a_surrogate_pair_is_refused(writer):
    aset = writer.add_str_arrayset("x")
    with pytest.raises(InvalidData, match="surrogate"):
        aset["a"] = "\ud800"
    assert "a" not in aset


def test_text_does_not_go_into_arraysets_of_arrays(writer):
    aset = writer.add_ndarray_arrayset("x", shape=(1,), dtype="i4")
    for data in ("text", b"bytes"):
        with pytest.raises(InvalidData):
            aset["a"] = data


def test_arraysets_without_names_make_names_up(writer):
    aset = writer.add_str_arrayset("x", named_samples=False)
    name = aset.add("one")
    assert aset[name] == "one"


@given(texts=st.dictionaries(st.integers(0, 9), st.text(max_size=50)), blobs=st.lists(st.binary(max_size=50)))
@settings(deadline=None, max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_and_any_bytes_survive(repo, texts, blobs):
    with_names = dict(enumerate(blobs))
    writer = repo.checkout(write=True)
    try:
        writer.reset_staging_area()
        text, blob = writer.add_str_arrayset("text"), writer.add_bytes_arrayset("bytes")
        text.update(texts)
        blob.update(with_names)
        assert (dict(text.items()), dict(blob.items())) == (texts, with_names)
    finally:
        writer.close()
    again = repo.checkout(write=True)
    try:
        assert (dict(again["text"].items()), dict(again["bytes"].items())) == (texts, with_names)
    finally:
        again.close()


def test_what_was_staged_survives_the_death_of_the_process(repo):
    script = f"""
import os, signal
from hangar_core import Repository
writer = Repository({str(repo.path)!r}).checkout(write=True)
writer.add_str_arrayset("text")["a"] = "h\\u00e9llo"
writer.add_bytes_arrayset("bytes")["a"] = b"\\0\\xff"
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    writer = repo.checkout(write=True)
    assert (writer["text", "a"], writer["bytes", "a"]) == ("h\u00e9llo", b"\0\xff")
    writer.commit("c")
    writer.close()


def test_merging_keeps_both_sides_and_names_what_conflicts(repo, writer):
    aset = writer.add_str_arrayset("x")
    aset["both"] = "base"
    writer.commit("base")
    writer.close()
    repo.create_branch("dev")
    for branch, key in (("dev", "theirs"), ("master", "ours")):
        side = repo.checkout(write=True, branch=branch)
        side["x", key] = key
        side["x", "both"] = branch
        side.commit(branch)
        side.close()
    assert repo.merging.merge("dev") is None
    (conflict,) = repo.merging.conflicts()
    assert (conflict.arrayset, conflict.key, conflict.kind) == ("x", "both", "t3")
    with pytest.raises(InvalidData):
        repo.merging.take("x", "both", np.zeros(1))
    repo.merging.take("x", "both", "neither")
    repo.merging.conclude("merged")
    with repo.checkout() as reader:
        assert dict(reader["x"].items()) == {"both": "neither", "ours": "ours", "theirs": "theirs"}
    reader.close()


def test_text_has_a_history_and_diffs(repo, writer):
    aset = writer.add_str_arrayset("x")
    for text in ("one", "two"):
        aset["a"] = text
        writer.commit(text)
    assert [event.kind for event in repo.history("x", "a")] == ["mutated", "added"]
    (row,) = repo.diff("HEAD~1", "HEAD").rows()
    assert (row.kind, row.arrayset, row.key) == ("mutated", "x", "a")


def test_files_of_numbers_do_not_become_text_and_nested_samples_no_files_and_both_say_so(repo, writer, tmp_path):
    writer.add_str_arrayset("x")["a"] = "text"
    writer.add_bytes_arrayset("n", contains_subsamples=True)["a"] = {"b": b"c"}
    writer.commit("c")
    writer.close()
    np.save(tmp_path / "a.npy", np.zeros(3))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InvalidData, match="only arraysets of plain arrays can be exported"):
        repo.export("n", out)
    with pytest.raises(InvalidData, match="only arraysets of plain arrays can be viewed"):
        repo.view("n", "a")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("x", tmp_path / "a.npy")
    assert [reject.code for reject in caught.value.rejects] == ["kind"]
    with pytest.raises(InvalidData, match="only arraysets of plain arrays can be imported into"):
        repo.ingest("n", tmp_path / "a.npy")
    assert list(out.iterdir()) == []
    assert repo.status().clean


def test_damaged_text_is_an_error_and_never_other_text(tmp_path: Path):
    repo = Repository(tmp_path, exists=False)
    repo.init("Ada", "ada@example.org")
    writer = repo.checkout(write=True)
    writer.add_str_arrayset("x")["a"] = "the quick brown fox"
    writer.commit("c")
    writer.close()
    forget_tables(tmp_path / ".hangar/data/30")
    values = tmp_path / ".hangar/data/30/data.mdb"
    data = bytearray(values.read_bytes())
    data[data.index(b"quick")] ^= 1
    values.write_bytes(data)
    reader = repo.checkout()
    with pytest.raises(CorruptDataError):
        reader["x", "a"]
    with pytest.raises(SampleNotFound):
        reader["x", "b"]
    reader.close()


@pytest.mark.parametrize(
    ("code", "dtype", "shape", "payload"),
    [
        (digests.TEXT, "bytes", (3,), b"abc"),
        (digests.TEXT, "|u1", (3,), b"abc"),
        (digests.TEXT, "text", (4,), b"abc"),
        (digests.TEXT, "text", (3,), b"a\xffc"),
        (digests.BYTES, "text", (3,), b"abc"),
        (digests.BYTES, "bytes", (), b"a"),
        (digests.ARRAY, "text", (3,), b"abc"),
        (digests.NODE, "bytes", (3,), b"abc"),
    ],
)
def test_a_frame_that_is_not_what_its_digest_says_is_damaged(tmp_path, code, dtype, shape, payload):
    digest = Digest(bytes(32) + bytes([code]))
    packs = PackWriter(tmp_path / "20")
    location = packs.append(digest, dtype, shape, payload)
    packs.sync()
    with pytest.raises(CorruptDataError):
        PackReader(tmp_path / "20").read(digest, location)
    packs.close(keep=0)
