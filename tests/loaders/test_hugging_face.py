"""Samples as a Hugging Face dataset: the same values, in memory or in an Arrow file."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core.errors import InvalidInput, StorageFailed
from hangar_core.loaders import to_hf_dataset

from .conftest import NAMES, label, picture

datasets = pytest.importorskip("datasets", reason="datasets is not installed: pip install datasets pyarrow")
COLUMNS = ["pictures", "labels", "words", "blobs", "ragged", "scalars"]


@pytest.mark.parametrize("in_file", [False, True])
def test_every_value_arrives(in_file, reader, tmp_path):
    file = tmp_path / "samples.arrow" if in_file else None
    found = to_hf_dataset([reader[name] for name in COLUMNS], file=file)
    assert (len(found), found.column_names) == (len(NAMES), COLUMNS)
    assert [one["filename"] for one in found.cache_files] == ([str(file)] if in_file else [])
    for number, (name, row) in enumerate(zip(NAMES, found, strict=True)):
        assert np.array_equal(row["pictures"], picture(name))
        assert row["labels"] == label(name).tolist()
        assert (row["words"], row["blobs"], row["scalars"]) == (f"word {name}", name.encode(), float(number))
        assert row["ragged"] == [[number, number]] * (number + 1)


def test_columns_have_the_dtypes_and_shapes_of_arraysets(reader):
    features = to_hf_dataset(
        [reader["pictures"], reader["labels"], reader["ragged"]], field_names=["p", "l", "r"]
    ).features
    assert features["p"] == datasets.Array2D(shape=(4, 5), dtype="uint8")
    assert features["l"] == datasets.List(datasets.Value("int64"))
    assert features["r"] == datasets.List(datasets.List(datasets.Value("float32")))


def test_samples_are_chosen_as_everywhere(reader):
    assert to_hf_dataset(reader["words"], ["s05", "s01"])["words"][:] == ["word s05", "word s01"]
    assert len(to_hf_dataset(reader["words"], index_range=slice(3, 7))) == 4
    with pytest.raises(KeyError):
        to_hf_dataset(reader["words"], ["nope"])


def test_other_kinds_of_numbers_arrive(repo):
    arrays = {
        "flags": np.array([True, False, True]),
        "halves": np.array([[1.5, -2], [0, 4]], np.float16),
        "times": np.array(["2020-01-01T10:00", "NaT"], "M8[s]"),
        "large": np.array([2**64 - 1], np.uint64),
        "deep": np.arange(64, dtype=np.int8).reshape((2,) * 6),
    }
    writer = repo.checkout(write=True)
    for name, array in arrays.items():
        writer.arraysets.init_arrayset(name, shape=array.shape, dtype=array.dtype).update({0: array, 1: array})
    writer.commit("all")
    writer.close()
    reader = repo.checkout()
    row = to_hf_dataset([reader[name] for name in arrays])[1]
    for name, array in arrays.items():
        assert row[name] == array.tolist(), name
    reader.close()


def test_what_makes_no_column_is_a_value_error(reader, repo):
    with pytest.raises(InvalidInput, match="nested"):
        to_hf_dataset(reader["nested"])
    writer = repo.checkout(write=True)
    writer.arraysets.init_arrayset("complex", shape=(1,), dtype=np.complex64)["x"] = np.zeros(1, np.complex64)
    writer.arraysets.init_arrayset("days", shape=(1,), dtype="M8[25s]")["x"] = np.zeros(1, "M8[25s]")
    writer.commit("x")
    writer.close()
    checkout = repo.checkout()
    for name in ("complex", "days"):
        with pytest.raises(InvalidInput, match="Arrow lacks"):
            to_hf_dataset(checkout[name])
    checkout.close()


def test_a_file_that_exists_stays_and_one_that_fails_is_gone(reader, tmp_path):
    file = tmp_path / "there.arrow"
    file.write_text("precious")
    with pytest.raises(StorageFailed, match="exists"):
        to_hf_dataset(reader["words"], file=file)
    assert file.read_text() == "precious"
    with pytest.raises(StorageFailed, match="No such file"):
        to_hf_dataset(reader["words"], file=tmp_path / "nowhere" / "new.arrow")
