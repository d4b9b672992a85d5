"""Where the files of a bare remote lie: a folder here, a bucket elsewhere.

Every file is written once, whole, and never changed; a name that is taken stays taken. That is all a bare remote needs,
and what both file systems (`link`) and object stores (conditional writes) give to several writers at once.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from hangar_core import files
from hangar_core.errors import StorageFailed
from hangar_core.remotes.transport import BATCH_BYTES

# Nobody is still writing a file that he began so many seconds ago.
LEFT_FOR: Final = 24 * 3600


class Store(Protocol):
    """Immutable files by name. Names are made of our own ids and `/`, never of what somebody else says.

    `batch_bytes` is how much one file should hold; of smaller files than `keeps`, what was
    begun is there if its writer is killed.
    """

    batch_bytes: int
    keeps: int

    def create(self, name: str, buffers: Sequence[bytes | memoryview]) -> bool:
        """Create a file, durable when it returns; False if there is one of that name. Raises `RemoteError`,
        `StorageFailed`."""

    def begun(self, name: str, buffers: Sequence[bytes | memoryview]) -> AbstractContextManager[Callable[[], bool]]:
        """Do the same when what this gives is called; where the store `keeps`, the content is written by then."""

    def left(self) -> Iterator[bytes]:
        """Yield files smaller than `keeps` that were begun, as far as they are written; somebody may be at it."""

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        """Return some bytes of a file, fewer if it ends before; None if there is no such file."""

    def tail(self, name: str, size: int) -> bytes:
        """Return the last bytes of a file, all of it if it is shorter."""

    def names(self, prefix: str) -> list[str]:
        """Return what lies below a prefix that ends with `/`, in order, as names behind it."""


class FolderStore:
    """A folder on a disk that is mounted here."""

    batch_bytes = BATCH_BYTES
    keeps = 2 * BATCH_BYTES

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, name: str, buffers: Sequence[bytes | memoryview]) -> bool:
        with self.begun(name, buffers) as create:
            return create()

    @contextmanager
    def begun(self, name: str, buffers: Sequence[bytes | memoryview]) -> Iterator[Callable[[], bool]]:
        path = self.root / name
        self._make_parents(path.parent)
        with files.whole_file(path, buffers, self.root / "tmp" / uuid.uuid4().hex) as create:
            yield create

    def left(self) -> Iterator[bytes]:
        for name in self.names("tmp/"):
            with suppress(OSError):  # of somebody else, or a link to itself
                data = self.read(f"tmp/{name}", 0, self.keeps)
                if data is not None and len(data) < self.keeps:
                    yield data

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        try:
            with open(self.root / name, "rb") as file:
                if size is None:
                    file.seek(start)
                    return file.read()
                # Memory is taken for what is asked for, and who says how much that is may be a stranger.
                left = os.fstat(file.fileno()).st_size - start
                if left <= 0:
                    return b""
                file.seek(start)
                return file.read(min(size, left))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def tail(self, name: str, size: int) -> bytes:
        with open(self.root / name, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size))
            return file.read(size)

    def names(self, prefix: str) -> list[str]:
        # As plain text: of branches that have moved often there are many, and every client asks for them.
        top = os.fspath(self.root / prefix)
        found: list[str] = []
        for place, _, some in os.walk(top):
            below = place[len(top) :].replace(os.sep, "/").lstrip("/")
            found += (f"{below}/{one}" for one in some) if below else some
        return sorted(found)

    def tidy(self) -> None:
        """Remove what a crash left half-written a day ago or earlier."""
        old: list[Path] = []
        with suppress(FileNotFoundError), os.scandir(self.root / "tmp") as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # given its name meanwhile
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFT_FOR:
                        old.append(Path(entry.path))
        for path in old:
            files.remove(path)

    def _make_parents(self, directory: Path) -> None:
        for needed in (self.root / "tmp", directory):
            if needed.is_dir():
                continue
            missing = [needed]
            while not missing[-1].parent.is_dir() and missing[-1].parent != self.root.parent:
                missing.append(missing[-1].parent)
            if not self.root.parent.is_dir():
                raise StorageFailed(path=self.root, reason="the folder that it is to lie in does not exist")
            for one in reversed(missing):
                files.make_directory(one)
