"""Where an import puts what it has read and cannot stage yet: in memory while it is little, else in a file.

Under the policy `error` nothing is staged before all is known to be good, and a file of many samples is taken or left
as a whole: in memory, a million samples would take most of a gigabyte until then. The file has no name and nobody else
reads it; its layout is nobody's business but that of this module.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from hangar_core.errors import StorageFailed
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.ingest.inference import Form
from hangar_core.model import Digest

_IN_MEMORY: Final = 8 << 20
_HEAD = struct.Struct("<I")

# Offset and length.
Extent: TypeAlias = tuple[int, int]


class Placing(NamedTuple):
    """The part of a sample in one arrayset, stored."""

    suffix: str
    form: Form
    digest: Digest


class Column(NamedTuple):
    """The parts of many samples in one arrayset, all of one form, stored."""

    suffix: str
    form: Form
    digests: list[Digest]


class Columns(NamedTuple):
    """Samples that are alike: keys, and what each arrayset has of them, in the same order."""

    keys: list[bytes]
    parts: tuple[Column, ...]

    def is_like(self, other: Columns) -> bool:
        """Whether the samples of both are alike."""
        return [part[:2] for part in self.parts] == [part[:2] for part in other.parts]


# Samples one by one: key -> parts.
Singles: TypeAlias = dict[bytes, tuple[Placing, ...]]
Run: TypeAlias = Singles | Columns


class Shelf:
    """Bytes put by and read again, in any order."""

    def __init__(self, directory: Path | None) -> None:
        """`directory` is where the file is made, None for the usual one."""
        self._directory = directory
        where = None if directory is None else str(directory)
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+b", dir=where)  # noqa: SIM115 — closed by `close`
        self._end = 0

    def put(self, data: bytes) -> Extent:
        """Put bytes by and return where they are. Raises `StorageFailed`."""
        try:
            self._file.seek(self._end)
            self._file.write(data)
        except OSError as why:
            raise self._failed(why) from why
        self._end += len(data)
        return self._end - len(data), len(data)

    def get(self, extent: Extent) -> bytes:
        """Return the bytes that were put there. Raises `StorageFailed`: some may still be to be written."""
        try:
            self._file.seek(extent[0])
            return self._file.read(extent[1])
        except OSError as why:
            raise self._failed(why) from why

    def put_run(self, run: Run) -> Extent:
        return self.put(_encode_run(run))

    def get_run(self, extent: Extent) -> Run:
        return _decode_run(self.get(extent))

    def clear(self) -> None:
        """Forget everything."""
        self._file.seek(0)
        self._file.truncate()
        self._end = 0

    def close(self) -> None:
        self._file.close()

    def __del__(self) -> None:
        with suppress(OSError):  # a full disk has been told of
            self.close()  # an import that is broken off leaves what it has not got to

    def _failed(self, why: OSError) -> StorageFailed:
        return StorageFailed(path=self._directory or tempfile.gettempdir(), reason=why.strerror or why)


def run_keys(run: Run) -> Collection[bytes]:
    """Return the keys of a run."""
    return run.keys if isinstance(run, Columns) else run.keys()


def run_items(run: Run) -> Iterator[tuple[bytes, tuple[Placing, ...]]]:
    """Yield each sample of a run by itself."""
    if isinstance(run, Columns):
        rows = zip(*(part.digests for part in run.parts), strict=True)
        for key, digests in zip(run.keys, rows, strict=True):
            yield key, tuple(Placing(*part[:2], digest) for part, digest in zip(run.parts, digests, strict=True))
    else:
        yield from run.items()


def _encode_run(run: Run) -> bytes:
    """Return a header in JSON, then the keys, then the digests, one behind the other."""
    if isinstance(run, Columns):
        forms: Sequence[tuple[str, Form]] = [part[:2] for part in run.parts]
        rows, keys = None, run.keys
        digests: Iterable[bytes] = chain.from_iterable(part.digests for part in run.parts)
    else:
        numbered: dict[tuple[str, Form], int] = {}
        rows = [[numbered.setdefault(part[:2], len(numbered)) for part in parts] for parts in run.values()]
        forms, keys = list(numbered), list(run)
        digests = (part.digest for parts in run.values() for part in parts)
    sizes = list(map(len, keys))
    header: list[Any] = [forms, rows, sizes if len(set(sizes)) > 1 else [len(keys), sizes[0]], len(set(sizes)) > 1]
    text = json.dumps(header).encode("ascii")
    return b"".join((_HEAD.pack(len(text)), text, *keys, *digests))


def _decode_run(data: bytes) -> Run:
    (size,) = _HEAD.unpack_from(data)
    at = _HEAD.size + size
    named, rows, sizes, differ = json.loads(data[_HEAD.size : at])
    forms = [(suffix, Form(dtype, tuple(shape))) for suffix, (dtype, shape) in named]
    ends = list(accumulate(sizes if differ else [sizes[1]] * sizes[0], initial=at))
    keys = [data[start:end] for start, end in pairwise(ends)]
    places = range(ends[-1], len(data), DIGEST_SIZE)
    digests = [Digest(data[place : place + DIGEST_SIZE]) for place in places]
    if rows is None:
        starts = range(0, len(digests), len(keys))
        parts = zip(forms, starts, strict=True)
        return Columns(keys, tuple(Column(*form, digests[start : start + len(keys)]) for form, start in parts))
    each = iter(digests)
    return {
        key: tuple(Placing(forms[number][0], forms[number][1], next(each)) for number in row)
        for key, row in zip(keys, rows, strict=True)
    }
