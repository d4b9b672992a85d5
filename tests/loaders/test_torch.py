"""torch datasets, through torch's own DataLoader, in this process and in workers of every kind."""

from __future__ import annotations

import multiprocessing
import operator
import pickle

import numpy as np
import pytest

from hangar_core import make_torch_dataset
from hangar_core.errors import InvalidInput
from hangar_core.loaders import SeededShuffle

from .conftest import NAMES, label, picture

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch==2.13.0")
from torch.utils.data import DataLoader, Dataset  # noqa: E402 - after it is known to be there

START_METHODS = [
    method for method in ("fork", "spawn", "forkserver") if method in multiprocessing.get_all_start_methods()
]
# (workers, how they are started): a loader without workers starts none.
WORKERS = [(0, None), *((2, method) for method in START_METHODS)]
EVERYTHING = ["words", "pictures", "pictures_00", "pictures_01", "pictures_10", "labels", "blobs", "scalars", "nested"]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pin_memory:UserWarning"),
]


def loader_of(dataset, workers: int, method: str | None, **options) -> DataLoader:
    # A deadlock ends as an error of torch's and does not hang the run.
    waiting = {"multiprocessing_context": method, "timeout": 120} if workers else {}
    return DataLoader(dataset, num_workers=workers, **waiting, **options)


def check_every_sample(batches) -> list[str]:
    """Compare each field of each sample with what was stored under its name; return the names in order."""
    names: list[str] = []
    for batch in batches:
        for row, word in enumerate(batch.words):
            name = word.removeprefix("word ")
            for code in ("", "_00", "_01", "_10"):
                assert np.array_equal(getattr(batch, f"pictures{code}")[row].numpy(), picture(name)), (name, code)
            assert np.array_equal(batch.labels[row].numpy(), label(name))
            assert batch.blobs[row] == name.encode()
            assert float(batch.scalars[row]) == NAMES.index(name)
            names.append(name)
    return names


@pytest.mark.parametrize(("workers", "method"), WORKERS)
def test_a_loader_gives_every_sample_under_its_own_name(workers, method, reader):
    dataset = make_torch_dataset([reader[name] for name in EVERYTHING])
    assert dataset[3].words == "word s03"  # what this process has open must not disturb those that come from it
    loader = loader_of(dataset, workers, method, batch_size=7, shuffle=True, persistent_workers=bool(workers))
    for _ in range(2):
        batches = list(loader)
        assert [len(batch.words) for batch in batches] == [7, 7, 7, 7, 7, 5]
        assert type(batches[0]) is type(dataset[0])
        assert sorted(check_every_sample(batches)) == NAMES
        assert torch.equal(batches[0].nested["one"], batches[0].labels)
    assert dataset[3].words == "word s03"


@pytest.mark.parametrize(("workers", "method"), WORKERS)
def test_a_sampler_resumes_in_the_middle_of_an_epoch_whatever_the_workers_have_asked_ahead(workers, method, reader):
    dataset = make_torch_dataset([reader["labels"]])
    sampler = SeededShuffle(dataset, seed=11)
    loader = loader_of(dataset, workers, method, batch_size=6, sampler=sampler)
    assert len(loader) == 7
    seen: list[int] = []
    for batch in sampler.follow(loader):
        seen += batch.labels[:, 0].tolist()
        if len(seen) == 12:
            break
    state = sampler.state_dict()
    assert (state["epoch"], state["position"]) == (0, 12)
    resumed = SeededShuffle(dataset)
    resumed.load_state_dict(state)
    again = loader_of(dataset, 0, None, batch_size=6, sampler=resumed)
    seen += [number for batch in resumed.follow(again) for number in batch.labels[:, 0].tolist()]
    assert seen == [int(label(NAMES[at])[0]) for at in sampler.order(0)]
    assert (resumed.epoch, resumed.state_dict()["position"]) == (1, 0)


