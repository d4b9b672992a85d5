"""Views, windows, stacks and batches: the same bits as `aset[key]`, without a fresh array for each."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import CorruptDataError, InvalidInput, SampleNotFound

ROWS = np.random.default_rng(3).normal(size=(50, 6, 5)).astype(np.float32)


@pytest.fixture
def repo(tmp_path):
    repo = Repository(tmp_path, exists=False)
    repo.init("User", "user@example.org")
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("a", prototype=ROWS[0])
    aset.update(enumerate(ROWS))
    writer.arraysets.init_arrayset("twice", prototype=ROWS[0]).update([("x", ROWS[0]), ("y", ROWS[0])])
    writer.arraysets.init_arrayset("any", shape=(9, 9), dtype=np.int16, variable_shape=True).update(
        [(0, np.ones((2, 3), np.int16)), (1, np.zeros((9, 1), np.int16))]
    )
    writer.add_str_arrayset("text").update([("t", "words"), ("u", "")])
    writer.add_ndarray_arrayset("nested", prototype=ROWS[0], contains_subsamples=True).update({"s": {"k": ROWS[1]}})
    writer.commit("all")
    writer.close()
    return repo


@pytest.fixture(params=[False, True], ids=["reader", "writer"])
def co(repo, request):
    checkout = repo.checkout(write=request.param)
    yield checkout
    checkout.close()


def test_a_view_has_the_same_bits_and_cannot_be_written(co):
    view = co["a"].get(7, copy=False)
    assert view.dtype == np.float32
    assert view.tobytes() == ROWS[7].tobytes()
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 0
    assert co["text"].get("t", copy=False) == "words"
    assert co["any"].get(1, copy=False).shape == (9, 1)


def test_a_view_outlives_its_checkout(repo):
    reader = repo.checkout()
    view = reader["a"].get(3, copy=False)
    reader.close()
    assert np.array_equal(view, ROWS[3])


def test_what_is_staged_is_no_view_on_a_file_that_may_still_be_cut(repo):
    writer = repo.checkout(write=True)
    writer["a"][99] = ROWS[1] + 1
    staged = writer["a"].get(99, copy=False)
    writer.reset_staging_area()
    writer.close()
    repo.checkout(write=True).close()
    assert np.array_equal(staged, ROWS[1] + 1)
    assert not staged.flags.writeable


def test_a_window_is_a_fresh_part(co):
    window = (slice(1, 4), slice(None, None, 2))
    for _ in range(2):
        part = co["a"].get(5, window=window)
        assert np.array_equal(part, ROWS[5][window])
    part[:] = 0
    assert np.array_equal(co["a"].get(5, window=slice(2, 3)), ROWS[5][2:3])
    assert not co["a"].get(5, window=window, copy=False).flags.writeable
    assert co["a"].get(5, window=slice(100, 200)).shape == (0, 5)
    assert co["a"].get("none", "default", window=window) == "default"


@pytest.mark.parametrize("window", ["a", 1, (0, slice(1)), (slice(1),) * 3, [slice(1)], slice(0.5, 2), slice(0, 3, 0)])
def test_what_is_no_window_is_refused(co, window):
    with pytest.raises(InvalidInput):
        co["a"].get(5, window=window)


def test_only_arrays_have_parts(co):
    with pytest.raises(InvalidInput, match="no window"):
        co["text"].get("t", window=slice(1))
    with pytest.raises(InvalidInput, match="mapping"):
        co["nested"].get("s", copy=False)


def test_a_stack_is_filled_in_the_order_of_the_names(co):
    names = [9, 3, 3, 40, 0]
    out = np.empty((5, 6, 5), np.float32)
    assert co["a"].read_into(names, out) is out
    assert np.array_equal(out, ROWS[names])
    assert co["a"].read_into([], np.empty((0, 6, 5), np.float32)).shape == (0, 6, 5)


@pytest.mark.parametrize(
    "out",
    [np.empty((2, 6, 5)), np.empty((3, 6, 5), np.float32), np.empty((2, 5, 6), np.float32), [1, 2], None],
    ids=["dtype", "number", "shape", "list", "none"],
)
def test_a_stack_that_does_not_fit_is_refused(co, out):
    with pytest.raises(InvalidInput, match=r"numpy\.empty|`out`"):
        co["a"].read_into([1, 2], out)


def test_samples_of_different_shapes_make_no_stack(co):
    for name, key in ("any", 0), ("text", "t"), ("nested", "s"):
        with pytest.raises(InvalidInput, match="stack"):
            co[name].read_into([key], np.empty((1, 9, 9), np.int16))


def test_an_unknown_name_leaves_the_stack_alone(co):
    out = np.full((2, 6, 5), 7, np.float32)
    with pytest.raises(SampleNotFound, match="none"):
        co["a"].read_into([1, "none"], out)
    assert (out == 7).all()


def test_a_list_of_names_is_a_batch(co):
    for found in co["a"][[4, 2, 2]], co["a", [4, 2, 2]], co["a"].get_batch([4, 2, 2]):
        assert [one.tobytes() for one in found] == [ROWS[key].tobytes() for key in (4, 2, 2)]
        assert found[1] is not found[2]
        found[1][:] = 0
        assert np.array_equal(found[2], ROWS[2])
    assert co["text"][["u", "t"]] == ["", "words"]
    assert co["a"][[]] == []
    both = co["twice", ["x", "y"]]
    assert np.array_equal(both[0], both[1])
    with pytest.raises(SampleNotFound, match="none"):
        co["a"][[1, "none"]]


def test_damage_is_found_by_every_way_of_reading(repo, tmp_path):
    (pack,) = (tmp_path / ".hangar" / "data" / "20").iterdir()
    data = bytearray(pack.read_bytes())
    at = data.index(ROWS[11].tobytes())
    data[at + 10] ^= 1
    pack.write_bytes(data)
    aset = repo.checkout()["a"]
    for read in (
        lambda: aset[11],
        lambda: aset[[10, 11]],
        lambda: aset.get(11, copy=False),
        lambda: aset.get(11, window=slice(0, 1)),
        lambda: aset.read_into([11], np.empty((1, 6, 5), np.float32)),
        lambda: list(aset.values()),
    ):
        with pytest.raises(CorruptDataError, match="checksum"):
            read()
    assert np.array_equal(aset[12], ROWS[12])
