"""Files out: samples become files through plugins, and one sample becomes something a terminal can show.

Everything is written into a folder of its own inside the target first, then moved file by file. A file that is in the
way with other content stops the export before anything is moved, unless overwriting was asked for.
"""

from __future__ import annotations

import filecmp
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hangar_core import external
from hangar_core.errors import (
    AlreadyExists,
    InvalidData,
    InvalidInput,
    MethodNotProvided,
    NoPluginFor,
    PluginNotFound,
    SampleNotFound,
    StorageFailed,
)
from hangar_core.hashing import digests
from hangar_core.model import SOURCE_EXTENSION, SOURCE_OPTION, SOURCE_PLUGIN, Digest, SampleKey, Schema
from hangar_core.reports import Progress, ProgressReporter

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Samples(Protocol):
    """An arrayset, as far as it is needed here."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> Schema: ...

    @property
    def options(self) -> Mapping[str, str]: ...

    def keys(self) -> Iterator[SampleKey]: ...

    def __getitem__(self, key: SampleKey) -> NDArray[Any]: ...

    def __len__(self) -> int: ...

    def __contains__(self, key: object) -> bool: ...

    def digest(self, name: SampleKey) -> Digest: ...


@dataclass(frozen=True, slots=True)
class ExportReceipt:
    """What an export did: files written, files that were there already with the same content, and all their paths."""

    written: int
    unchanged: int
    paths: tuple[str, ...]
    samples: int
    plugin: str
    extension: str
    seconds: float


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


def export(
    aset: Samples,
    outdir: Path,
    *,
    samples: Sequence[SampleKey] | None = None,
    extension: str | None = None,
    plugin: str | None = None,
    plugin_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: ProgressReporter | None = None,
) -> ExportReceipt:
    """Write samples, by default all, as files below `outdir` (it must exist), in folders as their keys say.

    Without `extension` the format is the one the samples came from if it keeps every bit, else the plugin's default.
    Raises `SampleNotFound`, `NoPluginFor`, `PluginNotFound`, `InvalidData` (the format cannot hold the data, or the
    samples are no arrays),
    `AlreadyExists`, `StorageFailed`; nothing is written then.
    """
    begun = time.monotonic()
    if not outdir.is_dir():
        raise InvalidInput(f"`{outdir}` is no directory.", hint="create it first")
    _refuse_other_than_arrays(aset, "exported")
    keys = list(dict.fromkeys(samples)) if samples is not None else list(aset.keys())
    for key in samples or ():
        _find(aset, key)  # raises for one that is not there, before anything is written
    chosen, suffix = _format_for("save", aset, plugin, extension)
    options = {**_recorded_options(aset, chosen, "save"), **(plugin_options or {})}
    try:
        with tempfile.TemporaryDirectory(prefix=".hangar-export-", dir=outdir) as fresh:
            _save(aset, keys, Path(fresh), chosen, suffix, options, progress or _quiet)
            written, unchanged, paths = _move(Path(fresh), outdir, overwrite=overwrite)
    except OSError as why:
        if isinstance(why, StorageFailed):
            raise
        raise StorageFailed(path=why.filename or outdir, reason=why.strerror or str(why)) from why
    seconds = time.monotonic() - begun
    return ExportReceipt(written, unchanged, tuple(paths), len(keys), chosen.plugin_name, suffix, seconds)


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
    _refuse_other_than_arrays(aset, "viewed")
    digest = _find(aset, key)
    array = aset[key]
    chosen, _ = _format_for("show", aset, plugin, extension, array)
    options = {**_recorded_options(aset, chosen, "show"), **(plugin_options or {})}
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


def _refuse_other_than_arrays(aset: Samples, verb: str) -> None:
    from hangar_core.storage.validation import refuse_other_than_arrays

    refuse_other_than_arrays(aset.schema, aset.name, verb)


def _find(aset: Samples, key: SampleKey) -> Digest:
    """Return the digest of a sample; for one that is not there, say how those are called that are."""
    try:
        return aset.digest(key)
    except SampleNotFound as why:
        first = next(aset.keys(), None)
        if isinstance(key, str) and key.isascii() and key.isdigit() and int(key) in aset:
            why.hint = f"its name is a number: int:{key}"
        elif first is not None:
            why.hint = f"the first of {len(aset)} samples is called `{'int:' if isinstance(first, int) else ''}{first}`"
        raise


# --- which format ---------------------------------------------------------------------------------------------------


def _format_for(
    method: str, aset: Samples, plugin: str | None, extension: str | None, array: NDArray[Any] | None = None
) -> tuple[external.BasePlugin, str]:
    """Return plugin and extension: as asked for, else as recorded when the data came in, else by the kind of data."""
    manager = external.plugin_manager()
    wanted = extension.lstrip(".") if extension else None
    if plugin is not None or wanted:
        chosen = manager.choose(method, plugin, wanted)
        return chosen, wanted or _default_extension(chosen, aset)
    recorded = aset.options.get(SOURCE_PLUGIN)
    if recorded is not None:
        try:
            chosen = manager.choose(method, recorded)
            return chosen, _default_extension(chosen, aset)
        except (PluginNotFound, MethodNotProvided):
            pass  # it was installed where the import ran, or only reads; the kind of data still tells enough
    for guess in _guesses(aset.schema if array is None else Schema(array.dtype.str, array.shape)):
        try:
            chosen = manager.choose(method, None, guess)
        except NoPluginFor:
            continue
        return chosen, guess
    raise NoPluginFor(extension="npy", method=method, hint="name a plugin with --plugin")


def _guesses(schema: Schema) -> tuple[str, ...]:
    """Formats for data of which nobody knows where they came from, best first."""
    shape = schema.shape
    if schema.dtype == "|u1" and (len(shape) == 2 or (len(shape) == 3 and shape[2] in {3, 4})) and min(shape[:2]) > 1:
        return ("png", "npy")
    return ("npy",)


def _default_extension(plugin: external.BasePlugin, aset: Samples) -> str:
    came_from = aset.options.get(SOURCE_EXTENSION, "")
    if came_from in plugin.LOSSLESS:
        return came_from
    return plugin.DEFAULT_EXTENSION or (plugin.LOSSLESS or tuple(plugin.accepts))[0]


def _recorded_options(aset: Samples, plugin: external.BasePlugin, method: str) -> dict[str, str]:
    """Return the options that the plugin asked to have back, without those that its version of today does not know."""
    if aset.options.get(SOURCE_PLUGIN) != plugin.plugin_name:
        return {}
    recorded = {
        name.removeprefix(SOURCE_OPTION): value
        for name, value in aset.options.items()
        if name.startswith(SOURCE_OPTION)
    }
    if plugin.Options is None:
        return recorded
    known = external.specs_for(plugin.Options, method)
    return {name: value for name, value in recorded.items() if name in known}


# --- writing --------------------------------------------------------------------------------------------------------


def _save(
    aset: Samples,
    keys: Sequence[SampleKey],
    target: Path,
    plugin: external.BasePlugin,
    extension: str,
    options: Mapping[str, Any],
    report: ProgressReporter,
) -> None:
    def stream() -> Iterator[tuple[SampleKey, NDArray[Any]]]:
        for number, key in enumerate(keys, 1):
            yield key, aset[key]
            report(Progress(number, len(keys), "samples"))

    if isinstance(plugin, external.SavesMany):
        external.save_many(stream(), target, aset.name, extension, plugin=plugin.plugin_name, **options)
        return
    for key, array in stream():
        detail = f"{'int' if isinstance(key, int) else 'str'}:{key}"
        path = plugin.target_path(target, detail, extension)
        if path.exists():
            raise InvalidData(
                f"Samples `{key}` (a number) and `{key}` (text) would be written to the same file.",
                hint="export them one by one with -s int:N and -s str:N into different folders",
            )
        external.save(array, target, detail, extension, plugin=plugin.plugin_name, **options)


def _move(fresh: Path, outdir: Path, *, overwrite: bool) -> tuple[int, int, list[str]]:
    """Move what was written to its place; look at all places before the first move."""
    root = outdir.resolve()
    places = []
    for path in sorted(path for path in fresh.rglob("*") if path.is_file() and not path.is_symlink()):
        place = outdir / path.relative_to(fresh)
        if not place.parent.resolve().is_relative_to(root):
            raise InvalidInput(
                f"`{place}` lies outside of `{outdir}`: a folder on the way is a link.", hint="remove the link"
            )
        same = place.is_file() and not place.is_symlink() and filecmp.cmp(path, place, shallow=False)
        if os.path.lexists(place) and not same and not overwrite:
            raise AlreadyExists(
                kind="File", name=str(place), hint="it has other content: choose another folder, or --overwrite"
            )
        if place.is_dir():
            raise AlreadyExists(kind="Folder", name=str(place), hint="a file of that name is to be written")
        places.append((path, place, same))
    for path, place, same in places:
        if not same:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
    unchanged = sum(same for _, _, same in places)
    return len(places) - unchanged, unchanged, [str(place) for _, place, _ in places]


def _statistics(array: NDArray[Any]) -> tuple[float | None, float | None, float | None]:
    if array.size == 0 or array.dtype.kind not in "biuf":
        return None, None, None
    import numpy as np

    with np.errstate(all="ignore"):
        return float(array.min()), float(array.max()), float(array.mean(dtype=np.float64))


def _quiet(_: Progress) -> None:
    """Report to nobody."""