@pytest.mark.parametrize(("workers", "method"), WORKERS[:2])
def test_collate_makes_the_batches_that_torch_would(workers, method, reader):
    dataset = make_torch_dataset([reader[name] for name in EVERYTHING[:-1]])
    own = list(loader_of(dataset, workers, method, batch_size=16, collate_fn=dataset.collate))
    for ours, theirs in zip(own, DataLoader(dataset, batch_size=16), strict=True):
        assert type(ours) is type(theirs)
        for one, other in zip(ours, theirs, strict=True):
            if isinstance(one, torch.Tensor):
                assert one.dtype == other.dtype
                assert torch.equal(one, other)
            else:
                assert one == list(other)
    assert check_every_sample(own) == NAMES


def test_the_dataset_is_one_of_torchs(reader):
    dataset = make_torch_dataset(reader["pictures"])
    assert isinstance(dataset, Dataset)
    batch = next(iter(DataLoader(dataset, batch_size=16)))
    assert type(batch).__name__ == "BatchTuple_pictures"
    assert batch.pictures.shape == (16, 4, 5)
    assert batch.pictures.dtype == torch.uint8


def test_a_batch_is_read_as_a_batch(reader, monkeypatch):
    asked: list[int] = []
    kind = type(reader["pictures"])
    read = kind.read_many
    monkeypatch.setattr(kind, "read_many", lambda self, names: (asked.append(len(names)), read(self, names))[1])
    list(DataLoader(make_torch_dataset(reader["pictures"]), batch_size=16))
    assert asked == [16, 16, 8]


def test_a_transform_goes_along_to_workers(reader):
    dataset = make_torch_dataset([reader["pictures"], reader["labels"]], transform=operator.attrgetter("labels"))
    for collate in (None, dataset.collate):
        batches = list(loader_of(dataset, 1, "spawn", batch_size=20, collate_fn=collate))
        assert np.array_equal(torch.cat(batches).numpy(), [label(name) for name in NAMES])


def test_samples_of_any_shape_and_nested_ones_are_lists_after_collate(reader):
    dataset = make_torch_dataset([reader["ragged"], reader["nested"]])
    batch = next(iter(DataLoader(dataset, batch_size=3, collate_fn=dataset.collate)))
    assert [array.shape for array in batch.ragged] == [(1, 2), (2, 2), (3, 2)]
    assert np.array_equal(batch.nested[1]["one"], label("s01"))


def test_a_dataset_that_was_sent_outlives_the_checkout(stored):
    checkout = stored.checkout()
    sent = pickle.dumps(make_torch_dataset([checkout["pictures"], checkout["labels"]], index_range=slice(5)))
    checkout.close()
    dataset = pickle.loads(sent)
    assert len(dataset) == 5
    assert np.array_equal(dataset[4].pictures, picture("s04"))


def test_dtypes_that_only_torch_has_besides_arrive(repo):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rows = np.array([[1.5, -2.0], [0.25, 8.0]])
    writer = repo.checkout(write=True)
    for name in ("bfloat16", "float8_e5m2"):
        cast = rows.astype(getattr(ml_dtypes, name))
        writer.arraysets.init_arrayset(name, prototype=cast[0]).update(enumerate(cast))
    writer.arraysets.init_arrayset("days", shape=(1,), dtype="M8[D]").update((n, np.zeros(1, "M8[D]")) for n in (0, 1))
    writer.commit("rows")
    writer.close()
    reader = repo.checkout()
    dataset = make_torch_dataset([reader["bfloat16"], reader["float8_e5m2"]])
    batch = next(iter(DataLoader(dataset, batch_size=2, collate_fn=dataset.collate)))
    assert (batch.bfloat16.dtype, batch.float8_e5m2.dtype) == (torch.bfloat16, torch.float8_e5m2)
    assert np.array_equal(batch.bfloat16.float().numpy(), rows)
    assert np.array_equal(batch.float8_e5m2.float().numpy(), rows)
    days = make_torch_dataset(reader["days"])
    with pytest.raises(InvalidInput, match="datetime64"):
        days.collate(days.__getitems__([0, 1]))
    reader.close()
