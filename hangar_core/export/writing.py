"""Samples to files of a folder where nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hangar_core import external
from hangar_core.export.formats import Format
from hangar_core.export.placing import detail_of, folding_of, planned, refuse_meeting
from hangar_core.export.samples import Samples
from hangar_core.export.threads import in_threads
from hangar_core.model import SampleKey
from hangar_core.reports import Progress, ProgressReporter

if TYPE_CHECKING:
    from numpy.typing import NDArray

Sample: TypeAlias = "NDArray[Any] | str | bytes"


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be exported, how, and to whom progress is reported."""

    aset: Samples
    keys: Sequence[SampleKey]
    format: Format
    jobs: int
    report: ProgressReporter

    def samples(self, what: str) -> Iterator[tuple[SampleKey, Sample]]:
        """Yield the samples in order, reporting each as one more of `what` once it is done with."""
        for number, key in enumerate(self.keys, 1):
            yield key, self.aset[key]
            self.report(Progress(number, len(self.keys), what))


def write_all(work: Work, folder: Path) -> None:
    """Write all samples below `folder`, each whole or not at all.

    Raises `InvalidData` for what the format cannot hold and for samples that meet in one file, `StorageFailed`, and
    what plugins raise.
    """
    folding = folding_of(folder)
    if work.format.in_shared_files:
        written = external.save_many(
            work.samples("samples"),
            folder,
            work.aset.name,
            work.format.extension,
            plugin=work.format.plugin_name,
            **work.format.options,
        )
        refuse_meeting(written, folding)
        return
    paths = planned(work.keys, folder, work.format.extension, folding)
    for _ in in_threads(_calls(work, folder, paths), work.jobs):
        pass  # there is nothing to be had but errors


def _calls(work: Work, folder: Path, paths: Mapping[SampleKey, Path]) -> Iterator[Callable[[], None]]:
    for key, data in work.samples("samples"):
        if work.format.plugin is None:
            yield partial(_write_bytes, paths[key], data.encode() if isinstance(data, str) else data)
        else:
            yield partial(_save, work.format, folder, key, data)


def _save(format_: Format, folder: Path, key: SampleKey, data: Sample) -> None:
    external.save(data, folder, detail_of(key), format_.extension, plugin=format_.plugin_name, **format_.options)


def _write_bytes(path: Path, content: Any) -> None:
    with external.atomic_file(path) as file:
        file.write(content)
