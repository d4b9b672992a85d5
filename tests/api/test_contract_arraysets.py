"""What the documentation promises of the collection of arraysets, of one arrayset, and of metadata."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core.errors import AlreadyExists, InvalidData, InvalidInput


def one(number: int) -> np.ndarray:
    return np.array([number], "i4")


def row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


@pytest.fixture
def reader(filled):
    checkout = filled.checkout()
    yield checkout
    checkout.close()


# --- the collection ---------------------------------------------------------------------------------------------------


def test_a_new_arrayset_is_returned_as_the_handle_that_the_collection_has(writer):
    made = writer.arraysets.init_arrayset("x", shape=(2,), dtype=np.uint8)
    assert made is writer.arraysets["x"] is writer["x"]


def test_the_collection_is_a_mapping_by_name_in_order_of_names(writer, repo):
    for name in ("b", "a", "c"):
        writer.arraysets.init_arrayset(name, shape=(1,), dtype="i4")
    del writer.arraysets["c"]
    writer.commit("c")
    reader = repo.checkout()
    for arraysets in (writer.arraysets, reader.arraysets):
        assert len(arraysets) == 2
        assert list(arraysets) == arraysets.keys() == ["a", "b"]
        assert [handle.name for handle in arraysets.values()] == [name for name, _ in arraysets.items()] == ["a", "b"]
        assert ("a" in arraysets, "c" in arraysets, 1 in arraysets) == (True, False, False)
        assert arraysets.get("a") is arraysets["a"]
        for unknown in (lambda arraysets=arraysets: arraysets["c"], lambda arraysets=arraysets: arraysets.get("c")):
            with pytest.raises(KeyError):
                unknown()
    reader.close()


def test_a_collection_of_a_reader_can_only_be_read(reader):
    for verb in ("init_arrayset", "remove_aset", "multi_add"):
        with pytest.raises(AttributeError):
            getattr(reader.arraysets, verb)
    with pytest.raises(TypeError):
        reader.arraysets["x"] = one(1)
    with pytest.raises(TypeError):
        del reader.arraysets["numbers"]


@pytest.mark.parametrize(
    "arguments", [{}, {"shape": (1,)}, {"dtype": "i4"}, {"prototype": [1, 2]}, {"prototype": np.zeros((0, 2), "f4")}]
)
def test_without_shape_and_dtype_there_is_no_arrayset(writer, arguments):
    with pytest.raises(InvalidInput):
        writer.arraysets.init_arrayset("x", **arguments)
    assert len(writer.arraysets) == 0


def test_a_name_that_is_taken_leaves_the_arrayset_as_it_was(writer):
    writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")["a"] = one(1)
    with pytest.raises(AlreadyExists):
        writer.arraysets.init_arrayset("x", shape=(5,), dtype="f8")
    assert (writer["x"].shape, len(writer["x"])) == ((1,), 1)


@pytest.mark.parametrize("by", [{"shape": (), "dtype": "f8"}, {"prototype": np.array(0.5)}])
@pytest.mark.parametrize("variable", [False, True])
def test_samples_without_a_dimension_are_samples(writer, repo, by, variable):
    writer.arraysets.init_arrayset("x", **by, variable_shape=variable)["a"] = np.array(2.5)
    writer.commit("c")
    reader = repo.checkout()
    for checkout in (writer, reader):
        assert (checkout["x"].shape, checkout["x", "a"].shape, checkout["x", "a"][()]) == ((), (), 2.5)
    reader.close()


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("remove", ["remove_aset", "__delitem__"])
def test_arraysets_are_removed_and_made_anew_with_another_schema(writer, repo, committed, remove):
    writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")["a"] = one(1)
    writer.arraysets.init_arrayset("kept", shape=(1,), dtype="i4")
    if committed:
        writer.commit("c")
    getattr(writer.arraysets, remove)("x")
    assert "x" not in writer.arraysets
    with pytest.raises(KeyError, match=r"^Cannot remove: x\. Key does not exist\.$"):
        getattr(writer.arraysets, remove)("x")
    again = writer.arraysets.init_arrayset("x", shape=(2, 3), dtype="f4")
    assert (len(again), again.dtype) == (0, np.float32)
    again["a"] = row(1)
    writer.commit("anew")
    reader = repo.checkout()
    assert reader["x", "a"].shape == (2, 3)
    reader.close()


def test_multi_add_stages_all_or_nothing(writer):
    for name in ("one", "two"):
        writer.arraysets.init_arrayset(name, shape=(1,), dtype="i4", named_samples=False)
    writer.arraysets.init_arrayset("named", shape=(1,), dtype="i4")
    writer.commit("c")
    for samples, error in (
        ({"one": one(1), "nope": one(1)}, KeyError),
        ({"nope": one(1)}, KeyError),
        ({"one": one(1), "two": np.zeros(2, "i4")}, ValueError),
        ({"one": one(1), "named": one(1)}, ValueError),
        (["one"], ValueError),
        (5, ValueError),
    ):
        with pytest.raises(error):
            writer.arraysets.multi_add(samples)
        with pytest.raises(RuntimeError, match="No changes"):
            writer.commit("nothing")
    name = writer.arraysets.multi_add({"one": one(1), "two": one(2)})
    assert isinstance(name, str)
    assert (writer["one", name][0], writer["two", name][0]) == (1, 2)


# --- one arrayset -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [True, False])
def test_properties_have_the_documented_types_and_cannot_be_assigned(filled, write):
    checkout = filled.checkout(write=write)
    aset = checkout["numbers"]
    assert aset.name == "numbers"
    assert aset.dtype == np.float32
    assert aset.shape == (2, 3)
    assert type(aset.shape) is tuple
    assert (aset.variable_shape, aset.named_samples, aset.contains_remote_references) == (False, True, False)
    for flag in (aset.variable_shape, aset.named_samples, aset.iswriteable, aset.contains_remote_references):
        assert type(flag) is bool
    assert aset.iswriteable is checkout.arraysets.iswriteable is checkout.metadata.iswriteable is write
    assert type(aset.backend) is str
    assert type(aset.backend_opts) is dict
    assert aset.remote_reference_keys == []
    for name in ("name", "dtype", "shape", "variable_shape", "named_samples", "iswriteable", "backend", "backend_opts"):
        with pytest.raises(AttributeError):
            setattr(aset, name, getattr(aset, name))
    checkout.close()


def test_add_returns_the_name_that_the_sample_has(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    assert aset.add(one(1), "a") == "a"
    assert aset.add(one(1), name=7) == 7
    assert aset.add(one(1), "a") == "a"
    assert len(aset) == 2
    with pytest.raises(ValueError, match=r"`data` argument type|is invalid"):
        aset.add("1", one(1))
    with pytest.raises(TypeError):
        aset.add()
    with pytest.raises(TypeError):
        aset.remove()
    assert len(aset) == 2


def test_made_up_names_are_text_and_differ(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4", named_samples=False)
    names = [aset.add(one(1)) for _ in range(5)]
    assert len(set(names)) == len(aset) == 5
    assert all(type(name) is str for name in names)
    assert aset.named_samples is False


@pytest.mark.parametrize("of", ["keys", "values", "items"])
@pytest.mark.parametrize("committed", [False, True])
def test_what_is_added_while_iterating_is_seen_by_the_next_iteration_once(writer, of, committed):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    aset.update((key, one(key)) for key in range(3))
    if committed:
        writer.commit("c")
    running = getattr(aset, of)()
    assert iter(running) is running
    next(running)
    aset["new"] = one(9)
    assert len(list(running)) == 2
    assert [key for key, _ in aset.items()].count("new") == 1
    assert len(list(getattr(aset, of)())) == 4


def test_orders_of_keys_values_and_items_are_one_in_readers_and_writers(filled):
    writer = filled.checkout(write=True)
    for key in ("z", "Z", 10, 2, "-1", "a b"):
        writer["numbers", key] = row(len(str(key)))
    writer.commit("more")
    reader, again = filled.checkout(), filled.checkout(write=False)
    orders = []
    for aset in (writer["numbers"], reader["numbers"], again["numbers"]):
        keys = list(aset)
        assert keys == list(aset.keys()) == [key for key, _ in aset.items()]
        assert [float(value[0, 0]) for value in aset.values()] == [float(aset[key][0, 0]) for key in keys]
        orders.append(keys)
    assert orders[1] == orders[2]
    texts = [key for key in orders[1] if isinstance(key, str)]
    assert texts == sorted(texts)
    for checkout in (writer, reader, again):
        checkout.close()


@pytest.mark.parametrize("write", [True, False])
def test_samples_that_are_missing_are_key_errors_in_readers_and_writers(filled, write):
    checkout = filled.checkout(write=write)
    aset = checkout["numbers"]
    for read in (lambda: aset["no"], lambda: aset.get("no"), lambda: aset[99], lambda: aset["3"], lambda: aset[-1]):
        with pytest.raises(KeyError, match=r"HANGAR KEY ERROR: .* not in aset"):
            read()
    assert ("no" in aset, "3" in aset, 3 in aset) == (False, False, True)
    checkout.close()


def test_a_reader_has_no_method_that_sets_or_removes(reader):
    aset = reader["numbers"]
    with pytest.raises(TypeError):
        aset["a"] = row(9)
    with pytest.raises(TypeError):
        del aset["a"]
    for verb in ("add", "remove", "change_backend"):
        with pytest.raises(AttributeError):
            getattr(aset, verb)
    assert aset["a"][0, 0] == 1


def test_data_of_another_kind_are_refused_where_samples_have_no_dimension(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(), dtype="f8")
    for data in (1.5, np.float64(1.5), None, [1.5]):
        with pytest.raises(InvalidData, match="`data` argument type"):
            aset["a"] = data
    assert len(aset) == 0


# --- metadata ---------------------------------------------------------------------------------------------------------


def test_metadata_tell_their_keys_and_take_them_back(writer, repo):
    metadata = writer.metadata
    for key in ("1", 1, "2", 2):
        assert metadata.add(key, f"value of {key!r}") == key
    metadata["x" * 64] = "long key"
    assert list(metadata) == list(metadata.keys()) == ["1", 1, "2", 2, "x" * 64]
    assert metadata.remove("1") == "1"
    assert metadata.remove(1) == 1
    del metadata["x" * 64]
    assert ("1" in metadata, 2 in metadata, "2" in metadata, len(metadata)) == (False, True, True, 2)
    assert list(metadata.values()) == ["value of '2'", "value of 2"]
    writer.commit("c")
    reader = repo.checkout()
    assert list(reader.metadata) == [2, "2"]  # numbers first
    assert list(reader.metadata.items()) == [(2, "value of 2"), ("2", "value of '2'")]
    assert (len(reader.metadata), "1" in reader.metadata, reader.metadata.get("2")) == (2, False, "value of '2'")
    reader.close()


@pytest.mark.parametrize("write", [True, False])
def test_metadata_that_are_missing_are_key_errors(filled, write):
    checkout = filled.checkout(write=write)
    for read in (lambda: checkout.metadata["no"], lambda: checkout.metadata.get("no"), lambda: checkout.metadata[1]):
        with pytest.raises(KeyError):
            read()
    if write:
        for use in (lambda: checkout.metadata.remove("no"), lambda: checkout.metadata.__delitem__("no")):
            with pytest.raises(KeyError):
                use()
        for call in (lambda: checkout.metadata.add("1"), lambda: checkout.metadata.remove()):
            with pytest.raises(TypeError):
                call()
    checkout.close()


def test_metadata_bind_themselves_in_with(filled):
    for write in (True, False):
        checkout = filled.checkout(write=write)
        with checkout.metadata as metadata:
            assert metadata is checkout.metadata
            assert metadata["note"] == "second"
        checkout.close()


def test_a_refused_name_of_metadata_leaves_what_was_there(filled):
    writer = filled.checkout(write=True)
    for key in ("two words", "line\n", "at@", "x" * 65, -1, 1.0, True):
        with pytest.raises(ValueError, match="is invalid"):
            writer.metadata.add(key, "v")
    with pytest.raises(ValueError, match="are text"):
        writer.metadata.add("note", 3)
    assert dict(writer.metadata.items()) == {"note": "second"}
    assert writer.diff.status() == "CLEAN"
    writer.close()


def test_an_integer_of_numpy_is_an_integer_name(filled):
    writer = filled.checkout(write=True)
    aset = writer.arraysets.init_arrayset("counted", shape=2, dtype=np.int64)
    for key in np.arange(3):
        aset[key] = np.array([key, key])
    assert list(aset.keys()) == [0, 1, 2]
    assert all(type(key) is int for key in aset)
    assert aset[np.uint8(2)][0] == 2
    for key in (np.int64(-1), np.float64(1), np.bool_(True), np.array([1])):
        with pytest.raises(ValueError, match="is invalid"):
            aset[key] = np.array([1, 2])
    writer.close()


def test_a_shape_of_parts_of_numbers_is_refused(filled):
    writer = filled.checkout(write=True)
    for shape in ((2.5,), (2, "3"), 2.0):
        with pytest.raises(ValueError, match="shape"):
            writer.arraysets.init_arrayset("parts", shape=shape, dtype=np.int64)
    writer.close()
