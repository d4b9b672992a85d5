"""A repository whose samples tell their own names, so that no sample can pass for another."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.history import refs

COUNT = 40
NAMES = [f"s{number:02}" for number in range(COUNT)]
EXPERIMENTAL = "ignore:Dataloaders are experimental:UserWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every dataset warns that it is experimental; a test says so where that is its subject."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(EXPERIMENTAL), append=False)


def picture(name: object) -> np.ndarray:
    """Return the array that is stored under a name."""
    return np.random.default_rng(zlib.crc32(repr(name).encode())).integers(0, 256, (4, 5), dtype=np.uint8)


def label(name: object) -> np.ndarray:
    return np.array([zlib.crc32(repr(name).encode())], np.int64)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Arraysets of all `NAMES`: `pictures` in packs and in each other backend, `labels`, `words`, `blobs`, `nested`,
    `ragged`, `scalars`; and `fewer`, which lacks every third and has one more."""
    repo = Repository(tmp_path_factory.mktemp("loaders"), exists=False)
    repo.init("Ada", "ada@example.org")
    writer = repo.checkout(write=True)
    for code in ("20", "00", "01", "10"):
        name = "pictures" if code == "20" else f"pictures_{code}"
        aset = writer.arraysets.init_arrayset(name, shape=(4, 5), dtype=np.uint8, backend_opts=code)
        aset.update((key, picture(key)) for key in NAMES)
    writer.arraysets.init_arrayset("labels", shape=(1,), dtype=np.int64).update((key, label(key)) for key in NAMES)
    writer.add_str_arrayset("words").update((key, f"word {key}") for key in NAMES)
    writer.add_bytes_arrayset("blobs").update((key, key.encode()) for key in NAMES)
    nested = writer.add_ndarray_arrayset("nested", shape=(1,), dtype=np.int64, contains_subsamples=True)
    nested.update({key: {"one": label(key), "two": label(key) + 1} for key in NAMES})
    ragged = writer.arraysets.init_arrayset("ragged", shape=(COUNT, 2), dtype=np.float32, variable_shape=True)
    ragged.update((key, np.full((number + 1, 2), number, np.float32)) for number, key in enumerate(NAMES))
    scalars = writer.arraysets.init_arrayset("scalars", shape=(), dtype=np.float64)
    scalars.update((key, np.array(float(number))) for number, key in enumerate(NAMES))
    fewer = writer.arraysets.init_arrayset("fewer", shape=(1,), dtype=np.int64)
    fewer.update((key, label(key)) for number, key in enumerate(NAMES) if number % 3)
    fewer["only here"] = label("only here")
    writer.commit("samples")
    writer.close()
    return repo


@pytest.fixture
def reader(stored: Repository):
    checkout = stored.checkout()
    yield checkout
    checkout.close()


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path, exists=False)
    repository.init("Ada", "ada@example.org")
    return repository


@pytest.fixture
def partial(repo: Repository):
    """A reader of arraysets `a` and `b`, both with samples x, y, z; the data of a's y are on a remote only."""
    writer = repo.checkout(write=True)
    for name in "ab":
        aset = writer.arraysets.init_arrayset(name, shape=(1,), dtype=np.int64)
        aset.update((key, label(name + key)) for key in "xyz")
    writer.commit("samples")
    missing = writer["a"].digest("y")
    writer.close()
    with repo._context.tables.write() as batch:
        refs.mark_partial(batch)
        batch.delete("locations", missing)
    with pytest.warns(UserWarning, match="reference-only"):
        checkout = repo.checkout()
    yield checkout
    checkout.close()
