"""What the tests of packs do before they look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables


def publish(writer: DataWriter, tables: Tables) -> None:
    """What a commit does with data."""
    writer.keep()
    writer.sync()
    with tables.write() as batch:
        batch.place(writer.staged.most, writer.locations)
        batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in writer.published().items()))


def pack_of(layout: Layout) -> Path:
    (path,) = layout.data.rglob("*.pack")
    return path


def same(one: Any, two: NDArray[Any]) -> bool:
    """Whether two arrays are the same to the last bit."""
    return (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())
