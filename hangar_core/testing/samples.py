"""Samples that find out what a backend cannot do, and repositories filled with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangar_core.arraysets.staged_collection import Arraysets
from hangar_core.checkout import WriterCheckout
from hangar_core.hashing import digests
from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_core.hashing.samples import payload_of
from hangar_core.repository import Repository
from hangar_core.storage.context import RepoContext

NUMBERS = (
    *("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"),
    *("<M8[us]", "<M8[D]", "<m8[ns]", "<m8[7s]"),
)
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (3,), (2, 3), (1, 1, 4, 1), (1,) * 31, (7, 5, 3))
# Within (6, 5): no elements, one, some, all.
VARIABLE = ((0, 5), (6, 0), (0, 0), (1, 1), (2, 5), (6, 1), (6, 5), (5, 5))
TEXTS = ("", "a", "é", "\u0065\u0301", "line\nline\r\n\ttab", "\0", "文字", "😀" * 1000, "x" * 200_000)
BYTES = (b"", b"\0", b"\xff\xfe", bytes(range(256)) * 10, b"x" * 200_000)


def dtypes() -> list[str]:
    """Return the texts of all dtypes that this installation can store."""
    try:
        import ml_dtypes
    except ImportError:
        return list(NUMBERS)
    return [*NUMBERS, *sorted(name for name in ML_DTYPES if hasattr(ml_dtypes, name))]


def array(dtype: str, shape: tuple[int, ...], seed: int) -> NDArray[Any]:
    """Return an array of every kind of bits that the dtype has: NaN with payloads, NaT, -0.0 and denormals too."""
    from hangar_core.hashing.arrays import numpy_dtype

    rng = np.random.default_rng(seed)
    kind = numpy_dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    raw = rng.integers(0, 2 if dtype == "|b1" else 256, size, dtype=np.uint8)
    return raw.view(kind).reshape(shape)


def same(found: Any, wanted: Any) -> bool:
    """Whether two samples are equal to the last bit."""
    if isinstance(wanted, np.ndarray):
        return (
            isinstance(found, np.ndarray)
            and (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            and found.tobytes() == wanted.tobytes()
        )
    return type(found) is type(wanted) and bool(found == wanted)


def new_repository(place: Path) -> Repository:
    """Return a fresh repository in a directory."""
    place.mkdir(parents=True, exist_ok=True)
    repo = Repository(place, exists=False)
    repo.init("Ada Test", "ada@example.org")
    return repo


@contextmanager
def writing(repo: Repository) -> Iterator[WriterCheckout]:
    """Have a writer for a while."""
    writer = repo.checkout(write=True)
    assert isinstance(writer, WriterCheckout)
    with closing(writer):
        yield writer


def create(arraysets: Arraysets, name: str, samples: Mapping[str, Any], backend: object, **more: Any) -> None:
    """Create an arrayset that suits the samples, and add them."""
    first = next(iter(samples.values()))
    options: Any = backend
    if isinstance(first, str):
        aset = arraysets.init_str_arrayset(name, backend_opts=options)
    elif isinstance(first, bytes):
        aset = arraysets.init_bytes_arrayset(name, backend_opts=options)
    else:
        aset = arraysets.init_arrayset(
            name, **{"shape": first.shape, "dtype": first.dtype, "backend_opts": options, **more}
        )
    aset.update(samples)


def mismatches(arraysets: Any, wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what is not as it was stored."""
    return [
        f"{name}[{key}]"
        for name, samples in wanted.items()
        for key, sample in samples.items()
        if not same(arraysets[name][key], sample)
    ]


def codes_of(place: Path, samples: Iterable[Any]) -> set[str]:
    """Return the codes of the backends that hold published samples."""
    data = RepoContext(place).open_data()
    with closing(data):
        found = [data.locate(payload_of(sample).digest) for sample in samples]
    return {"none" if one is None else one[:2].decode("ascii", "replace") for one in found}


def digest_of(sample: Any) -> str:
    """Return the digest of what was read, found anew."""
    return digests.text(payload_of(sample).digest)
