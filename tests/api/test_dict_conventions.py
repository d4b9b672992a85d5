"""Checkouts, arraysets, samples inside samples and metadata are used as dicts are."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import ClosedError, InvalidData, InvalidInput, InvalidName, MetadataNotFound, SampleNotFound


def one(number: int) -> np.ndarray:
    return np.array([number], "i4")


@pytest.fixture
def aset(writer):
    aset = writer.add_ndarray_arrayset("x", shape=(1,), dtype="i4")
    aset.update({"a": one(1), 2: one(2)})
    return aset


def test_a_checkout_is_a_mapping_of_its_arraysets(repo, writer, aset):
    writer.add_str_arrayset("text")
    assert (len(writer), list(writer), writer.keys()) == (2, ["text", "x"], ["text", "x"])
    assert ("x" in writer, "y" in writer, 7 in writer) == (True, False, False)
    assert writer["x"] is aset
    assert [handle.name for handle in writer.values()] == ["text", "x"]
    assert dict(writer.items())["x"] is aset
    writer.commit("c")
    with repo.checkout() as reader:
        assert (len(reader), list(reader), "x" in reader) == (2, ["text", "x"], True)
        assert {name: len(found) for name, found in reader.items()} == {"text": 0, "x": 2}
        with pytest.raises(KeyError):
            reader["y"]
    reader.close()
    for use in (len, iter, lambda co: "x" in co, lambda co: co.keys()):
        with pytest.raises(ClosedError):
            use(reader)


def test_the_collection_of_arraysets_gives_a_default(writer, aset):
    assert writer.arraysets.get("x") is aset
    assert writer.arraysets.get("y", None) is None
    with pytest.raises(KeyError):
        writer.arraysets.get("y")


def test_get_of_an_arrayset_gives_the_default_only_when_there_is_one(repo, writer, aset):
    writer.commit("c")
    with repo.checkout() as reader:
        for found in (aset, reader["x"]):
            assert found.get("a", None)[0] == 1
            assert found.get("no", None) is None
            assert found.get("no", default=3) == 3
            assert found.get(1.5, "bad name") == "bad name"
            with pytest.raises(SampleNotFound):
                found.get("no")
    reader.close()


def test_append_makes_a_name_up_also_where_samples_have_names(aset):
    name = aset.append(one(5))
    assert isinstance(name, str)
    assert aset[name][0] == 5
    assert aset.append(one(5)) != name
    assert len(aset) == 4
    with pytest.raises(InvalidData):
        aset.append("text")


def test_pop_gives_what_it_removes(aset):
    assert aset.pop("a")[0] == 1
    assert list(aset) == [2]
    assert aset.pop("a", None) is None
    with pytest.raises(KeyError):
        aset.pop("a")


@pytest.mark.parametrize("samples", [7, None, [1], ["abc"], [("a",)], [("a", 1, 2)]])
def test_update_with_neither_a_mapping_nor_pairs_says_so(aset, samples):
    with pytest.raises(InvalidInput, match="airs \\(name, data\\) are needed"):
        aset.update(samples)
    assert len(aset) == 2


def test_update_takes_an_arrayset(writer, aset):
    other = writer.add_ndarray_arrayset("y", shape=(1,), dtype="i4")
    assert other.update(aset) == 2
    assert {key: int(value[0]) for key, value in other.items()} == {"a": 1, 2: 2}


def test_a_changed_sample_keeps_its_place_and_one_that_comes_back_comes_last(aset):
    aset["z"] = one(3)
    aset["a"] = one(9)
    assert list(aset) == ["a", 2, "z"]
    del aset["a"]
    aset["a"] = one(1)
    assert list(aset) == [2, "z", "a"]


def test_metadata_too(writer):
    metadata = writer.metadata
    metadata.update({"a": "one", 2: "two"})
    metadata.update([("c", "three")])
    assert dict(metadata.items()) == {"a": "one", 2: "two", "c": "three"}
    assert (metadata.get("no", None), metadata.get("a", None)) == (None, "one")
    assert (metadata.pop("a"), metadata.pop("a", "gone")) == ("one", "gone")
    with pytest.raises(MetadataNotFound):
        metadata.pop("a")
    with pytest.raises(MetadataNotFound):
        metadata.get("a")
    assert metadata[metadata.append("four")] == "four"


def test_metadata_are_updated_whole_or_not_at_all(writer):
    for pieces, error in (({"a": "one", "b": 2}, InvalidData), ({"a": "one", "b c": "two"}, InvalidName)):
        with pytest.raises(error):
            writer.metadata.update(pieces)
    assert len(writer.metadata) == 0


def test_readers_have_none_of_the_verbs_that_write(repo, writer, aset):
    writer.commit("c")
    reader = repo.checkout()
    for handle in (reader["x"], reader.metadata):
        for verb in ("append", "update", "pop"):
            assert not hasattr(handle, verb)
    for verb in ("add_str_arrayset", "add_bytes_arrayset", "add_ndarray_arrayset"):
        assert not hasattr(reader, verb)
    reader.close()


def test_a_repository_can_be_used_in_a_with_block_and_after_it(tmp_path):
    with Repository(tmp_path, exists=False) as repo:
        repo.init("Ada", "ada@example.org")
        writer = repo.checkout(write=True)
        writer.metadata["a"] = "b"
    writer.commit("c")
    writer.close()
    with repo.checkout() as reader:
        assert reader.metadata["a"] == "b"
    reader.close()


def test_an_error_of_the_one_who_yields_pairs_is_theirs(writer):
    """What is no pair is refused as such; whatever else goes wrong while pairs are made is passed on as it is."""
    aset = writer.arraysets.init_arrayset("theirs", shape=(2,), dtype=np.uint8)

    def broken():
        yield "a", np.zeros(2, np.uint8)
        raise ValueError("the camera is off")

    with pytest.raises(ValueError, match="the camera is off"):
        aset.update(broken())
    with pytest.raises(InvalidInput, match="not int"):
        aset.update(iter([("a", np.zeros(2, np.uint8)), 5]))
    with pytest.raises(InvalidData):
        aset.update([("a", np.zeros(3, np.uint8))])
    assert not list(aset)
