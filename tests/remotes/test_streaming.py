"""Reading with `stream`: what is here comes from here, the rest from the remote, and nothing is stored."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sides import add, content, reading, row

from hangar_core import Repository
from hangar_core.errors import BadAnswer, InvalidInput, RemoteNotFound
from hangar_core.remotes import streaming
from hangar_core.remotes.transport import Credentials


@pytest.fixture
def streamed(clone: Repository) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkout = clone.checkout(stream=True)
    yield checkout
    checkout.close()


def test_everything_can_be_read_in_every_way(streamed: Any, pushed: Repository) -> None:
    with reading(pushed) as whole:
        for name in ("numbers", "free", "text"):
            keys = list(whole[name])
            assert [np.asarray(one).tolist() for one in streamed[name].values()] == [
                np.asarray(one).tolist() for one in whole[name].values()
            ]
            assert np.array_equal(streamed[name][keys[0]], whole[name][keys[0]])
            assert np.array_equal(streamed[name].get(keys[1], copy=False), whole[name][keys[1]])
            assert len(streamed[name].get_batch(keys)) == len(keys)
            assert list(streamed[name].keys(local=True)) == keys
        keys = list(whole["numbers"])[:7]
        out = np.empty((7, 2, 3), np.float32)
        assert np.array_equal(streamed["numbers"].read_into(keys, out), np.stack(whole["numbers", keys]))
        assert streamed["nested"]["day"]["right"].tolist() == row(201).tolist()
        assert streamed.arraysets.contains_remote_references["numbers"] is False


def test_arrays_are_the_readers_own(streamed: Any) -> None:
    first = streamed["numbers", "s001"]
    first[:] = -1
    assert streamed["numbers", "s001"].tolist() == row(1).tolist()


def test_nothing_is_stored(streamed: Any, clone: Repository) -> None:
    assert len(list(streamed["numbers"].values())) == 100
    assert content(clone) == {"metadata": {"note": "one"}}


def test_what_is_here_comes_from_here(clone: Repository, address: str) -> None:
    clone.remote.fetch_data("origin", "master", arrayset_names=["numbers"], keys=["s00*"])
    for path in (Path(address.removeprefix("file://")) / "segments").iterdir():
        path.unlink()
    with closing(clone.checkout(stream=True)) as reader:
        assert reader["numbers", "s005"].tolist() == row(5).tolist()
        assert [one.tolist() for one in reader["numbers", ["s003", "s001"]]] == [row(3).tolist(), row(1).tolist()]
        with pytest.raises(BadAnswer, match="it lacks"):
            reader["numbers", "s050"]


def test_what_is_kept_is_bounded(pushed: Repository, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "CACHED_BYTES", 240)  # ten samples
    with reading(pushed) as whole:
        digests = [whole["numbers"].digest(f"s{number:03}") for number in range(100)]
    with closing(streaming.Source(address, Credentials())) as source:
        for some in (digests, digests[:3], digests):
            assert source.get(some).keys() == set(some)
            assert source.held_bytes <= 240


def test_other_processes_stream_too(streamed: Any) -> None:
    aset = pickle.loads(pickle.dumps(streamed["numbers"]))
    assert aset["s042"].tolist() == row(42).tolist()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert pool.submit(aset.get, "s043").result().tolist() == row(43).tolist()


def test_loaders_take_samples_that_are_not_here(clone: Repository) -> None:
    from hangar_core.loaders import make_numpy_dataset

    with closing(clone.checkout(stream=True)) as reader:
        dataset = make_numpy_dataset(reader["numbers"])
        assert len(dataset) == 100


def test_only_readers_stream_and_only_from_what_is_known(clone: Repository) -> None:
    with pytest.raises(InvalidInput):
        clone.checkout(write=True, stream=True)
    with pytest.raises(RemoteNotFound):
        clone.checkout(stream="nobody")
    add(clone, "new", 1)
    clone.checkout(write=True).close()
