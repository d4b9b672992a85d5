"""Samples become files: written into a folder of their own inside the target first, then moved to their places."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core import external
from hangar_core.errors import InvalidData, InvalidInput, StorageFailed
from hangar_core.export.formats import format_for, recorded_options
from hangar_core.export.placing import place
from hangar_core.export.samples import Samples, find, refuse_other_than_arrays
from hangar_core.model import SampleKey
from hangar_core.reports import Progress, ProgressReporter

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    refuse_other_than_arrays(aset, "exported")
    keys = list(dict.fromkeys(samples)) if samples is not None else list(aset.keys())
    for key in samples or ():
        find(aset, key)  # raises for one that is not there, before anything is written
    chosen, suffix = format_for("save", aset, plugin, extension)
    options = {**recorded_options(aset, chosen, "save"), **(plugin_options or {})}
    try:
        with tempfile.TemporaryDirectory(prefix=".hangar-export-", dir=outdir) as fresh:
            _save(aset, keys, Path(fresh), chosen, suffix, options, progress or _quiet)
            written, unchanged, paths = place(Path(fresh), outdir, overwrite=overwrite)
    except OSError as why:
        if isinstance(why, StorageFailed):
            raise
        raise StorageFailed(path=why.filename or outdir, reason=why.strerror or str(why)) from why
    seconds = time.monotonic() - begun
    return ExportReceipt(written, unchanged, tuple(paths), len(keys), chosen.plugin_name, suffix, seconds)


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


def _quiet(_: Progress) -> None:
    """Report to nobody."""
