"""Samples become files: written into a folder of their own inside the target first, then moved to their places."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangar_core.errors import HangarError, InvalidInput, StorageFailed
from hangar_core.export.formats import Formats
from hangar_core.export.layout import lay_out
from hangar_core.export.placing import move_all
from hangar_core.export.samples import Samples, refuse_nested, select
from hangar_core.export.threads import usual_jobs
from hangar_core.export.verifying import Verification, verify
from hangar_core.export.writing import Work, write_all
from hangar_core.model import SampleKey
from hangar_core.reports import Progress, ProgressReporter


@dataclass(frozen=True, slots=True)
class ExportReceipt:
    """What an export did: files written, files that were there already with the same content, and all their paths.

    `originals` of the samples came out as the very files that were imported. `plugin` and `extension` are those of the
    rest, several joined by a comma; `plugin` is empty for what was written as it is. `verified` is None unless it was
    asked for.
    """

    written: int
    unchanged: int
    paths: tuple[str, ...]
    samples: int
    plugin: str
    extension: str
    seconds: float
    verified: Verification | None = None
    originals: int = 0


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

    `keys` are globs over keys. Files are called as those that were imported, others by the key of their sample. Without
    `extension`, `plugin` and its options, files that were kept come out as they came in; for all else the format is the
    one the samples came from if it keeps every bit, else the plugin's default, and text and bytes that no plugin made
    are written as they are. `jobs` files are written at once, by default one for each processor if the plugin lets
    threads run (`RELEASES_GIL`). With `verify_files` every file is read back and compared.

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
    formats = Formats(aset, plugin, extension, plugin_options or {}, to_verify=verify_files)
    layout = lay_out(aset, chosen, formats)
    used = layout.formats if chosen else [formats.default]
    usual = min((one.usual_jobs for one in used), default=usual_jobs())
    work = Work(aset, layout, jobs or usual, progress or _quiet)
    try:
        with tempfile.TemporaryDirectory(prefix=".hangar-export-", dir=outdir) as fresh:
            write_all(work, Path(fresh))
            placed = move_all(Path(fresh), outdir, overwrite=overwrite)
    except OSError as why:
        if isinstance(why, HangarError):
            raise
        raise StorageFailed(path=why.filename or outdir, reason=why.strerror or str(why)) from why
    verified = verify(work, outdir, [Path(path) for path in placed.paths]) if verify_files else None
    return ExportReceipt(
        written=placed.written,
        unchanged=placed.unchanged,
        paths=tuple(placed.paths),
        samples=len(chosen),
        plugin=", ".join(sorted({one.plugin_name for one in used} - {""})),
        extension=", ".join(sorted({one.extension for one in layout.alone} | {one.extension for one in used})),
        seconds=time.monotonic() - begun,
        verified=verified,
        originals=layout.originals,
    )


def _quiet(_: Progress) -> None:
    """Report to nobody."""
