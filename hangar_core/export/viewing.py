"""One sample becomes something that a terminal can show, with its facts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hangar_core import external
from hangar_core.errors import DataMissing, InvalidData
from hangar_core.export.formats import plugins_for_view, recorded_options
from hangar_core.export.samples import Described, Samples, find, refuse_nested
from hangar_core.export.writing import Sample
from hangar_core.hashing import digests
from hangar_core.model import SOURCE_EXTENSION, SOURCE_OPTION, SOURCE_PLUGIN, NestedKey, SampleKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.provenance import Provenance

_CHARACTERS = 4000
_BYTES = 256
_PER_LINE = 16


@dataclass(frozen=True, slots=True)
class Source:
    """Where the import that made an arrayset took it from; what differed between its files is empty."""

    plugin: str
    extension: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """One sample ready to be shown. `renderable` is what the plugin gave: text, something rich can print, or None.

    Text and bytes have their kind as `dtype` and no `shape`; `size` is in bytes. `plugin` is empty if none was needed,
    `source` None if no import made the arrayset, `provenance` None if no import set this sample as it is. `beside` is
    what arraysets called ``ARRAYSET.name`` have by the same key, such as a label, as far as it is on this machine.
    """

    arrayset: str
    key: SampleKey | NestedKey
    dtype: str
    shape: tuple[int, ...]
    size: int
    digest: str
    plugin: str
    renderable: object
    minimum: float | None
    maximum: float | None
    mean: float | None
    commit: str
    source: Source | None
    provenance: Provenance | None = None
    beside: Mapping[str, Sample] = field(default_factory=dict)


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

    Raises `SampleNotFound`, `NoPluginFor`, `PluginNotFound`, `InvalidData` for samples that are mappings, and for those
    that the plugin asked for cannot show.
    """
    refuse_nested(aset, "viewed")
    digest = digests.text(find(aset, key))
    shown = view_of(
        aset, key, aset[key], digest, commit=commit, extension=extension, plugin=plugin, plugin_options=plugin_options
    )
    return replace(shown, provenance=aset.provenance(key))


def beside(arraysets: Mapping[str, Samples], arrayset: str, key: SampleKey) -> dict[str, Sample]:
    """Return name -> data of what lies beside a sample: see `View`."""
    found = {}
    for name, aset in arraysets.items():
        if name.startswith(f"{arrayset}.") and not aset.schema.nested and key in aset:
            with suppress(DataMissing):
                found[name.removeprefix(f"{arrayset}.")] = aset[key]
    return found


def view_of(
    aset: Described,
    key: SampleKey | NestedKey,
    data: Sample,
    digest: str,
    *,
    commit: str,
    extension: str | None = None,
    plugin: str | None = None,
    plugin_options: Mapping[str, Any] | None = None,
) -> View:
    """Return `data`, which is a sample or subsample of such an arrayset, as a plugin shows it; see `view`.

    Without `plugin` and `extension` the one that it came through shows it, else one for its kind; where none can, it
    is statistics.
    """
    if isinstance(data, str | bytes):
        dtype, shape, size = aset.schema.kind, (), len(data.encode() if isinstance(data, str) else data)
        minimum = maximum = mean = None
    else:
        dtype, shape, size = str(data.dtype), data.shape, data.nbytes
        minimum, maximum, mean = _statistics(data)
    name, shown = _shown(aset, data, shape, extension, plugin, plugin_options or {})
    return View(
        arrayset=aset.name,
        key=key,
        dtype=dtype,
        shape=shape,
        size=size,
        digest=digest,
        plugin=name,
        renderable=shown,
        minimum=minimum,
        maximum=maximum,
        mean=mean,
        commit=commit,
        source=_source(aset),
    )


def _shown(
    aset: Described,
    data: Sample,
    shape: tuple[int, ...],
    extension: str | None,
    plugin: str | None,
    given: Mapping[str, Any],
) -> tuple[str, object]:
    """Return the name of the plugin that could show the data, empty if none could, and what it gave."""
    # Who gives options, or a name, means one plugin and wants to hear why it refuses.
    meant = plugin is not None or extension is not None or bool(given)
    for chosen in plugins_for_view(aset, shape, plugin, extension):
        options = {**recorded_options(aset, chosen, "show"), **given}
        try:
            return chosen.plugin_name, external.show(data, plugin=chosen.plugin_name, **options)
        except InvalidData:
            if meant:
                raise
    if isinstance(data, str):
        return "", data if len(data) <= _CHARACTERS else f"{data[:_CHARACTERS]}..."
    if isinstance(data, bytes):
        return "", _hexadecimal(data)
    from hangar_core.external.array_facts import table_of

    return "", table_of(data)


def _hexadecimal(data: bytes) -> str:
    """Return the first bytes as people look at them: place, hexadecimal, and as characters."""
    lines = []
    for start in range(0, min(len(data), _BYTES), _PER_LINE):
        part = data[start : start + _PER_LINE]
        characters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):<{3 * _PER_LINE}} {characters}")
    return "\n".join([*lines, "..."] if len(data) > _BYTES else lines)


def _source(aset: Described) -> Source | None:
    plugin = aset.options.get(SOURCE_PLUGIN, "")
    extension = aset.options.get(SOURCE_EXTENSION, "")
    if not plugin and not extension:
        return None
    options = {
        name.removeprefix(SOURCE_OPTION): value
        for name, value in aset.options.items()
        if name.startswith(SOURCE_OPTION)
    }
    return Source(plugin, extension, options)


def _statistics(array: NDArray[Any]) -> tuple[float | None, float | None, float | None]:
    if array.size == 0 or array.dtype.kind not in "biuf":
        return None, None, None
    import numpy as np

    with np.errstate(all="ignore"):
        return float(array.min()), float(array.max()), float(array.mean(dtype=np.float64))
