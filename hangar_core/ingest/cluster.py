"""Files that other machines read, seen from the import: chunks become jobs, and answers what a worker process says.

The machines write segments to a folder that all of them see: below the repository's own `tmp`, or in a folder that was
named for it. From there this import adopts them, as those of its own worker processes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from blake3 import blake3

from hangar_core import external
from hangar_core.errors import InvalidInput, RemoteFailed, StorageFailed
from hangar_core.ingest.answers import Done, read_answer, words_of
from hangar_core.ingest.decoding import Reading
from hangar_core.ingest.executors import Executor
from hangar_core.ingest.jobs import encode_job
from hangar_core.ingest.options import Limits
from hangar_core.ingest.planning import Scan
from hangar_core.ingest.scratch import scratch_folder
from hangar_core.ingest.wire import encode_reading
from hangar_core.ingest.works import Work
from hangar_core.storage.host import host_name

# A chunk: enough to be worth a message, little enough that its loss costs little.
_FILES = 256, 8_192
_BYTES = 8 << 20, 256 << 20
_CHUNKS_EACH = 8


class Cluster:
    """The machines of one import. Use it in a `with`."""

    def __init__(self, executor: Executor, address: str, reading: Reading, limits: Limits, scan: Scan) -> None:
        """`address` names the machines in errors. Raises `InvalidInput` for a plugin that they cannot have."""
        self._reading = reading
        self._limits = limits
        self._versions = {name: _version(name) for name in scan.plugins}
        self._line = b""
        self._directory: Path | None = None
        self._address = address
        self._executor = executor
        pieces = max(1, self.slots * _CHUNKS_EACH)
        files, size = sum(scan.plugins.values()), scan.bytes
        self.chunk_files = min(max(files // pieces, _FILES[0]), _FILES[1])
        self.chunk_bytes = min(max(size // pieces, _BYTES[0]), _BYTES[1])

    @property
    def slots(self) -> int:
        """How many chunks can be read at the same time."""
        return max(1, self._executor.slots)

    def write_to(self, folder: Path, directory: Path) -> None:
        """Say where segments go, and in which directory of this machine answers may wait; before the first `begin`."""
        self._directory = directory
        reading = self._reading
        if reading.annotations:  # lie where this machine alone may see them
            copy = shutil.copy(reading.annotations, folder / "annotations")
            reading = reading._replace(annotations=str(copy))
        self._line = encode_reading(reading, self._limits, str(folder))

    def begin(self, works: list[Work]) -> Callable[[], Done]:
        """Have a chunk read; what is returned waits for what came out.

        That raises `InvalidInput`, `StorageFailed` for what a machine could not write, `RemoteFailed`.
        """
        plugins = {work.plugin: self._versions[work.plugin] for work in works}
        answer = self._executor.submit(encode_job(self._line, plugins, works))
        return lambda: self._read(answer(), works)

    def _read(self, answer: bytes, works: list[Work]) -> Done:
        lines = iter(answer.splitlines(keepends=True))
        try:
            if answer.startswith(b'["refused"'):
                _, reason, hint = words_of(answer)
                raise RemoteFailed(
                    f"The machines at `{self._address}` cannot read for this import: {reason}.",
                    address=self._address,
                    reason=str(reason),
                    hint=str(hint),
                )
            return read_answer(lambda: next(lines, b""), works, self._reading.arrayset, self._directory)
        except (InvalidInput, RemoteFailed, StorageFailed):
            raise
        except ValueError as why:
            raise RemoteFailed(address=self._address, reason=f"a machine gave an answer that is none: {why}") from why

    def close(self) -> None:
        """Let the machines go; twice is fine."""
        self._executor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shared_folder(folder: Path, repository: Path) -> tempfile.TemporaryDirectory[str]:
    """Return a new folder in one that other machines see too; removed when it is closed.

    What an import into the same repository has left there that was killed is removed: there is one at a time. Raises
    `StorageFailed`.
    """
    owner = blake3(f"{host_name()}\0{repository.resolve()}".encode("utf-8", "surrogatepass")).hexdigest(8)
    try:
        return scratch_folder(folder, f"hangar-{owner}")
    except OSError as why:
        raise StorageFailed(path=str(folder), reason=why.strerror or str(why)) from why


def _version(plugin: str) -> str:
    manager = external.plugin_manager()
    if not manager.origin(plugin).distribution:
        raise InvalidInput(
            f"Plugin `{plugin}` exists in this process only: no other machine can read with it.",
            hint="install it as a package on all machines, or import without an executor",
        )
    return str(manager.get(plugin).VERSION)
