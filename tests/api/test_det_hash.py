"""What is in a repository is hashed by the digest that it has already: nothing is read."""

from __future__ import annotations

import pickle
from contextlib import closing

import numpy as np
import pytest

from hangar_core.errors import NotHashable, NotPicklable, SampleNotFound
from hangar_core.hashing import det_hash


@pytest.fixture
def without_data(filled, monkeypatch):
    """The repository, which cannot read data any more."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("data were read")

    from hangar_core.storage.datastore import DataReader

    for name in ("get", "raw", "get_many", "get_run", "get_spotted", "view", "view_spotted"):
        monkeypatch.setattr(DataReader, name, refuse)
    return filled


def test_an_arrayset_counts_by_schema_and_samples_and_is_not_read(without_data):
    with (
        closing(without_data.checkout(commit="HEAD~1")) as before,
        closing(without_data.checkout()) as now,
        closing(without_data.checkout()) as again,
    ):
        assert det_hash(now["numbers"]) == det_hash(again["numbers"]) != det_hash(before["numbers"])
        assert det_hash([now["numbers"], 1]) != det_hash([before["numbers"], 1])
        assert det_hash(now) == det_hash(again) != det_hash(before)


def test_the_name_of_an_arrayset_and_the_way_to_its_content_do_not_count(repo):
    with closing(repo.checkout(write=True)) as writer:
        for name, order in (("one", "abc"), ("two", "cba")):
            aset = writer.arraysets.init_arrayset(name, shape=(2,), dtype=np.uint8)
            for key in order:
                aset[key] = np.full(2, ord(key), np.uint8)
        writer.commit("both")
    with closing(repo.checkout()) as reader:
        assert det_hash(reader["one"]) == det_hash(reader["two"])


def test_a_staged_arrayset_has_a_hash_only_while_it_is_as_committed(filled):
    with closing(filled.checkout()) as reader, closing(filled.checkout(write=True)) as writer:
        assert det_hash(writer["numbers"]) == det_hash(reader["numbers"])
        writer["numbers"]["new"] = np.zeros((2, 3), np.float32)
        with pytest.raises(NotHashable, match=r"\$\[0\].*commit it"):
            det_hash([writer["numbers"]])


def test_a_reference_has_the_hash_of_its_array_and_reads_it_only_when_asked(filled):
    with closing(filled.checkout()) as reader:
        array = reader["numbers"]["a"]
        reference = pickle.loads(pickle.dumps(reader["numbers"].reference("a")))
        with pytest.raises(SampleNotFound):
            reader["numbers"].reference("no")
    assert det_hash(reference) == det_hash(array)
    assert np.array_equal(reference.read(), array)


def test_references_of_text_count_by_their_digest(repo):
    with closing(repo.checkout(write=True)) as writer:
        notes = writer.add_str_arrayset("notes")
        notes["a"] = notes["b"] = "same"
        notes["c"] = "other"
        with pytest.raises(NotPicklable):
            notes.reference("a")
        writer.commit("notes")
    with closing(repo.checkout()) as reader:
        a, b, c = (reader["notes"].reference(key) for key in "abc")
    assert det_hash(a) == det_hash(b) != det_hash(c)
    assert a.read() == "same"


def test_a_reference_to_a_file_that_is_kept_as_it_is_counts_by_it(repo, tmp_path):
    from PIL import Image

    for name, number in (("a", 1), ("b", 1), ("c", 2)):
        Image.fromarray(np.full((4, 4, 3), 9 * number, np.uint8)).save(tmp_path / f"{name}.png")
    repo.ingest("photos", [tmp_path / f"{name}.png" for name in "abc"], store="original", commit="photos")
    with closing(repo.checkout()) as reader:
        one, same, other = (det_hash(reader["photos"].reference(name)) for name in "abc")
    assert one == same != other
