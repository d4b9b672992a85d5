"""How many bytes samples have, told by where they lie and by the headers there: no sample of a pack is read.

Sizes are those of the data themselves, before compression. A sample that is not on this machine, or of which the place
is damaged, has a size that nobody here knows: None.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, islice
from math import prod
from typing import Final, NamedTuple

from hangar_core.backends import codecs
from hangar_core.backends.base import Location, location_code
from hangar_core.backends.pack_blocks import BLOCK_LOCATION_SIZE, decode_block_location, decode_header
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.backends.pack_frames import BadFrame, decode_frame, decode_location, pack_path
from hangar_core.backends.registry import SMALL_VALUES
from hangar_core.backends.text_records import BadRecord, decode_place
from hangar_core.errors import CorruptDataError, DataMissing
from hangar_core.history import refs
from hangar_core.history.replaying import placed_in
from hangar_core.history.staging_log import read_log
from hangar_core.model import Digest, Schema
from hangar_core.storage.context import RepoContext

_BATCH: Final = 4096
_WITH_SHAPE: Final = frozenset({"00", "01", "10"})


class ByteTally(NamedTuple):
    """How many bytes of data come and go; None where some of their sizes are not known here."""

    added: int | None
    removed: int | None


def size_of_each(schema: Schema) -> int | None:
    """Return the size that all samples of a schema have, None if they differ."""
    itemsize = None if schema.variable else codecs.itemsize_of(schema.dtype)
    return None if itemsize is None else prod(schema.shape) * itemsize


class Sizes:
    """Adds up the sizes of samples. `staged` tells where data lie that are not published yet."""

    def __init__(self, context: RepoContext, staged: Callable[[], Mapping[Digest, Location]] = dict) -> None:
        self._context = context
        self._staged = staged

    def total(self, schema: Schema, wanted: Iterable[Digest]) -> int | None:
        """Return how many bytes samples of a schema have together, one named twice counted twice."""
        total = 0
        staged = self._staged()
        left = iter(wanted)
        while some := list(islice(left, _BATCH)):
            with self._context.tables.read() as reader:
                places = {Digest(one): Location(at) for one, at in reader.get_many("locations", set(some)).items()}
            places |= {one: staged[one] for one in some if one in staged}
            known = dict(self._known(schema, places))
            for one in some:
                size = known.get(one)
                if size is None:
                    return None
                total += size
        return total

    def _known(self, schema: Schema, places: Mapping[Digest, Location]) -> Iterator[tuple[Digest, int]]:
        itemsize = codecs.itemsize_of(schema.dtype) or 1
        in_packs = []
        small = []
        for digest, location in places.items():
            code = location_code(location)
            if code == PACK:
                in_packs.append((location, digest))
            elif code == SMALL_VALUES:
                small.append(digest)
            elif code in _WITH_SHAPE:
                try:
                    yield digest, prod(decode_place(code, location).shape) * itemsize
                except BadRecord:
                    continue
        yield from self._in_packs(in_packs)
        yield from self._small(small)

    def _in_packs(self, placed: list[tuple[Location, Digest]]) -> Iterator[tuple[Digest, int]]:
        for uid, some in groupby(sorted(placed), key=lambda one: one[0][2:18]):
            try:
                with (
                    pack_path(self._context.layout.data / PACK, uid).open("rb") as file,
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
                    memoryview(mapped) as view,
                ):
                    yield from [(digest, size) for at, digest in some if (size := _size_at(view, at)) is not None]
            except (FileNotFoundError, ValueError):  # gone, or empty
                continue

    def _small(self, wanted: list[Digest]) -> Iterator[tuple[Digest, int]]:
        if not wanted:
            return
        # They have no headers apart from their values, which are small.
        data = self._context.open_data()
        try:
            for digest in wanted:
                try:
                    sample = data.get(digest)
                except (CorruptDataError, DataMissing):
                    continue
                if isinstance(sample, str):
                    sample = sample.encode()
                yield digest, len(sample) if isinstance(sample, bytes) else sample.nbytes
        finally:
            data.close()


def _size_at(view: memoryview, location: Location) -> int | None:
    try:
        if len(location) == BLOCK_LOCATION_SIZE:
            header = decode_header(view, decode_block_location(location)[1])
            dtype, shape = header.dtype, header.shape
        else:
            frame = decode_frame(view, decode_location(location)[1])
            dtype, shape = frame.dtype, frame.shape
    except BadFrame:
        return None
    itemsize = codecs.itemsize_of(dtype)
    return None if itemsize is None else prod(shape) * itemsize


def staged_places(context: RepoContext) -> dict[Digest, Location]:
    """Return where the data of staged samples lie, without the writer lock."""
    with context.tables.read() as reader:
        generation = refs.generation(reader)
    content = read_log(context.layout.staging_log, generation)
    found: dict[Digest, Location] = {}
    for part in content.parts if content is not None else ():
        found.update(zip(*placed_in(part), strict=True))
    return found
