"""Life of checkouts and handles: commit, close, reset, `with`, `co[...]`, metadata, diff.status."""

from __future__ import annotations

import atexit

import numpy as np
import pytest

from hangar_core.errors import ClosedError, EmptyMessage, InvalidName, NothingToCommit


def _handles(checkout):
    arraysets = checkout.arraysets
    return [arraysets, arraysets["numbers"], next(arraysets.values()), checkout.metadata]


@pytest.mark.parametrize("write", [True, False])
def test_closing_kills_the_checkout_and_every_handle(filled, write):
    checkout = filled.checkout(write=write)
    with checkout.arraysets["numbers"] as bound:
        pass
    handles = [*_handles(checkout), bound]
    assert checkout.close() is None
    for use in (
        lambda: checkout.arraysets,
        lambda: checkout.metadata,
        lambda: checkout.commit("m"),
        lambda: repr(checkout),
        lambda: checkout.__enter__(),
        lambda: checkout["numbers", "a"],
        lambda: checkout.__setitem__(("numbers", "a"), 1),
    ):
        with pytest.raises(PermissionError) as caught:
            use()
        assert isinstance(caught.value, ClosedError)
    for handle in handles:
        for use in (
            lambda handle=handle: handle.iswriteable,
            lambda handle=handle: handle.__dict__,
            lambda handle=handle: handle["a"],
            lambda handle=handle: len(handle),
            lambda handle=handle: "a" in handle,
            lambda handle=handle: list(handle),
        ):
            with pytest.raises(ReferenceError):
                use()
    checkout.close()


def test_dead_handles_stay_dead_while_a_new_checkout_lives(filled):
    checkout = filled.checkout(write=True)
    old = checkout.arraysets["numbers"]
    checkout.close()
    again = filled.checkout(write=True)
    with pytest.raises(ReferenceError):
        old["a"]
    assert again["numbers", "a"][0, 0] == 1
    again.close()


def test_closing_a_reader_disturbs_nobody_and_readers_see_one_commit_for_ever(filled):
    writer, one, two = filled.checkout(write=True), filled.checkout(), filled.checkout()
    one.close()
    writer.arraysets["numbers"]["new"] = np.zeros((2, 3), "f4")
    writer.commit("third")
    assert "new" not in two.arraysets["numbers"]
    assert len(list(two.arraysets["numbers"].values())) == 3
    writer.close()
    assert two["numbers", "a"][0, 0] == 1
    two.close()


def test_commit_updates_the_base_and_keeps_handles_alive(filled):
    writer = filled.checkout(write=True)
    aset = writer.arraysets["numbers"]
    base = writer.commit_hash
    with aset, writer.metadata as metadata:
        aset["x"] = np.zeros((2, 3), "f4")
        first = writer.commit("inside")
        metadata["k"] = "v"
        aset["y"] = np.ones((2, 3), "f4")
    assert writer.commit_hash == first != base
    assert writer.diff.status() == "DIRTY"
    second = writer.commit("after")
    assert writer.branch_name == "master"
    assert filled.log(return_contents=True)["order"][:2] == [second, first]
    assert len(aset) == 5
    writer.close()


@pytest.mark.parametrize("message", ["", "   ", "\n\t"])
def test_a_commit_needs_a_message(filled, message):
    writer = filled.checkout(write=True)
    writer.metadata["k"] = "v"
    with pytest.raises(EmptyMessage):
        writer.commit(message)
    assert writer.diff.status() == "DIRTY"
    writer.close()


def test_messages_come_back_as_given(filled):
    text = 'two\nlines, "quotes", Ünïcode 漢字'
    writer = filled.checkout(write=True)
    writer.metadata["k"] = "v"
    digest = writer.commit(text)
    writer.close()
    assert filled.log(return_contents=True)["specs"][digest]["commit_message"] == text
    assert filled.log_graph().splitlines()[0].endswith(": two")


def test_reset_drops_changes_and_old_handles_and_leaves_the_checkout_open(filled):
    writer = filled.checkout(write=True)
    aset, metadata = writer.arraysets["numbers"], writer.metadata
    aset["x"] = np.zeros((2, 3), "f4")
    metadata["k"] = "v"
    writer.arraysets.init_arrayset("more", shape=(1,), dtype="f4")
    assert writer.reset_staging_area() == writer.commit_hash
    assert writer.diff.status() == "CLEAN"
    for dead in (aset, metadata):
        with pytest.raises(ReferenceError):
            len(dead)
    assert list(writer.arraysets) == ["numbers"]
    assert "x" not in writer.arraysets["numbers"]
    writer.metadata["k2"] = "v"
    writer.commit("after reset")
    writer.close()
    reader = filled.checkout()
    assert list(reader.metadata) == ["k2", "note"]
    reader.close()


