"""HDF5_00: samples of any shape, each a row of a dataset of two dimensions. Format: docs/formats/00.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hangar_core.backends.hdf5_engine import COLLECTION_SIZE, Hdf5Files
from hangar_core.backends.sealed_files import by_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.text_records import Place
    from hangar_core.hashing.samples import Payload

# A chunk should fit into the second cache of a processor; one of several short rows need not be as large.
_LARGEST_CHUNK: Final = 256 << 10
_SHORT_ROWS: Final = 16 << 10


class Hdf5Flat(Hdf5Files):
    """Rows are as long as the longest sample of their dataset; chunks that no sample reaches take no room."""

    code: ClassVar[str] = "00"

    def _divided(self, batch: Sequence[Payload]) -> Iterator[list[Payload]]:
        return by_size(batch, COLLECTION_SIZE)

    def _shape(self, group: Sequence[Payload], itemsize: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        width = max(len(one.data) for one in group) // itemsize
        row = max(1, width * itemsize)
        rows = min(len(group), max(1, _SHORT_ROWS // row))
        return (len(group), width), (rows, min(width, _LARGEST_CHUNK // itemsize))

    def _put(self, dataset: Any, index: int, payload: Payload, elements: NDArray[Any]) -> None:  # noqa: ARG002
        dataset[index, : len(elements)] = elements

    def _take(self, dataset: Any, place: Place) -> NDArray[Any]:
        found: NDArray[Any] = dataset[place.index, : prod(place.shape)]
        return found
