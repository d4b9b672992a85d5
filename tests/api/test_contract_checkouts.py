"""What the documentation promises of checkouts: dead handles, `with` through every path, the grammar of `co[...]`."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core.errors import ClosedError


def row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


@pytest.fixture
def two(filled):
    """`filled` with a second arrayset `more`, which has 'a' and 'b'."""
    writer = filled.checkout(write=True)
    writer.arraysets.init_arrayset("more", shape=(1,), dtype="i4").update(
        {"a": np.array([10], "i4"), "b": np.array([20], "i4")}
    )
    writer.commit("more")
    writer.close()
    return filled


# --- dead handles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [True, False])
def test_handles_are_dead_whichever_way_they_were_reached(two, write):
    checkout = two.checkout(write=write)
    with checkout as same, checkout.arraysets as arraysets, checkout.metadata as metadata, arraysets["more"] as aset:
        assert same is checkout
        assert type(arraysets) is type(checkout.arraysets)
    handles = [
        arraysets,
        metadata,
        aset,
        checkout["numbers"],
        arraysets.get("numbers"),
        *arraysets.values(),
        *dict(arraysets.items()).values(),
        *checkout.values(),
        *checkout[:],
    ]
    checkout.close()
    for handle in handles:
        for use in (
            lambda handle=handle: handle.name,
            lambda handle=handle: handle.__dict__,
            lambda handle=handle: handle.keys(),
            lambda handle=handle: handle["a"],
            lambda handle=handle: handle.__setitem__("a", 1),
            lambda handle=handle: setattr(handle, "x", 1),
            lambda handle=handle: len(handle),
            lambda handle=handle: repr(handle),
            lambda handle=handle: handle.__enter__(),
        ):
            with pytest.raises(ReferenceError):
                use()
    for use in (lambda: checkout.diff, lambda: checkout.branch_name, lambda: checkout.commit_hash):
        with pytest.raises(PermissionError):
            use()


def test_values_that_were_asked_for_before_closing_are_not_given_after_it(two):
    reader = two.checkout()
    running = reader["numbers"].values()
    assert next(running)[0, 0] == 3
    reader.close()
    with pytest.raises(ReferenceError):
        reader["numbers"].values()


def test_a_bound_method_of_a_dead_handle_is_dead_too(two):
    reader = two.checkout()
    get = reader["numbers"].get
    reader.close()
    with pytest.raises(ClosedError):
        get("a")


def test_a_reader_is_called_a_reader_checkout(two):
    reader = two.checkout()
    assert type(reader).__name__ == "ReaderCheckout"
    reader.close()


# --- with -------------------------------------------------------------------------------------------------------------


ENTERED = {
    "the arrayset": lambda co: co.arraysets["numbers"],
    "the collection": lambda co: co.arraysets,
    "the checkout": lambda co: co,
}


@pytest.mark.parametrize("entered", ENTERED)
def test_what_is_forbidden_inside_with_is_so_through_every_path_and_allowed_after_it(two, entered):
    writer = two.checkout(write=True)
    held, aset = writer.arraysets, writer.arraysets["numbers"]
    with ENTERED[entered](writer), writer["numbers"] as bound:
        for arraysets in (held, writer.arraysets):
            for refused in (
                lambda arraysets=arraysets: arraysets.remove_aset("more"),
                lambda arraysets=arraysets: arraysets.remove_aset("never there"),
                lambda arraysets=arraysets: arraysets.__delitem__("more"),
                lambda arraysets=arraysets: arraysets.__delitem__("never there"),
                lambda arraysets=arraysets: arraysets.init_arrayset("new", shape=1, dtype="i4"),
            ):
                with pytest.raises(PermissionError):
                    refused()
        for handle in (aset, bound, held["numbers"], writer["numbers"], writer.arraysets.get("numbers")):
            with pytest.raises(RuntimeError):
                handle.change_backend("20")
    writer.arraysets["numbers"].change_backend("20")
    with pytest.raises(KeyError):
        held.remove_aset("never there")
    held.remove_aset("more")
    writer.arraysets.init_arrayset("new", shape=1, dtype="i4")
    writer.close()


def test_leaving_one_arrayset_does_not_leave_another(two):
    writer = two.checkout(write=True)
    with writer["numbers"]:
        with writer["more"]:
            pass
        writer["more"].change_backend("20")
        with pytest.raises(RuntimeError):
            writer["numbers"].change_backend("20")
        with pytest.raises(PermissionError):
            del writer.arraysets["more"]
    del writer.arraysets["more"]
    writer.close()


def test_metadata_inside_with_forbid_nothing(two):
    writer = two.checkout(write=True)
    with writer.metadata:
        writer.arraysets.remove_aset("more")
        writer.arraysets.init_arrayset("new", shape=1, dtype="i4")
    writer.close()


@pytest.mark.parametrize("entered", [*ENTERED, "the metadata"])
def test_samples_and_metadata_may_be_written_and_committed_inside_any_with(two, entered):
    writer = two.checkout(write=True)
    with ENTERED.get(entered, lambda co: co.metadata)(writer):
        writer["numbers", "one"] = row(1)
        writer.metadata["one"] = "1"
        first = writer.commit("inside")
        with writer["more"] as more, writer.metadata as metadata:
            more["c"] = np.array([30], "i4")
            metadata["two"] = "2"
            second = writer.commit("deeper inside")
            metadata["three"] = "3"
        writer["numbers", "two"] = row(2)
    assert writer.diff.status() == "DIRTY"
    third = writer.commit("after")
    assert two.log(return_contents=True)["order"][:3] == [third, second, first]
    writer.close()
    reader = two.checkout()
    assert (reader["numbers", "two"][0, 0], reader["more", "c"][0], reader.metadata["three"]) == (2, 30, "3")
    reader.close()


# --- co[...] ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("several", [list, tuple])
def test_several_samples_come_as_a_list_and_several_arraysets_as_a_namedtuple(two, write, several):
    checkout = two.checkout(write=write)
    with checkout as co:
        assert co["more", "a"].tolist() == [10]
        found = co["more", several(["b", "a"])]
        assert type(found) is list
        assert [one.tolist() for one in found] == [[20], [10]]
        both = co[several(["numbers", "more"]), "b"]
        assert both._fields == ("numbers", "more")
        assert (both.numbers[0, 0], both[1][0]) == (2, 20)
        rows = co[several(["more", "numbers"]), several(["b", "a"])]
        assert type(rows) is list
        assert [(int(one.more[0]), int(one.numbers[0, 0])) for one in rows] == [(20, 2), (10, 1)]
        assert {one._fields for one in co[..., several(["a", "b"])]} == {("more", "numbers")}
        assert co[:, several(["a"])][0].more[0] == 10
        assert type(co["more", several(["a"])]) is list
    checkout.close()


@pytest.mark.parametrize("write", [True, False])
def test_what_is_not_there_is_a_key_error_or_none_when_asked_so(two, write):
    checkout = two.checkout(write=write)
    for index in (
        ("more", ["a", "nope"]),
        (["more", "nope"], "a"),
        (["more", "numbers"], 3),
        (..., "nope"),
        (["more", "numbers"], ["a", 3]),
        ["more", "nope"],
    ):
        with pytest.raises(KeyError):
            checkout[index]
    assert checkout.get("more", ["a", "nope"])[1] is None
    both = checkout.get(["more", "numbers"], 3)
    assert (both.more, both.numbers[0, 0]) == (None, 3)
    assert [one.more is None for one in checkout.get(..., ["a", 3])] == [False, True]
    assert checkout.get("more") is checkout.arraysets["more"]
    with pytest.raises(KeyError):
        checkout.get("nope", "a")
    for samples in ("nope", ["a", "nope"]):
        with pytest.raises(KeyError):
            checkout.get("more", samples, except_missing=True)
    checkout.close()


@pytest.mark.parametrize("index", [("a", "b", "c"), 7, ({"more"}, "a"), ([1], "a"), slice(1, 2), ([], "a"), ((), "a")])
def test_what_names_no_arraysets_is_a_value_error(two, index):
    reader = two.checkout()
    with pytest.raises(ValueError, match=r"co\[|names no arraysets"):
        reader[index]
    reader.close()


def test_staged_samples_are_set_and_read_by_arrayset_and_sample(two):
    writer = two.checkout(write=True)
    writer["numbers", ("x", 7)] = (row(5), row(6))
    writer[["numbers", "more"], "y"] = [row(7), np.array([70], "i4")]
    writer[:, "z"] = (np.array([80], "i4"), row(8))
    assert [int(one[0, 0]) for one in writer["numbers", ["x", 7, "y", "z"]]] == [5, 6, 7, 8]
    assert [one.tolist() for one in writer["more", ["y", "z"]]] == [[70], [80]]
    writer.close()


def test_assignments_to_several_arraysets_are_checked_before_one_is_staged(two):
    writer = two.checkout(write=True)
    good = np.array([1], "i4")
    for value, error in (
        (row(1), TypeError),
        (np.stack([row(1), row(2)]), TypeError),
        ({"numbers": row(1)}, TypeError),
        ([row(1)], ValueError),
        ([row(1), good, good], ValueError),
        ([], ValueError),
        ([row(1), np.array([1], "i8")], ValueError),
        ([np.zeros((3, 2), "f4").T, good], ValueError),
        ([row(1), np.zeros(2, "i4")], ValueError),
    ):
        with pytest.raises(error):
            writer[["numbers", "more"], "x"] = value
        assert writer.diff.status() == "CLEAN"
    for bad in (-1, 0.5, None, "a\n"):
        for index in (("more", ["x", bad]), (["more", "numbers"], bad)):
            with pytest.raises(ValueError, match="name"):
                writer[index] = [good, good] if index[0] == "more" else [good, row(1)]
            assert writer.diff.status() == "CLEAN"
    with pytest.raises(KeyError):
        writer[["more", "nope"], "x"] = [good, good]
    assert writer.diff.status() == "CLEAN"
    for index in ((..., ["x", "y"]), (["numbers"], ["x"])):
        with pytest.raises(SyntaxError):
            writer[index] = [row(1), good]
    writer.close()


def test_readers_take_no_assignments(two):
    reader = two.checkout()
    with pytest.raises(TypeError):
        reader["numbers", "x"] = row(1)
    assert not hasattr(reader, "commit")
    assert not hasattr(reader, "merge")
    reader.close()


@pytest.mark.parametrize("write", [True, False])
def test_names_that_no_field_can_have_are_replaced_by_position_with_a_warning_each_time(two, write):
    writer = two.checkout(write=True)
    for name in ("data.jpeg", "_garba-ge", "try_2"):
        writer.arraysets.init_arrayset(name, shape=(1,), dtype="i4")["a"] = np.array([1], "i4")
    writer.commit("names")
    writer.close()
    checkout = two.checkout(write=write)
    names = ["more", "data.jpeg", "_garba-ge", "try_2"]
    for _ in range(2):
        for index in ((names, "a"), (names, ["a"])):
            with pytest.warns(UserWarning, match="^Arrayset names contains characters") as caught:
                found = checkout[index]
            assert {one.filename for one in caught} == {__file__}
            assert (found if isinstance(found, tuple) else found[0])._fields == ("more", "_1", "_2", "try_2")
    assert checkout[["try_2", "more"], "a"]._fields == ("try_2", "more")  # and no warning
    checkout.close()