def test_inside_with_arraysets_are_neither_made_nor_removed(filled):
    writer = filled.checkout(write=True)
    for entered in (writer.arraysets["numbers"], writer.arraysets, writer):
        with entered:
            for refused in (
                lambda: writer.arraysets.remove_aset("numbers"),
                lambda: writer.arraysets.__delitem__("not there"),
                lambda: writer.arraysets.init_arrayset("new", shape=(1,), dtype="f4"),
            ):
                with pytest.raises(PermissionError):
                    refused()
            with pytest.raises(RuntimeError):
                writer.arraysets["numbers"].change_backend("20")
    writer.arraysets["numbers"].change_backend("20")
    writer.arraysets.init_arrayset("new", shape=(1,), dtype="f4")
    writer.arraysets.remove_aset("new")
    writer.close()


def test_with_blocks_nest_and_bind_the_same_kind_of_object(filled):
    writer = filled.checkout(write=True)
    with writer as co, co.arraysets["numbers"] as aset, co.metadata as metadata:
        assert co is writer
        with aset as inner:
            inner["x"] = np.zeros((2, 3), "f4")
        with pytest.raises(PermissionError):
            writer.arraysets.remove_aset("numbers")
        metadata["a"] = "b"
    writer.arraysets.remove_aset("numbers")
    writer.close()


def test_closing_inside_with_is_no_mistake(filled):
    writer = filled.checkout(write=True)
    with writer.arraysets["numbers"] as aset:
        aset["x"] = np.zeros((2, 3), "f4")
        writer.close()
    assert not filled.status().clean


def test_an_exception_inside_with_keeps_what_was_staged_before(filled):
    writer = filled.checkout(write=True)

    def stage_and_fail():
        with writer.arraysets["numbers"] as aset:
            aset["x"] = np.zeros((2, 3), "f4")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage_and_fail()
    assert "x" in writer.arraysets["numbers"]
    writer.close()


def test_exit_hook_can_be_taken_off(filled):
    writer = filled.checkout(write=True)
    atexit.unregister(writer.close)
    writer.close()


def test_items_are_chosen_by_arrayset_and_sample(filled):
    writer = filled.checkout(write=True)
    writer.arraysets.init_arrayset("more", shape=(1,), dtype="i4")
    writer["more", "a"] = np.array([1], "i4")
    writer["more", ["b", "c"]] = [np.array([2], "i4"), np.array([3], "i4")]
    assert writer["more"] is writer.arraysets["more"]
    assert [int(one[0]) for one in writer["more", ["c", "a"]]] == [3, 1]
    both = writer[["more", "numbers"], "a"]
    assert both._fields == ("more", "numbers")
    assert both.more[0] == 1
    assert writer[..., "a"]._fields == writer[:, "a"]._fields == ("more", "numbers")
    rows = writer[("numbers", "more"), ("a", "b")]
    assert [type(row).__name__ for row in rows] == ["ArraysetData", "ArraysetData"]
    assert writer.get("more", "nope") is None
    with pytest.raises(KeyError):
        writer.get("more", "nope", except_missing=True)
    for index in (("nope", "a"), ("more", "nope"), "nope"):
        with pytest.raises(KeyError):
            writer[index]
    writer.close()


def test_assignments_are_checked_before_anything_is_staged(filled):
    writer = filled.checkout(write=True)
    one = np.zeros((2, 3), "f4")
    for index, value, error in (
        ((["numbers", "numbers"], ["x", "y"]), [one, one], SyntaxError),
        (("numbers", ["x", "y"]), one, TypeError),
        (("numbers", ["x", "y"]), [one], ValueError),
        (("numbers", []), [], ValueError),
        (("numbers", ["x", "y"]), [one, np.zeros((2, 3), "f8")], ValueError),
        (("numbers", ["x", "y"]), [one, np.zeros((2, 3), "f4", order="F")], ValueError),
        (("numbers", "x"), np.zeros((3, 2), "f4"), ValueError),
        (("nope", "x"), one, KeyError),
    ):
        with pytest.raises(error):
            writer[index] = value
        assert writer.diff.status() == "CLEAN"
    writer.close()


def test_names_that_no_tuple_can_have_become_positions_with_a_warning(filled):
    writer = filled.checkout(write=True)
    writer.arraysets.init_arrayset("da-sh", shape=(1,), dtype="i4")["a"] = np.array([1], "i4")
    for _ in range(2):
        with pytest.warns(UserWarning, match="^Arrayset names contains characters"):
            assert writer[["da-sh", "numbers"], "a"]._fields == ("_0", "numbers")
    writer.close()


