"""Which samples a dataset has, what it refuses, and of what it warns: the same for every framework."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import hangar_core
from hangar_core import make_numpy_dataset, make_tf_dataset, make_torch_dataset
from hangar_core.errors import ClosedError, DataMissing, PackageMissing, SampleNotFound, WrongType

from .conftest import NAMES, label, picture


def needs(module: str):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


MAKERS = [
    make_numpy_dataset,
    pytest.param(make_torch_dataset, marks=needs("torch")),
    pytest.param(make_tf_dataset, marks=needs("tensorflow")),
]
NAMED_MAKERS = MAKERS[:2]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("bad", [[], ()])
def test_no_arraysets_are_a_value_error(make, bad):
    with pytest.raises(ValueError, match="at least one"):
        make(bad)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("bad", [None, "pictures", 3, {"a": 1}, [None]])
def test_what_is_no_arrayset_is_a_type_error(make, bad):
    with pytest.raises(TypeError) as caught:
        make(bad)
    assert isinstance(caught.value, WrongType)


@pytest.mark.parametrize("make", MAKERS)
def test_arraysets_of_a_writer_are_a_type_error(make, repo):
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("a", shape=(1,), dtype=np.int64)
    aset["x"] = label("x")
    writer.commit("x")
    for given in (aset, [aset]):
        with pytest.raises(TypeError, match="writer"):
            make(given)
    writer.close()


@pytest.mark.parametrize("make", MAKERS)
def test_arraysets_of_a_closed_checkout_are_closed(make, stored):
    checkout = stored.checkout()
    aset = checkout["pictures"]
    checkout.close()
    with pytest.raises(ClosedError):
        make(aset)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("keys", ["s01", {"s01": 1}, 3, iter(["s01"])])
def test_keys_that_are_no_list_tuple_or_set_are_a_type_error(make, keys, reader):
    with pytest.raises(TypeError, match="keys"):
        make(reader["pictures"], keys)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("index_range", "error"),
    [((0, 3), TypeError), (3, TypeError), (slice("a"), ValueError), (slice(0, 9, 0), ValueError)],
)
def test_an_index_range_that_is_no_slice_of_positions_is_refused(make, index_range, error, reader):
    with pytest.raises(error, match="index_range"):
        make(reader["pictures"], index_range=index_range)


@pytest.mark.parametrize("make", NAMED_MAKERS)
@pytest.mark.parametrize(
    ("names", "error"),
    [({"a": 1, "b": 2}, TypeError), ("ab", TypeError), ([1, 2], TypeError), (["a"], ValueError), ([], ValueError)],
)
def test_field_names_are_a_list_tuple_or_set_of_as_many_texts(make, names, error, reader):
    with pytest.raises(error):
        make([reader["pictures"], reader["labels"]], field_names=names)


@pytest.mark.parametrize("make", MAKERS)
def test_a_requested_key_that_is_not_in_all_arraysets_is_a_key_error(make, reader):
    with pytest.raises(KeyError, match="nope") as caught:
        make(reader["pictures"], ["s01", "nope"])
    assert isinstance(caught.value, SampleNotFound)
    with (
        pytest.raises(KeyError, match="s00 not in aset `fewer`"),
        pytest.warns(UserWarning, match="Arraysets do not contain equal number of samples"),
    ):
        make([reader["pictures"], reader["fewer"]], ["s00"])


@pytest.mark.parametrize("make", NAMED_MAKERS)
@pytest.mark.parametrize("keys", [["nope"], [True], [3.5], [-1]])
def test_an_unknown_key_of_a_nested_arrayset_is_a_key_error_too(make, keys, reader):
    with pytest.raises(KeyError):
        make(reader["nested"], keys)


@pytest.mark.parametrize("make", MAKERS)
def test_a_requested_key_whose_data_are_on_a_remote_only_is_a_file_not_found_error(make, partial):
    with pytest.raises(FileNotFoundError, match="`y` of arrayset `a`") as caught:
        make([partial["a"], partial["b"]], ["x", "y"])
    assert isinstance(caught.value, DataMissing)


@pytest.mark.parametrize("make", MAKERS)
def test_nothing_in_common_is_a_value_error(make, repo):
    writer = repo.checkout(write=True)
    for name in "ab":
        writer.arraysets.init_arrayset(name, shape=(1,), dtype=np.int64)[name] = label(name)
    writer.arraysets.init_arrayset("empty", shape=(1,), dtype=np.int64)
    writer.commit("apart")
    writer.close()
    reader = repo.checkout()
    with pytest.raises(ValueError, match="No sample is in all of `a`, `b`"):
        make([reader["a"], reader["b"]])
    with pytest.raises(ValueError, match="No sample"):
        make(reader["empty"])
    reader.close()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("choice", [{"index_range": slice(100, 200)}, {"keys": []}])
def test_a_choice_that_leaves_nothing_is_a_value_error(make, choice, reader):
    with pytest.raises(ValueError, match=r"index_range|keys"):
        make(reader["pictures"], **choice)


# --- warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS[1:])
def test_every_call_warns_that_dataloaders_are_experimental(make, reader):
    for _ in range(2):
        with pytest.warns(UserWarning, match="Dataloaders are experimental") as caught:
            make(reader["pictures"])
        assert [one.filename for one in caught if "experimental" in str(one.message)] == [__file__]


@pytest.mark.parametrize("make", MAKERS)
def test_arraysets_of_different_length_give_a_warning(make, reader):
    with pytest.warns(UserWarning, match="^Arraysets do not contain equal number of samples") as caught:
        make([reader["pictures"], reader["fewer"]])
    assert {one.filename for one in caught} == {__file__}


def test_arraysets_of_equal_length_give_none(reader):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_numpy_dataset([reader["pictures"], reader["labels"]])


# --- which samples ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Arraysets do not contain equal:UserWarning")
def test_without_a_choice_there_are_the_samples_that_all_arraysets_have(reader):
    dataset = make_numpy_dataset([reader["fewer"], reader["pictures"], reader["labels"]])
    assert list(dataset.keys) == [name for number, name in enumerate(NAMES) if number % 3]
    assert all(np.array_equal(item.pictures, picture(key)) for key, item in zip(dataset.keys, dataset, strict=True))


def test_samples_whose_data_are_on_a_remote_only_are_left_out(partial):
    dataset = make_numpy_dataset([partial["a"], partial["b"]])
    assert dataset.keys == ("x", "z")
    assert [int(item.b[0]) for item in dataset] == [int(label("bx")[0]), int(label("bz")[0])]


def test_index_range_counts_in_order_of_text_where_integers_are_written_with_a_hash(repo):
    writer = repo.checkout(write=True)
    keys = ["b", "!", "a", 10, 9, 1, "#5", "Z", "é", 100]
    writer.arraysets.init_arrayset("mixed", shape=(1,), dtype=np.int64).update((key, label(key)) for key in keys)
    writer.commit("mixed")
    writer.close()
    reader = repo.checkout()
    ordered = ["!", 1, 10, 100, "#5", 9, "Z", "a", "b", "é"]
    assert list(make_numpy_dataset(reader["mixed"]).keys) == ordered
    for part in (slice(2, 5), slice(None, -3), slice(None, None, 2), slice(1, 100)):
        dataset = make_numpy_dataset(reader["mixed"], index_range=part)
        assert list(dataset.keys) == ordered[part]
        assert [int(item.mixed[0]) for item in dataset] == [int(label(key)[0]) for key in ordered[part]]
    reader.close()


def test_keys_win_over_index_range_and_keep_their_order_and_repetitions(reader):
    dataset = make_numpy_dataset(reader["pictures"], ["s09", "s01", "s09"], slice(5, 7))
    assert dataset.keys == ("s09", "s01", "s09")
    assert [item.pictures.tolist() for item in dataset] == [picture(key).tolist() for key in dataset.keys]


def test_keys_in_a_set_come_in_sorted_order(reader):
    assert make_numpy_dataset(reader["pictures"], {"s09", "s01", "s30"}).keys == ("s01", "s09", "s30")


# --- items ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", NAMED_MAKERS)
def test_items_are_namedtuples_called_after_the_arraysets_in_their_order(make, reader):
    dataset = make([reader["pictures"], reader["labels"]])
    assert len(dataset) == len(NAMES)
    assert type(dataset[0]).__name__ == "BatchTuple_pictures_labels"
    assert dataset[0]._fields == dataset.field_names == ("pictures", "labels")
    assert np.array_equal(dataset[-1].labels, label(NAMES[-1]))
    assert type(make(reader["labels"])[0]).__name__ == "BatchTuple_labels"
    assert type(make([reader["labels"]], field_names=["y"])[0])._fields == ("y",)
    assert type(make((reader["labels"], reader["words"]), field_names=("y", "w"))[0]).__name__ == "BatchTuple_y_w"


@pytest.mark.parametrize("make", NAMED_MAKERS)
def test_a_position_behind_the_end_is_an_index_error(make, reader):
    dataset = make(reader["pictures"], index_range=slice(3))
    with pytest.raises(IndexError):
        dataset[3]
    assert len(list(dataset)) == 3


def test_names_that_python_cannot_have_become_their_position_with_a_warning(repo):
    writer = repo.checkout(write=True)
    for name in ("a-b", "ok", "1st"):
        writer.arraysets.init_arrayset(name, shape=(1,), dtype=np.int64)["x"] = label(name)
    writer.commit("x")
    writer.close()
    reader = repo.checkout()
    with pytest.warns(UserWarning, match="a-b is _0, ok is ok, 1st is _2") as caught:
        dataset = make_numpy_dataset([reader["a-b"], reader["ok"], reader["1st"]])
    assert {one.filename for one in caught} == {__file__}
    item = pickle.loads(pickle.dumps(dataset[0]))
    assert (item._fields, type(item)) == (("_0", "ok", "_2"), type(dataset[0]))
    assert item._2 == label("1st")
    reader.close()


@pytest.mark.parametrize("make", NAMED_MAKERS)
def test_every_item_is_ones_own_to_write_to(make, reader):
    dataset = make(reader["pictures"], ["s01", "s01"])
    first, second = dataset.__getitems__([0, 1])
    first.pictures[:] = 0
    assert np.array_equal(second.pictures, picture("s01"))
    assert np.array_equal(dataset[0].pictures, picture("s01"))


@pytest.mark.parametrize("make", NAMED_MAKERS)
def test_transform_makes_the_items(make, reader):
    dataset = make(
        [reader["pictures"], reader["labels"]], transform=lambda item: (item.pictures * 2, int(item.labels[0]))
    )
    assert dataset[1][1] == label("s01")[0]
    assert np.array_equal(dataset[1][0], picture("s01") * 2)
    assert len(dataset.__getitems__([1, 2, 3])) == 3


@pytest.mark.parametrize("make", NAMED_MAKERS)
def test_a_transform_that_cannot_be_called_is_refused_when_the_dataset_is_made(make, reader):
    with pytest.raises(WrongType, match="transform"):
        make(reader["pictures"], transform=5)


@pytest.mark.parametrize("make", NAMED_MAKERS)
def test_two_types_whose_names_are_alike_are_pickled_apart(make, reader):
    both = make([reader["pictures"], reader["labels"]], field_names=["a_b", "c"])
    other = make([reader["pictures"], reader["labels"]], field_names=["a", "b_c"])
    assert type(both[0]).__name__ == type(other[0]).__name__
    for dataset in (both, other):
        item = pickle.loads(pickle.dumps(dataset[0]))
        assert type(item) is type(dataset[0]) is pickle.loads(pickle.dumps(type(item)))


def test_items_of_one_process_are_known_in_another(reader, tmp_path):
    item = make_numpy_dataset([reader["pictures"], reader["labels"]], ["s03"])[0]
    (tmp_path / "item").write_bytes(pickle.dumps(item))
    script = "import pickle, sys; print(type(item := pickle.load(open(sys.argv[1], 'rb'))).__name__, item.labels[0])"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "item")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["BatchTuple_pictures_labels", str(label("s03")[0])]


# --- doors ------------------------------------------------------------------------------------------------------------


def test_the_package_gives_the_functions_and_loads_no_framework_for_them():
    script = (
        "import sys; from hangar_core import make_numpy_dataset, make_tf_dataset, make_torch_dataset, Repository; "
        "print([name for name in ('torch', 'tensorflow', 'datasets', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {"make_numpy_dataset", "make_tf_dataset", "make_torch_dataset"} <= set(hangar_core.__all__)


@pytest.mark.parametrize(("make", "module"), [("make_torch_dataset", "torch"), ("make_tf_dataset", "tensorflow")])
def test_without_the_framework_an_import_error_says_what_to_install(make, module, reader, monkeypatch):
    """A finder in front of all others stands for a Python without it."""

    class Nowhere:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == module:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Nowhere, *sys.meta_path])
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ImportError, match=module) as caught:
        getattr(hangar_core, make)(reader["pictures"])
    assert isinstance(caught.value, PackageMissing)
    assert caught.value.hint == f"pip install 'hangar-core[{module}]'"
