"""HDF5_01: samples in their own shape, one chunk each. Format: docs/formats/01.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.backends.hdf5_engine import COLLECTION_SIZE, Hdf5Files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.text_records import Place
    from hangar_core.hashing.samples import Payload


class Hdf5Fixed(Hdf5Files):
    """A dataset holds samples of one shape; those of an arrayset with variable shapes need one for each shape."""

    code: ClassVar[str] = "01"

    def _divided(self, batch: Sequence[Payload]) -> Iterator[list[Payload]]:
        kind = lambda one: (one.dtype, one.shape)  # noqa: E731 — sorts and groups
        for _, alike in groupby(sorted(batch, key=kind), kind):
            group = list(alike)
            for start in range(0, len(group), COLLECTION_SIZE):
                yield group[start : start + COLLECTION_SIZE]

    def _shape(self, group: Sequence[Payload], itemsize: int) -> tuple[tuple[int, ...], tuple[int, ...]]:  # noqa: ARG002
        shape = group[0].shape
        return (len(group), *shape), (1, *shape)

    def _put(self, dataset: Any, index: int, payload: Payload, elements: NDArray[Any]) -> None:
        dataset[index] = elements.reshape(payload.shape)

    def _take(self, dataset: Any, place: Place) -> NDArray[Any]:
        import numpy as np

        found: NDArray[Any] = np.asarray(dataset[place.index])
        if found.shape != place.shape:
            raise ValueError("it has another shape")
        return found