def test_metadata_are_any_text_under_plain_keys(filled):
    writer = filled.checkout(write=True)
    texts = {"ascii": " \t\r\n!~", 0: "Ünï 漢字 🙂", "empty": "", "long": "x" * 100_000}
    for key, text in texts.items():
        assert writer.metadata.add(key, text) == key
    assert {key: writer.metadata[key] for key in texts} == texts
    writer.commit("m")
    writer.close()
    reader = filled.checkout()
    assert list(reader.metadata) == [0, "ascii", "empty", "long", "note"]
    assert dict(reader.metadata.items()) == {**texts, "note": "second"}
    reader.close()


@pytest.mark.parametrize("key", ["a b", " a", "a\n", "a@", "x" * 65, "", "a/b", -1, 1.5, None])
def test_metadata_keys_outside_the_rule_are_value_errors(filled, key):
    writer = filled.checkout(write=True)
    with pytest.raises(InvalidName):
        writer.metadata[key] = "v"
    assert writer.diff.status() == "CLEAN"
    writer.close()


def test_metadata_values_are_text_only_and_a_refused_one_changes_nothing(filled):
    writer = filled.checkout(write=True)
    for value in (1, b"x", None, "half \ud800"):
        with pytest.raises(ValueError, match=r"text|surrogate"):
            writer.metadata["note"] = value
    assert writer.metadata["note"] == "second"
    for missing in (
        lambda: writer.metadata["no"],
        lambda: writer.metadata.get("no"),
        lambda: writer.metadata.remove("no"),
    ):
        with pytest.raises(KeyError):
            missing()
    with pytest.raises(TypeError):
        writer.metadata.add("1")
    writer.close()


def test_every_commit_keeps_its_own_metadata(filled):
    head, first = filled.log(return_contents=True)["order"]
    for digest, text in ((head, "second"), (first, "first")):
        reader = filled.checkout(commit=digest)
        assert reader.metadata["note"] == text
        reader.close()


def test_status_lists_what_is_staged(filled):
    writer = filled.checkout(write=True)
    aset = writer.arraysets["numbers"]
    aset["new"] = np.zeros((2, 3), "f4")
    aset["a"] = np.zeros((2, 3), "f4")
    del aset["b"]
    writer.arraysets.init_arrayset("more", shape=(1,), dtype="i4")[1] = np.array([1], "i4")
    del writer.metadata["note"]
    writer.metadata["other"] = "x"
    status = filled.status()  # without the lock, while the writer lives
    writer.close()
    by_name = {change.name: change for change in status.arraysets}
    numbers, more = by_name["numbers"], by_name["more"]
    assert (numbers.state, numbers.added, numbers.deleted, numbers.mutated) == ("same", 1, 1, 1)
    assert (more.state, more.added) == ("added", 1)
    assert (status.metadata_added, status.metadata_deleted, status.metadata_mutated) == (1, 1, 0)
    assert not status.clean


def test_an_arrayset_made_anew_as_it_was_is_no_change_and_blocks_nothing(filled):
    filled.create_branch("other")
    writer = filled.checkout(write=True)
    before = dict(writer.arraysets["numbers"].items())
    schema = writer.arraysets["numbers"]
    shape, dtype = schema.shape, schema.dtype
    writer.arraysets.remove_aset("numbers")
    aset = writer.arraysets.init_arrayset("numbers", shape=shape, dtype=dtype)
    aset.update(before)
    with pytest.raises(NothingToCommit):
        writer.commit("nothing")
    assert writer.diff.status() == "CLEAN"
    aset["c"] = np.zeros(shape, dtype)
    writer.commit("something")
    writer.close()
    assert filled.status().clean
    filled.checkout(write=True, branch="other").close()


def test_what_an_earlier_writer_staged_can_be_dropped_and_other_data_committed(repo):
    """Its pack was to be synced with the next commit, and is gone."""
    first = repo.checkout(write=True)
    first.arraysets.init_arrayset("x", shape=(3,), dtype="i4")["a"] = np.arange(3, dtype="i4")
    first.close()
    second = repo.checkout(write=True)
    second.reset_staging_area()
    second.arraysets.init_arrayset("x", shape=(3,), dtype="i4")["b"] = np.ones(3, "i4")
    second.commit("other data")
    second.close()
    with repo.checkout() as reader:
        assert list(reader.arraysets["x"]) == ["b"]
    reader.close()
