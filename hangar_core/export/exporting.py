"""Samples become files: written into a folder of their own inside the target first, then moved to their places."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangar_core.errors import HangarError, InvalidInput, StorageFailed
from hangar_core.export.formats import format_for_export
from hangar_core.export.placing import move_all
from hangar_core.export.samples import Samples, refuse_nested, select
from hangar_core.export.verifying import Verification, verify
from hangar_core.export.writing import Work, write_all
from hangar_core.model import SampleKey
from hangar_core.reports import Progress, ProgressReporter


@dataclass(frozen=True, slots=True)
class ExportReceipt:
    """What an export did: files written, files that were there already with the same content, and all their paths.

    `plugin` is empty for text and bytes that were written as they are; `verified` is None unless it was asked for.
    """

    written: int
    unchanged: int
    paths: tuple[str, ...]
    samples: int
    plugin: str
    extension: str
    seconds: float
    verified: Verification | None = None


def export(
    aset: Samples,
    outdir: Path,
    *,
    samples: Sequence[SampleKey] | None = None,
    keys: Sequence[str] = (),
    extension: str | None = None,
    plugin: str | None = None,
    plugin_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    jobs: int | None = None,
    verify_files: bool = False,
    progress: ProgressReporter | None = None,
) -> ExportReceipt:
    """Write samples, by default all, as files below `outdir` (it must exist), in folders as their keys say.

    `keys` are globs over keys. Without `extension` the format is the one the samples came from if it keeps every bit,
    else the plugin's default; text and bytes that no plugin made are written as they are. `jobs` files are written at
    once, by default one for each processor if the plugin lets threads run (`RELEASES_GIL`). With `verify_files` every
    file is read back and compared.

    Raises `SampleNotFound`, `NoPluginFor`, `PluginNotFound`, `MethodNotProvided`, `InvalidData` (the format cannot hold
    the data, samples would meet in one file, or they are nested), `AlreadyExists`, `StorageFailed`; nothing is written
    then.
    """
    begun = time.monotonic()
    if not outdir.is_dir():
        raise InvalidInput(f"`{outdir}` is no directory.", hint="create it first")
    if jobs is not None and jobs < 1:
        raise InvalidInput(f"`jobs` is a number from 1, not {jobs}.")
    refuse_nested(aset, "exported")
    chosen = select(aset, samples, keys)
    format_ = format_for_export(aset, plugin, extension, plugin_options or {}, to_verify=verify_files)
    work = Work(aset, chosen, format_, jobs or format_.usual_jobs, progress or _quiet)
    try:
        with tempfile.TemporaryDirectory(prefix=".hangar-export-", dir=outdir) as fresh:
            write_all(work, Path(fresh))
            placed = move_all(Path(fresh), outdir, overwrite=overwrite)
    except OSError as why:
        if isinstance(why, HangarError):
            raise
        raise StorageFailed(path=why.filename or outdir, reason=why.strerror or str(why)) from why
    verified = verify(work, outdir, placed.paths) if verify_files else None
    return ExportReceipt(
        written=placed.written,
        unchanged=placed.unchanged,
        paths=tuple(map(str, placed.paths)),
        samples=len(chosen),
        plugin=format_.plugin_name,
        extension=format_.extension,
        seconds=time.monotonic() - begun,
        verified=verified,
    )


def _quiet(_: Progress) -> None:
    """Report to nobody."""
