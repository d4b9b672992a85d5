"""One sample becomes something that a terminal can show, with its facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hangar_core import external
from hangar_core.export.formats import format_for, recorded_options
from hangar_core.export.samples import Samples, find, refuse_other_than_arrays
from hangar_core.hashing import digests
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class View:
    """One sample ready to be shown. `renderable` is what the plugin gave: text, something rich can print, or None."""

    arrayset: str
    key: SampleKey
    dtype: str
    shape: tuple[int, ...]
    digest: str
    plugin: str
    renderable: object
    minimum: float | None
    maximum: float | None
    mean: float | None
    commit: str


def view(
    aset: Samples,
    key: SampleKey,
    *,
    commit: str,
    extension: str | None = None,
    plugin: str | None = None,
    plugin_options: Mapping[str, Any] | None = None,
) -> View:
    """Return one sample as a plugin shows it, with its facts.

    Raises `SampleNotFound`, `NoPluginFor`, `PluginNotFound`, `InvalidData` for samples that are no arrays.
    """
    refuse_other_than_arrays(aset, "viewed")
    digest = find(aset, key)
    array = aset[key]
    chosen, _ = format_for("show", aset, plugin, extension, array)
    options = {**recorded_options(aset, chosen, "show"), **(plugin_options or {})}
    shown = external.show(array, plugin=chosen.plugin_name, **options)
    minimum, maximum, mean = _statistics(array)
    return View(
        aset.name,
        key,
        str(array.dtype),
        array.shape,
        digests.text(digest),
        chosen.plugin_name,
        shown,
        minimum,
        maximum,
        mean,
        commit,
    )


def _statistics(array: NDArray[Any]) -> tuple[float | None, float | None, float | None]:
    if array.size == 0 or array.dtype.kind not in "biuf":
        return None, None, None
    import numpy as np

    with np.errstate(all="ignore"):
        return float(array.min()), float(array.max()), float(array.mean(dtype=np.float64))
