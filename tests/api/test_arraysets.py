"""Arraysets: schema rules, what is stored comes back bit for bit, what does not fit is refused in documented words."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core.errors import CorruptDataError, InvalidData, InvalidName, SampleNotFound, UnsupportedDtype
from hangar_core.hashing.arrays import array_digest

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", "M8[us]", "m8[ns]"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (1,) * 31])
def test_values_come_back_bit_for_bit_staged_and_committed(writer, repo, dtype, shape):
    raw = np.random.default_rng(7).integers(
        0, 2 if dtype == "?" else 256, np.dtype(dtype).itemsize * max(1, int(np.prod(shape))), dtype=np.uint8
    )
    data = raw.view(dtype).reshape(shape)
    aset = writer.arraysets.init_arrayset("x", shape=shape, dtype=dtype)
    aset["one"] = data
    assert aset.dtype == np.dtype(dtype)
    assert aset.shape == shape
    assert aset["one"].tobytes() == data.tobytes()
    writer.commit("c")
    with repo.checkout() as reader:
        back = reader["x", "one"]
        assert (back.dtype, back.shape, back.tobytes()) == (data.dtype, data.shape, data.tobytes())
    reader.close()


def test_equal_zeros_of_other_shape_or_dtype_are_not_confused(writer):
    arrays = [np.zeros((1, 1, 5, 1), "f4"), np.zeros((1, 1, 1, 5), "f4"), np.zeros((1, 1, 5, 1), "i4")]
    for number, array in enumerate(arrays):
        writer.arraysets.init_arrayset(f"z{number}", prototype=array)["0"] = array
    for number, array in enumerate(arrays):
        back = writer[f"z{number}", "0"]
        assert (back.dtype, back.shape) == (array.dtype, array.shape)


def test_what_is_read_is_ones_own(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(2,), dtype="i4")
    aset[1] = np.array([1, 2], "i4")
    first = aset[1]
    first[:] = 9
    assert aset[1].tolist() == [1, 2]


def test_later_changes_of_the_callers_array_do_not_reach_the_store(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(2,), dtype="i4")
    data = np.array([1, 2], "i4")
    aset[1] = data
    data[:] = 9
    assert aset[1].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([1, 2], "`data` argument type"),
        (np.zeros((3, 4), "f4", order="F"), '`data` must be "C" contiguous array.'),
        (np.zeros((3, 4), "f8"), "dtype"),
        (np.zeros((4, 3), "f4"), "shape"),
        ("words", "`data` argument type"),
    ],
)
def test_data_that_do_not_fit_are_refused_in_the_documented_words(writer, data, text):
    aset = writer.arraysets.init_arrayset("x", shape=(3, 4), dtype="f4")
    with pytest.raises(InvalidData) as caught:
        aset["a"] = data
    assert text in str(caught.value)
    assert len(aset) == 0


def test_variable_shapes_have_a_rank_and_a_maximum(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(5, 5), dtype="u1", variable_shape=True)
    for shape in [(5, 5), (1, 5), (0, 3)]:
        aset[f"{shape[0]}x{shape[1]}"] = np.ones(shape, "u1")
    assert aset["0x3"].shape == (0, 3)
    with pytest.raises(InvalidData, match="`data` rank: 3 != aset rank: 2"):
        aset["no"] = np.ones((1, 1, 1), "u1")
    with pytest.raises(InvalidData, match="dimensions of `data`: "):
        aset["no"] = np.ones((6, 1), "u1")


@pytest.mark.parametrize("shape", [(0,), (3, 0), (1,) * 32, ("x",), None, 2.5j])
def test_impossible_shapes_are_value_errors(writer, shape):
    with pytest.raises(ValueError):  # noqa: PT011 - documented as ValueError
        writer.arraysets.init_arrayset("x", shape=shape, dtype="f4")
    assert "x" not in writer.arraysets


@pytest.mark.parametrize("dtype", ["O", "U3", "S3", "V8", np.dtype([("a", "i4")]), "M8", np.longdouble, "nonsense"])
def test_dtypes_without_a_canonical_form_are_refused_when_the_arrayset_is_made(writer, dtype):
    if np.dtype(np.longdouble).itemsize == 8 and dtype is np.longdouble:
        pytest.skip("longdouble is float64 here")
    with pytest.raises(UnsupportedDtype):
        writer.arraysets.init_arrayset("x", shape=(3,), dtype=dtype)


@pytest.mark.parametrize(("dtype", "where"), [(str, "add_str_arrayset"), (bytes, "add_bytes_arrayset")])
def test_who_asks_for_text_as_numpy_has_it_is_told_where_it_goes(writer, dtype, where):
    with pytest.raises(UnsupportedDtype) as raised:
        writer.arraysets.init_arrayset("x", shape=(3,), dtype=dtype)
    assert where in raised.value.hint


def test_shape_may_be_an_int_or_a_list(writer):
    assert writer.arraysets.init_arrayset("a", shape=7, dtype="f4").shape == (7,)
    assert writer.arraysets.init_arrayset("b", shape=[7, 2], dtype="f4").shape == (7, 2)


@pytest.mark.parametrize("name", [12, " lead", "trail ", "in\nner", "at@", "x" * 65, "", "a/b", "..", None])
def test_arrayset_names_outside_the_rule_are_value_errors(writer, name):
    with pytest.raises(ValueError):  # noqa: PT011 - documented as ValueError
        writer.arraysets.init_arrayset(name, shape=(1,), dtype="f4")


def test_an_arrayset_name_is_taken_once(writer):
    writer.arraysets.init_arrayset("x", shape=(1,), dtype="f4")
    with pytest.raises(LookupError):
        writer.arraysets.init_arrayset("x", shape=(1,), dtype="f4")


@pytest.mark.parametrize("code", ["ERROR", "lmao", "000", {"backend": "zz"}])
def test_unknown_backends_are_value_errors_and_change_nothing(writer, code):
    with pytest.raises(ValueError, match="does not exist"):
        writer.arraysets.init_arrayset("x", shape=(1,), dtype="f4", backend_opts=code)
    aset = writer.arraysets.init_arrayset("y", shape=(1,), dtype="f4")
    with pytest.raises(ValueError, match="does not exist"):
        aset.change_backend(code)
    assert aset.backend == "20"
    assert aset.backend_opts == {}
    with pytest.raises(AttributeError):
        aset.backend = "20"


def test_text_and_integer_keys_are_different_samples(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    aset["1"] = np.array([10], "i4")
    aset[1] = np.array([20], "i4")
    assert len(aset) == 2
    assert (aset["1"][0], aset[1][0]) == (10, 20)
    assert ("1" in aset, 1 in aset, 2 in aset, -1 in aset, 1.0 in aset) == (True, True, False, False, False)


@pytest.mark.parametrize(
    "name", ["cat/001", "-1", "with space", "Ünï/漢字", "emoji 👩\u200d🚀", "a" * 255, "x.y.z", "...", "a..b"]
)
def test_names_of_files_are_names_of_samples(writer, repo, name):
    writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")[name] = np.array([1], "i4")
    writer.commit("c")
    reader = repo.checkout()
    assert list(reader.arraysets["x"]) == [name]
    assert reader["x", name][0] == 1
    reader.close()


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "a ",
        "a\nb",
        "a\x00b",
        "../a",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "..",
        ".",
        "./a",
        "x" * 256,
        "é" * 128,
        "bad\ud800",
        "bidi\u202eexe",
        -1,
        0.0,
        1.5,
        None,
        True,
        b"bytes",
        2**64,
    ],
)
def test_names_that_no_sample_can_have_are_value_errors_and_add_nothing(writer, name):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    with pytest.raises(InvalidName):
        aset[name] = np.array([1], "i4")
    with pytest.raises(ValueError):  # noqa: PT011 - documented as ValueError
        aset.add("1", np.array([1], "i4"))
    assert len(aset) == 0


def test_equal_names_in_other_unicode_forms_are_one_sample(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    aset["caf\u00e9"] = np.array([1], "i4")
    aset["cafe\u0301"] = np.array([2], "i4")
    assert list(aset) == ["caf\u00e9"]
    assert aset["cafe\u0301"][0] == 2


def test_missing_samples_are_key_errors_that_name_sample_and_arrayset(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    for read in (lambda: aset["no"], lambda: aset.get("no"), lambda: aset.remove("no"), lambda: aset[1.5]):
        with pytest.raises(KeyError) as caught:
            read()
        assert isinstance(caught.value, SampleNotFound)
        assert "HANGAR KEY ERROR" in str(caught.value)
        assert "not in aset" in str(caught.value)
    with pytest.raises(KeyError):
        del aset["no"]


def test_setting_the_same_again_changes_nothing(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    assert aset.add(np.array([1], "i4"), "a") == "a"
    writer.commit("c")
    aset["a"] = np.array([1], "i4")
    assert len(aset) == 1
    assert writer.diff.status() == "CLEAN"
    aset["a"] = np.array([2], "i4")
    assert writer.diff.status() == "DIRTY"
    aset["a"] = np.array([1], "i4")
    assert writer.diff.status() == "CLEAN"


def test_order_is_of_insertion_while_staged_and_sorted_when_committed(writer, repo):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    for key in ("z", 10, "a", 9):
        aset[key] = np.array([1], "i4")
    assert list(aset.keys()) == ["z", 10, "a", 9]
    writer.commit("c")
    assert list(aset.keys()) == ["z", 10, "a", 9]
    reader = repo.checkout()
    found = reader.arraysets["x"]
    assert list(found) == list(found.keys()) == [key for key, _ in found.items()] == [9, 10, "a", "z"]
    assert len(list(found.values())) == 4
    assert next(found.values()).tolist() == [1]
    reader.close()


@pytest.mark.parametrize(("most", "wanted"), [(6, ["z", 9, "b"]), (5, [9, "b", "z"])])
def test_the_order_in_which_keys_came_outlasts_commits_as_long_as_they_are_not_too_many(
    writer, monkeypatch, most, wanted
):
    monkeypatch.setattr("hangar_core.history.overlay.MOST", most)
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    for key in ("z", 9, "a"):
        aset[key] = np.array([1], "i4")
    writer.commit("c")
    del aset["a"]
    aset["b"] = np.array([2], "i4")
    aset["z"] = np.array([3], "i4")
    writer.commit("d")
    assert list(aset) == wanted
    assert [int(value[0]) for value in aset.values()] == [{"z": 3, 9: 1, "b": 2}[key] for key in wanted]


def test_a_running_iteration_does_not_see_what_is_added(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    for key in range(3):
        aset[key] = np.array([key], "i4")
    seen = []
    for key, value in aset.items():
        seen.append(key)
        aset[key + 100] = value
    assert seen == [0, 1, 2]
    assert sorted(aset) == [0, 1, 2, 100, 101, 102]


def test_unnamed_arraysets_make_names_up(writer):
    one = writer.arraysets.init_arrayset("one", shape=(1,), dtype="i4", named_samples=False)
    two = writer.arraysets.init_arrayset("two", shape=(2,), dtype="i4", named_samples=False)
    name = one.add(np.array([1], "i4"))
    assert one[name][0] == 1
    both = writer.arraysets.multi_add({"one": np.array([5], "i4"), "two": np.array([5, 6], "i4")})
    assert (one[both][0], two[both].tolist()) == (5, [5, 6])
    with pytest.raises(KeyError):
        writer.arraysets.multi_add({"one": np.array([5], "i4"), "none": np.array([5], "i4")})
    assert len(one) == 2
    named = writer.arraysets.init_arrayset("named", shape=(1,), dtype="i4")
    with pytest.raises(ValueError, match="need a name"):
        named.add(np.array([1], "i4"))


def test_update_takes_many_and_converts_what_loses_nothing(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(2, 3), dtype="i4")
    base = np.arange(6, dtype="i4").reshape(2, 3)
    assert aset.update({"c": base, "big": base.astype(">i4"), "fortran": np.asfortranarray(base)}) == 3
    assert aset.update((("strided", np.arange(12, dtype="i4").reshape(2, 6)[:, ::2]),)) == 1
    assert aset.update({"c": base}) == 0
    for key in ("big", "fortran"):
        assert aset[key].tolist() == base.tolist()
    assert aset["strided"].tolist() == [[0, 2, 4], [6, 8, 10]]
    with pytest.raises(InvalidData):
        aset.update({"d": base, "e": base.astype("i8")})
    assert "d" not in aset


@pytest.mark.parametrize("side", [4, 600])
@pytest.mark.parametrize("variable", [False, True])
def test_update_stores_what_each_sample_was_although_the_stream_reuses_its_memory(repo, writer, side, variable):
    """Large arrays are not copied, so they must be stored before the next is asked for."""
    aset = writer.arraysets.init_arrayset("x", shape=(side, side), dtype="f8", variable_shape=variable)
    memory = np.empty((side, side))

    def stream():
        for key in range(4):
            memory[:] = key
            yield key, memory

    assert aset.update(stream()) == 4
    writer.commit("c")
    with repo.checkout() as reader:
        for key in range(4):
            sample = reader["x", key]
            assert np.array_equal(sample, np.full((side, side), key))
            assert reader.arraysets["x"].digest(key) == array_digest(sample)
    reader.close()


def test_update_of_a_long_stream_is_batched(writer):
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i8")
    assert aset.update((key, np.array([key])) for key in range(3000)) == 3000
    assert len(aset) == 3000
    assert aset[2999][0] == 2999


def test_removed_samples_are_gone_here_and_kept_in_history(filled):
    writer = filled.checkout(write=True)
    aset = writer.arraysets["numbers"]
    before = writer.commit_hash
    assert aset.remove("a") == "a"
    del aset[3]
    assert list(aset) == ["b"]
    writer.commit("removed")
    writer.close()
    now, then = filled.checkout(), filled.checkout(commit=before)
    assert (len(now.arraysets["numbers"]), len(then.arraysets["numbers"])) == (1, 3)
    assert then["numbers", "a"][0, 0] == 1
    now.close()
    then.close()


def test_removed_arraysets_are_dead_at_once_and_can_be_made_again(filled):
    writer = filled.checkout(write=True)
    old = writer.arraysets["numbers"]
    assert writer.arraysets.remove_aset("numbers") == "numbers"
    with pytest.raises(ReferenceError):
        len(old)
    with pytest.raises(KeyError):
        writer.arraysets["numbers"]
    with pytest.raises(KeyError, match="Cannot remove: numbers"):
        writer.arraysets.remove_aset("numbers")
    new = writer.arraysets.init_arrayset("numbers", shape=(1,), dtype="u1")
    assert len(new) == 0
    writer.commit("anew")
    assert writer.arraysets["numbers"].dtype == np.uint8
    del writer.arraysets["numbers"]
    writer.commit("gone")
    writer.close()
    reader = filled.checkout()
    assert list(reader.arraysets) == []
    reader.close()


def test_an_arrayset_without_samples_is_committed(writer, repo):
    writer.arraysets.init_arrayset("empty", shape=(1,), dtype="f4")
    writer.commit("c")
    reader = repo.checkout()
    assert len(reader.arraysets) == 1
    assert len(reader.arraysets["empty"]) == 0
    reader.close()


def test_assigning_to_the_collection_says_how_it_is_done(writer):
    with pytest.raises(PermissionError, match=r"^Not allowed! To add a arrayset"):
        writer.arraysets["x"] = np.zeros(1)


def test_readers_have_no_verbs_that_write(filled):
    reader = filled.checkout()
    aset = reader.arraysets["numbers"]
    assert aset.iswriteable is False
    assert reader.arraysets.iswriteable is False
    with pytest.raises(TypeError):
        aset["x"] = np.zeros((2, 3), "f4")
    with pytest.raises(AttributeError):
        aset.add(np.zeros((2, 3), "f4"), "x")
    with pytest.raises(TypeError):
        reader.metadata["k"] = "v"
    with pytest.raises(TypeError):
        del reader.metadata["note"]
    with pytest.raises(AttributeError):
        reader.metadata.add("k", "v")
    reader.close()


def test_adding_the_same_data_again_heals_a_damaged_copy(filled):
    (pack,) = filled._context.layout.data.glob("20/*.pack")
    whole = pack.read_bytes()
    at = whole.index(np.full((2, 3), 1, np.float32).tobytes())
    pack.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    reader = filled.checkout()
    with pytest.raises(CorruptDataError, match="checksum"):
        reader["numbers", "a"]
    reader.close()
    writer = filled.checkout(write=True)
    writer["numbers", "a"] = np.full((2, 3), 1, np.float32)
    with pytest.raises(RuntimeError, match="No changes"):
        writer.commit("heals")
    writer.close()
    reader = filled.checkout()
    assert reader["numbers", "a"][0, 0] == 1
    reader.close()
