"""Samples whose data are on a remote only: counted, listed, warned of, left out when asked, never made up."""

from __future__ import annotations

import pickle
import traceback
import warnings

import numpy as np
import pytest

from hangar_core.errors import DataMissing
from hangar_core.history import refs


def row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


@pytest.fixture
def partial(filled):
    """What a clone of `filled` has that fetched all data but those of sample 'b' in `numbers` and of ('day', 'left')
    in `nested`. `whole` lacks nothing."""
    writer = filled.checkout(write=True)
    writer.arraysets.init_arrayset("whole", shape=(2, 3), dtype="f4")["x"] = row(9)
    nested = writer.add_ndarray_arrayset("nested", shape=(2, 3), dtype="f4", contains_subsamples=True)
    nested.update({"day": {"left": row(20), "right": row(21)}, "night": {"left": row(22)}})
    writer.commit("more")
    missing = [writer["numbers"].digest("b"), nested.digest(("day", "left"))]
    writer.close()
    with filled._context.tables.write() as batch:
        refs.mark_partial(batch)
        for digest in missing:
            batch.delete("locations", digest)
    return filled


@pytest.fixture
def reader(partial):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        checkout = partial.checkout()
    yield checkout
    checkout.close()


def test_a_read_checkout_warns_of_each_arrayset_that_lacks_data(partial):
    with pytest.warns(UserWarning, match="fetch-data") as caught:
        checkout = partial.checkout()
    checkout.close()
    assert [str(one.message).partition(" samples")[0] for one in caught] == [
        "Arrayset: nested contains `reference-only`",
        "Arrayset: numbers contains `reference-only`",
    ]
    assert {one.filename for one in caught} == {__file__}


def test_a_commit_whose_data_are_all_here_is_opened_without_a_warning(partial):
    writer = partial.checkout(write=True)
    writer["numbers", "b"] = row(2)  # the same content: it is here again
    del writer["nested"]["day"]
    writer.commit("complete")
    writer.close()
    partial.checkout().close()


def test_samples_without_data_are_there_and_cannot_be_read(reader):
    aset = reader["numbers"]
    assert "b" in aset
    assert len(aset) == 3
    assert list(aset) == list(aset.keys()) == [3, "a", "b"]
    for read in (
        lambda: aset["b"],
        lambda: aset.get("b"),
        lambda: aset.get("b", None),
        lambda: reader["numbers", ["a", "b"]],
        lambda: reader.get("numbers", "b"),
        lambda: list(aset.values()),
        lambda: list(aset.items()),
        lambda: aset.get_batch(["a", "b"]),
        lambda: reader["nested"]["day"]["left"],
    ):
        with pytest.raises(FileNotFoundError) as caught:
            read()
        assert isinstance(caught.value, DataMissing)
        assert "remote" in caught.value.hint
    assert aset["a"][0, 0] == 1


def test_a_traceback_says_the_command_that_brings_the_data(reader):
    with pytest.raises(FileNotFoundError) as caught:
        reader["numbers", "b"]
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert f"Hint: {caught.value.hint}" in "".join(traceback.format_exception(error)).splitlines()


def test_local_leaves_out_what_cannot_be_read(reader):
    aset = reader["numbers"]
    assert list(aset.keys(local=True)) == [3, "a"]
    assert [int(data[0, 0]) for data in aset.values(local=True)] == [3, 1]
    assert [(key, int(data[0, 0])) for key, data in aset.items(local=True)] == [(3, 3), ("a", 1)]
    assert list(reader["whole"].keys(local=True)) == ["x"]
    nested = reader["nested"]
    assert list(nested.keys(local=True)) == [key for key, _ in nested.items(local=True)] == ["night"]
    assert list(nested["day"].keys(local=True)) == ["right"]


def test_arraysets_tell_what_they_lack(reader):
    assert {name: aset.contains_remote_references for name, aset in reader.items()} == {
        "nested": True,
        "numbers": True,
        "whole": False,
    }
    assert reader.arraysets.contains_remote_references == {"nested": True, "numbers": True, "whole": False}
    assert reader["numbers"].remote_reference_keys == ["b"]
    assert reader["whole"].remote_reference_keys == []
    assert reader["nested"].remote_reference_keys == ["day"]
    assert reader["nested"]["day"].remote_reference_keys == ["left"]
    assert reader.arraysets.remote_sample_keys == {"nested": ["day"], "numbers": ["b"], "whole": []}
    assert "    Partial Remote Data Refs : True\n" in repr(reader["numbers"]) + "\n"
    assert "      - numbers / True\n      - whole / False" in repr(reader.arraysets)


def test_where_nothing_is_missing_nothing_is_said_to_be(filled):
    reader = filled.checkout()
    aset = reader["numbers"]
    assert aset.contains_remote_references is False
    assert aset.remote_reference_keys == []
    assert list(aset.keys(local=True)) == [key for key, _ in aset.items(local=True)] == [3, "a", "b"]
    reader.close()


def test_a_writer_keeps_samples_that_it_cannot_read_and_leaves_them_out_when_asked(partial):
    writer = partial.checkout(write=True)
    writer["numbers", "new"] = row(7)
    assert writer["numbers"].remote_reference_keys == ["b"]
    assert list(writer["numbers"].keys(local=True)) == [3, "a", "new"]
    writer.commit("with what was not here")
    writer.close()
    with pytest.warns(UserWarning, match="reference-only"):
        reader = partial.checkout()
    assert list(reader["numbers"]) == [3, "a", "b", "new"]
    reader.close()


def test_putting_the_same_content_back_makes_a_sample_readable_again(partial, reader):
    writer = partial.checkout(write=True)
    writer["numbers", "b"] = row(2)
    writer["numbers", "more"] = row(8)
    writer.commit("again")
    writer.close()
    assert reader["numbers", "b"][0, 0] == 2
    assert reader["numbers"].remote_reference_keys == []
