"""Mistakes to make on purpose. Each breaks one rule of the protocol; the harness meant for it has to notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hangar_core import files
from hangar_core.backends.pack_writer import PackWriter
from hangar_core.files import AppendFile
from hangar_core.history.staging import StagingArea
from hangar_core.history.staging_log import StagingLog
from hangar_core.storage.batches import Batch
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.tables import Tables


def _nothing(*_: Any, **__: Any) -> None:
    """Leave out a step."""


def _no_sync_of(label: str) -> Callable[[AppendFile], None]:
    real = AppendFile.sync

    def sync(self: AppendFile) -> None:
        if self._label != label:
            real(self)

    return sync


_real_init = AppendFile.__init__


def _trusting_init(self: AppendFile, path: Path, label: str, *, end: int | None = None) -> None:
    _real_init(self, path, label, end=end)
    self._synced_to = self.end if end is not None else -1


_real_write = AppendFile.write
_real_sync = AppendFile.sync
_real_close = AppendFile.close


def _buffered_write(self: AppendFile, data: bytes) -> int:
    """Keep what is written to packs in the process, as a careless use of `open(..., "ab")` would."""
    if self._label != "pack":
        return _real_write(self, data)
    held = self.__dict__.setdefault("held", bytearray())
    start = self.end
    held += data
    self.end += len(data)
    return start


def _written_late(self: AppendFile) -> None:
    held = self.__dict__.pop("held", b"")
    if held:
        self.end -= len(held)
        _real_write(self, bytes(held))


def _buffered_sync(self: AppendFile) -> None:
    _written_late(self)
    _real_sync(self)


def _buffered_close(self: AppendFile) -> None:
    _written_late(self)
    _real_close(self)


def _two_transactions(self: Tables) -> Any:
    """Set refs in one transaction and all else in the next."""
    return _split(self)


_real_tables_write = Tables.write


@contextmanager
def _split(self: Tables) -> Iterator[Batch]:
    batch = Batch()
    yield batch
    for chosen in (True, False):
        with _real_tables_write(self) as part:
            part.expected = batch.expected if chosen else []
            part.changes = {table: rows for table, rows in batch.changes.items() if (table == "refs") == chosen}


_real_start_over = StagingArea._start_over
_real_commit = StagingArea.commit


def _recycled_too_early(self: StagingArea, *words: Any) -> Any:
    """Start the log anew before the transaction that makes it void."""
    if self._log._file is not None:
        self._log._file.restart()
    return _real_commit(self, *words)


Mutation = list[tuple[object, str, Any]]

# What a power cut would show.
POWER: dict[str, Mutation] = {
    "packs are not synced": [(AppendFile, "sync", _no_sync_of("pack"))],
    "logs are not synced": [(AppendFile, "sync", _no_sync_of("log"))],
    "packs of earlier writers are not synced": [(PackWriter, "inherit", _nothing)],
    "a file that is opened again counts as synced": [(AppendFile, "__init__", _trusting_init)],
    "directories are not synced": [(files, "sync_directory", _nothing)],
    "a commit does not sync its data": [(DataWriter, "sync", _nothing)],
    "leaving a with block syncs nothing": [(StagingArea, "sync", _nothing)],
    "leaving a with block does not sync the log": [(StagingLog, "sync", _nothing)],
    "the log starts anew before the commit": [(StagingArea, "commit", _recycled_too_early)],
}

# What a kill would show.
KILL: dict[str, Mutation] = {
    "data wait in a buffer of the process": [
        (AppendFile, "write", _buffered_write),
        (AppendFile, "sync", _buffered_sync),
        (AppendFile, "close", _buffered_close),
    ],
    "refs have a transaction of their own": [(Tables, "write", _two_transactions)],
    "the log starts anew before the commit": [(StagingArea, "commit", _recycled_too_early)],
}


# What a disk that gets full would show.
FULL: dict[str, Mutation] = {
    "half of a write is left behind": [(AppendFile, "_cut_back", _nothing)],
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Make a mistake while the block runs; none if `name` is empty."""
    with ExitStack() as patches:
        for target, attribute, mistake in {**POWER, **KILL, **FULL, "": []}[name]:
            patches.enter_context(patch.object(target, attribute, mistake))
        yield
