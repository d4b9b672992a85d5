"""`RepoContext`: the one thing that is handed around. It knows the paths and opens what is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hangar_core.storage.layout import DIRECTORY, Layout
from hangar_core.storage.tables import Tables, open_tables

if TYPE_CHECKING:
    from hangar_core.storage.datastore import DataReader
    from hangar_core.storage.datawriter import DataWriter


class RepoContext:
    """An existing repository of a format that this version understands."""

    def __init__(self, directory: Path) -> None:
        """`directory` contains `.hangar`. Raises `RepositoryNotFound`, `UnsupportedFormat`, `CorruptRecord`."""
        self.directory = directory
        self.layout = Layout(directory / DIRECTORY)
        self.layout.check_format()
        self._tables: Tables | None = None
        self._pid = 0

    @property
    def tables(self) -> Tables:
        """The database; a forked child gets a handle of its own."""
        if self._tables is None or self._pid != os.getpid():
            self._tables = open_tables(self.layout.records)
            self._pid = os.getpid()
        return self._tables

    def open_data(self) -> DataReader:
        """Return a reader of array data of one's own, to be closed by its owner."""
        from hangar_core.storage.datastore import DataReader  # `status`, `log` and their like read no data

        return DataReader(self.layout, self.tables)

    @property
    def reopener(self) -> Callable[[Path], RepoContext]:
        """What opens the directory alike in another process; can be pickled."""
        return RepoContext

    def open_data_writer(self) -> DataWriter:
        """Return a writer of array data; only for whoever holds the writer lock."""
        from hangar_core.storage.datawriter import DataWriter  # readers have no use for it

        return DataWriter(self.layout, self.tables)
