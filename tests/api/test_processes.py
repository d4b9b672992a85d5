"""Readers in other processes and threads: handles that can be sent, batches, and what stays where it was opened."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hangar_core.errors import (
    ClosedError,
    DataMissing,
    InvalidInput,
    NotPicklable,
    RepositoryNotFound,
    SampleNotFound,
    WorkersFailed,
)
from hangar_core.history import refs

START_METHODS = [method for method in ("spawn", "fork") if method in multiprocessing.get_all_start_methods()]
NAMES = ["n7", "n0", 3, "n11", "n0"]


def row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


@pytest.fixture
def many(filled):
    """`numbers` has 'n0' to 'n19' as well, `nested` a sample 'day' with 'left'; all committed."""
    writer = filled.checkout(write=True)
    writer["numbers"].update((f"n{number}", row(number)) for number in range(20))
    writer.add_ndarray_arrayset("nested", shape=(2, 3), dtype="f4", contains_subsamples=True)["day"] = {"left": row(5)}
    for number in range(50):
        writer.metadata[f"k{number}"] = str(number)
    writer.commit("many")
    writer.close()
    return filled


@pytest.fixture
def reader(many):
    checkout = many.checkout()
    yield checkout
    checkout.close()


# --- what can be sent -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("start_method", START_METHODS)
def test_get_of_a_reader_is_mapped_by_a_pool_of_processes(reader, start_method):
    with multiprocessing.get_context(start_method).Pool(2) as pool:
        found = pool.map(reader["numbers"].get, NAMES)
    assert [int(data[0, 0]) for data in found] == [7, 0, 3, 11, 0]
    assert all(data.dtype == np.float32 and data.shape == (2, 3) for data in found)


def test_errors_of_another_process_arrive_whole(reader):
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(SampleNotFound) as caught:
        pool.map(reader["numbers"].get, ["nope"])
    assert (caught.value.key, caught.value.arrayset, caught.value.exit_code) == ("nope", "numbers", 4)


def test_a_reader_that_was_sent_stands_at_its_own_commit_whatever_comes_later(many, reader):
    sent = pickle.dumps(reader["numbers"])
    writer = many.checkout(write=True)
    writer["numbers", "a"] = row(99)
    writer.commit("later")
    writer.close()
    found = pickle.loads(sent)
    assert (type(found), found.name, len(found)) == (type(reader["numbers"]), "numbers", 23)
    assert found["a"][0, 0] == 1


def test_what_was_sent_outlives_the_checkout_it_came_from(many):
    checkout = many.checkout()
    sent = pickle.dumps((checkout["numbers"], checkout["nested"], checkout["nested"]["day"]))
    dead = checkout["numbers"]
    checkout.close()
    flat, nested, day = pickle.loads(sent)
    assert flat["a"][0, 0] == 1
    assert nested["day"]["left"][0, 0] == day["left"][0, 0] == 5
    with pytest.raises(ClosedError):
        pickle.dumps(dead)


def test_what_was_sent_is_small_and_holds_no_data(reader):
    assert len(pickle.dumps(reader["numbers"])) < 400 + len(reader["numbers"]._session.context.directory.as_posix())


def test_where_the_repository_is_not_there_is_nothing_to_open(many, reader, tmp_path):
    sent = pickle.dumps(reader["numbers"])
    place = Path(many.path, ".hangar")
    place.rename(tmp_path / "moved")
    with pytest.raises(RepositoryNotFound):
        pickle.loads(sent)
    (tmp_path / "moved").rename(place)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif("fork" not in START_METHODS, reason="this system cannot fork")
@pytest.mark.parametrize("handle", [copy.copy, lambda aset: aset], ids=["copied", "inherited"])
def test_a_forked_child_reads_on_through_what_it_inherited(reader, handle):
    aset = reader["numbers"]
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(int(handle(aset)["n7"][0, 0])))
    child.start()
    assert receiver.poll(60)
    assert receiver.recv() == 7
    child.join()
    for end in (receiver, sender):
        end.close()
    assert aset["n7"][0, 0] == 7


# --- what cannot ------------------------------------------------------------------------------------------------------


def test_writers_checkouts_and_metadata_stay_in_their_process(many, reader):
    writer = many.checkout(write=True)
    for bound in (
        writer,
        writer.arraysets,
        writer["numbers"],
        writer["numbers"].get,
        writer["nested"],
        writer["nested"]["day"],
        writer.metadata,
        reader,
        reader.arraysets,
        reader.metadata,
        reader.metadata.get,
    ):
        with pytest.raises(TypeError, match="cannot be pickled") as caught:
            pickle.dumps(bound)
        assert isinstance(caught.value, NotPicklable)
        assert "read checkout" in caught.value.hint
    assert writer["numbers", "a"][0, 0] == 1
    writer.close()


# --- threads ----------------------------------------------------------------------------------------------------------


def test_many_threads_read_through_one_handle(reader):
    aset, names = reader["numbers"], [f"n{number % 20}" for number in range(2000)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(aset.get, names))
    assert [int(data[0, 0]) for data in found] == [number % 20 for number in range(2000)]


def test_many_threads_read_metadata_through_one_handle(reader):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(reader.metadata.get, [f"k{number % 50}" for number in range(2000)]))
    assert found == [str(number % 50) for number in range(2000)]


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    "options",
    [{}, {"n_cpus": None}, {"n_cpus": 1}, {"n_cpus": 2}, *({"n_cpus": 3, "start_method": m} for m in START_METHODS)],
)
def test_a_batch_comes_as_a_list_in_order_of_names(reader, options):
    found = reader["numbers"].get_batch(NAMES, **options)
    assert isinstance(found, list)
    assert [int(data[0, 0]) for data in found] == [7, 0, 3, 11, 0]


def test_names_of_a_batch_are_any_iterable_and_one_name_gives_one_sample(reader):
    aset = reader["numbers"]
    assert len(aset.get_batch(iter(NAMES), n_cpus=2)) == 5
    assert len(aset.get_batch(("a", "b"))) == 2
    assert aset.get_batch("a", n_cpus=2)[0, 0] == 1
    assert aset.get_batch(3)[0, 0] == 3
    assert aset.get_batch([], n_cpus=2) == []


@pytest.mark.parametrize("n_cpus", [None, 2])
def test_unknown_names_in_a_batch_are_key_errors_and_the_arrayset_stays_usable(reader, n_cpus):
    aset = reader["numbers"]
    with pytest.raises(KeyError, match="nope not in aset"):
        aset.get_batch(["a", "nope"], n_cpus=n_cpus)
    with pytest.raises(KeyError):
        aset.get_batch("nope", n_cpus=n_cpus)
    assert [int(data[0, 0]) for data in aset.get_batch(["a", "b"], n_cpus=n_cpus)] == [1, 2]


@pytest.mark.parametrize("options", [{"n_cpus": 0}, {"n_cpus": -1}, {"n_cpus": True}, {"n_cpus": "2"}])
def test_a_number_of_processes_that_there_cannot_be_is_a_value_error(reader, options):
    with pytest.raises(InvalidInput, match="n_cpus"):
        reader["numbers"].get_batch(["a"], **options)


def test_an_unknown_start_method_is_a_value_error_that_lists_the_known_ones(reader):
    with pytest.raises(InvalidInput, match="spawn"):
        reader["numbers"].get_batch(["a"], start_method="teleport")


def test_a_writer_gives_batches_of_what_it_has_staged(many):
    writer = many.checkout(write=True)
    writer["numbers", "new"] = row(77)
    assert [int(data[0, 0]) for data in writer["numbers"].get_batch(["new", "a"], n_cpus=2)] == [77, 1]
    writer.close()


def test_a_batch_of_nested_samples_is_one_of_their_handles(reader):
    (day,) = reader["nested"].get_batch(["day"], n_cpus=2)
    assert day["left"][0, 0] == 5
    with pytest.raises(KeyError):
        reader["nested"].get_batch(["day", "night"])


def test_data_that_only_a_remote_has_are_missed_in_a_batch_as_they_are_alone(many, reader):
    with many._context.tables.write() as batch:
        refs.mark_partial(batch)
        batch.delete("locations", reader["numbers"].digest("n3"))
    with pytest.raises(DataMissing):
        reader["numbers"].get_batch(["a", "n3"], n_cpus=2)


def test_a_script_whose_start_is_not_guarded_is_told_so_and_does_not_hang(many, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"from hangar_core import Repository\n"
        f"reader = Repository({many.path!r}).checkout()\n"
        f"reader['numbers'].get_batch(['a', 'b'], n_cpus=2)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"hangar_core.errors.{WorkersFailed.__name__}: " in done.stderr
    assert "__main__" in WorkersFailed.default_hint
