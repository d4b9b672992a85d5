"""Samples to files of a folder where nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hangar_core import external
from hangar_core.export.formats import Format
from hangar_core.export.layout import Item, Layout
from hangar_core.export.placing import folding_of, planned, refuse_meeting
from hangar_core.export.samples import Samples
from hangar_core.export.threads import in_threads
from hangar_core.model import SampleKey
from hangar_core.reports import Progress, ProgressReporter

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
# Handing work to another thread takes as long as writing a small file.
_FILES_AT_ONCE = 64
_BYTES_AT_ONCE = 4 << 20

Sample: TypeAlias = "NDArray[Any] | str | bytes"


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be exported, how, and to whom progress is reported."""

    aset: Samples
    layout: Layout
    jobs: int
    report: ProgressReporter

    def shared(self, what: str) -> Iterator[tuple[SampleKey, Sample]]:
        """Yield the samples that share files in order, reporting each as one more of `what` once it is done with."""
        before = len(self.layout.alone)
        for number, key in enumerate(self.layout.shared, before + 1):
            yield key, self.aset[key]
            self.report(Progress(number, self.layout.samples, what))

    def alone(self, what: str) -> Iterator[tuple[Item, Sample]]:
        """Yield the samples that become a file each, those that are kept as the bytes of their file."""
        files = self.aset.original_files([item.key for item in self.layout.alone if item.format is None])
        for number, item in enumerate(self.layout.alone, 1):
            yield item, self.aset[item.key] if item.format is not None else next(files)
            self.report(Progress(number, self.layout.samples, what))


def write_all(work: Work, folder: Path) -> None:
    """Write all samples below `folder`, each whole or not at all.

    Raises `InvalidData` for what the format cannot hold and for samples that meet in one file, `StorageFailed`, and
    what plugins raise.
    """
    folding = folding_of(folder)
    paths = planned(work.layout.alone, folding)
    for _ in in_threads(_calls(work, folder, paths), work.jobs):
        pass  # there is nothing to be had but errors
    if work.layout.format is not None:
        format_ = work.layout.format
        written = external.save_many(
            work.shared("samples"),
            folder,
            work.aset.name,
            format_.extension,
            plugin=format_.plugin_name,
            **format_.options,
        )
        refuse_meeting([*(folder / path for path in paths.values()), *written], folding)


def _calls(work: Work, folder: Path, paths: Mapping[SampleKey, str]) -> Iterator[Callable[[], None]]:
    """Yield what is to be called for all files: one call for many that are written as they are, if they are small."""
    made: set[str] = set()
    files: list[tuple[str, bytes]] = []
    held = 0
    for item, data in work.alone("samples"):
        if item.format is not None and item.format.plugin is not None:
            yield partial(_save, item.format, folder, item.detail, data)
            continue
        path = os.path.join(folder, paths[item.key])
        if (parent := os.path.dirname(path)) not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        assert isinstance(data, str | bytes)
        content = data.encode() if isinstance(data, str) else data
        files.append((path, content))
        held += len(content)
        if len(files) == _FILES_AT_ONCE or held >= _BYTES_AT_ONCE:
            yield partial(_write_files, files)
            files, held = [], 0
    if files:
        yield partial(_write_files, files)


def _save(format_: Format, folder: Path, detail: str, data: Sample) -> None:
    external.save(data, folder, detail, format_.extension, plugin=format_.plugin_name, **format_.options)


def _write_files(files: list[tuple[str, bytes]]) -> None:
    # Nobody else knows the folder: what is not whole goes with it. A file object would look at each file first.
    for path, content in files:
        file = os.open(path, _NEW_FILE, 0o666)
        try:
            done = os.write(file, content)
            while done < len(content):  # the system writes 2 GiB at once at most
                done += os.write(file, memoryview(content)[done:])
        finally:
            os.close(file)
