"""Samples as torch wants them. Imports torch: only to be imported where that is meant.

A module of its own rather than a class inside a function: spawned workers find the class by its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, default_collate

from hangar_core.errors import InvalidInput
from hangar_core.loaders.samples import Samples, is_stackable


class TorchDataset(Samples, Dataset):  # type: ignore[misc]  # torch is no dependency, so its classes have no type here
    """A map-style dataset: `len`, items by position, and batches read as batches (`__getitems__`)."""

    def collate(self, items: list[Any]) -> Any:
        """Make a batch: ``DataLoader(dataset, batch_size=512, collate_fn=dataset.collate)``.

        Fields of one shape become a tensor with the batch as first dimension, stacked once for the whole batch and so
        several times faster than torch's default; other fields (text, bytes, nested, of variable shape) stay lists.
        With a `transform` it is torch's default collate.
        """
        if self._transform is not None:
            return default_collate(items)
        columns = zip(self._arraysets, zip(*items, strict=True), strict=True)
        return self._kind(*(_tensor(np.stack(column)) if is_stackable(aset) else [*column] for aset, column in columns))


def _tensor(stack: NDArray[Any]) -> Any:
    """Return an array as a tensor on the same memory. Raises `InvalidInput` for a dtype that torch lacks."""
    try:
        if stack.dtype.isbuiltin == 1:
            return torch.from_numpy(stack)
        # bfloat16 and its like are called alike on both sides, and cannot be handed over as they are.
        return torch.from_numpy(stack.view(np.uint8)).view(getattr(torch, stack.dtype.name))
    except (TypeError, AttributeError) as why:
        raise InvalidInput(f"torch has no dtype `{stack.dtype}`.", hint="convert the samples: transform=...") from why
