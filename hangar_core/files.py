"""The thin file layer: every write, sync and rename of hangar's own files goes through here.

That makes crashes testable from the outside. `HANGAR_FAILPOINT=name:n` kills the process the n-th time it reaches a
named point, and a `Recorder` notes each operation in order, so that a test can replay what a power cut would have left.
The database writes its own file; it tells the recorder when a transaction became durable.

This is a floor of its own because both `storage` and `backends` write through it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hangar_core.errors import StorageFailed

if TYPE_CHECKING:
    from threading import Thread

    from hangar_core.recording import Recorder

# Every point at which `HANGAR_FAILPOINT` can stop a process. `.torn` stops in the middle of a write.
FAILPOINTS: Final = (
    "pack.create",
    "pack.write",
    "pack.write.torn",
    "pack.sync",
    "seal.create",
    "seal.write",
    "seal.write.torn",
    "seal.sync",
    "log.create",
    "log.write",
    "log.write.torn",
    "log.sync",
    "log.recycle",
    "directory.sync",
    "tables.commit",
    "tables.committed",
    "replace",
    "remove",
    "truncate",
)

# Those of a remote in a folder, which no repository of its own reaches.
REMOTE_FAILPOINTS: Final = (
    "remote.create",
    "remote.write",
    "remote.write.torn",
    "remote.sync",
    "remote.link",
    "remote.linked",
)

# So much is worth a thread that lets the disk begin.
_MUCH: Final = 16 << 20

_O_BINARY = getattr(os, "O_BINARY", 0)
_O_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


# --- failpoints -----------------------------------------------------------------------------------------------------


def _armed_from(text: str) -> tuple[str, int]:
    name, _, count = text.partition(":")
    return name, int(count or "1")


_armed, _remaining = _armed_from(os.environ.get("HANGAR_FAILPOINT", ":1"))


def failpoint(name: str) -> None:
    """Die here, without any clean-up, if this point was armed and its turn has come."""
    global _remaining
    if name == _armed:
        _remaining -= 1
        if _remaining == 0:
            import signal  # only who dies here needs it

            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


# --- recorder -------------------------------------------------------------------------------------------------------


_recorder: Recorder | None = None


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record every operation of this process until the block ends."""
    from hangar_core.recording import Recorder

    global _recorder
    outer, _recorder = _recorder, Recorder()
    try:
        yield _recorder
    finally:
        _recorder = outer


def recorder() -> Recorder | None:
    """Return the recorder in force, if any."""
    return _recorder


def _record(kind: str, path: object, offset: int = 0, data: bytes = b"", target: object = "") -> None:
    if _recorder is not None:
        _recorder.note(kind, os.fspath(str(path)), offset, data, str(target))


# --- files ----------------------------------------------------------------------------------------------------------


class AppendFile:
    """A file that only grows, written by plain `write` calls at a known end.

    A write that fails leaves the file as it was before; if even that cannot be achieved, or a sync fails, the file is
    poisoned and refuses everything: what the kernel dropped once, a second sync would not bring back.
    """

    def __init__(self, path: Path, label: str, *, end: int | None = None) -> None:
        """Create `path` (it must not exist), or with `end` open it and go on there. `label` names its failpoints."""
        self.path = path
        self._label = label
        self._write_point = f"{label}.write"
        self._torn_point = f"{label}.write.torn"
        self._poisoned: str | None = None
        flags = os.O_WRONLY | _O_BINARY | _O_CLOEXEC
        failpoint(f"{label}.create")
        try:
            self._fd = os.open(path, flags | (os.O_CREAT | os.O_EXCL if end is None else 0), 0o644)
            self.end = 0 if end is None else end
            os.lseek(self._fd, self.end, os.SEEK_SET)
        except OSError as why:
            raise _failed(path, why) from why
        self._synced_to = -1  # of a file that was there already, nobody knows either
        self._ahead: Thread | None = None
        self._ahead_from = self.end
        if end is None:
            _record("create", path)

    def write(self, data: bytes) -> int:
        """Append `data` whole and return the offset at which it begins. Raises `StorageFailed`."""
        if self._poisoned is not None:
            self._refuse_if_poisoned()
        failpoint(self._write_point)
        start = self.end
        try:
            if _armed == self._torn_point:
                os.write(self._fd, data[: len(data) // 2])
                failpoint(_armed)
                os.lseek(self._fd, start, os.SEEK_SET)
            written = os.write(self._fd, data)
            if written != len(data):
                view = memoryview(data)
                while written < len(data):
                    written += os.write(self._fd, view[written:])
            self.end = start + len(data)
        except OSError as why:
            self._cut_back(start)
            raise _failed(self.path, why) from why
        except BaseException:
            self._cut_back(start)  # Ctrl-C may come when the bytes are there already
            raise
        if _recorder is not None:
            _record("write", self.path, start, bytes(data))
        if self.end - self._ahead_from >= _MUCH:
            self._sync_ahead()
        return start

    def sync(self) -> None:
        """Return when everything written so far would survive a power cut. Raises `StorageFailed`."""
        self._refuse_if_poisoned()
        if self._synced_to == self.end:
            return
        failpoint(f"{self._label}.sync")
        self._wait_for_disk()
        self._refuse_if_poisoned()
        try:
            sync_descriptor(self._fd)
        except OSError as why:
            self._poisoned = str(why)
            raise _failed(self.path, why) from why
        self._synced_to = self.end
        _record("sync", self.path)

    def restart(self) -> None:
        """Cut the file to nothing and go on at its beginning."""
        self._refuse_if_poisoned()
        failpoint(f"{self._label}.recycle")
        self._wait_for_disk()
        self._refuse_if_poisoned()
        # Stopped in the middle, nobody would know where the file ends.
        self._poisoned = "it was to be cut to nothing"
        try:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
        except OSError as why:
            raise _failed(self.path, why) from why
        self._poisoned = None
        self.end = self._ahead_from = 0
        self._synced_to = -1
        _record("truncate", self.path, 0)

    def close(self) -> None:
        """Close the descriptor; closing twice is fine. Nothing is synced here: a promise needs an explicit `sync`."""
        self._wait_for_disk()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _sync_ahead(self) -> None:
        """Let the disk begin with much that was written, while the caller goes on. Only `sync` promises anything."""
        if self._ahead is not None and self._ahead.is_alive():
            return
        from threading import Thread  # who writes little has no use for it

        self._ahead_from = self.end
        self._ahead = Thread(target=self._sync_unasked, name=f"hangar-sync-{self._label}")
        try:
            self._ahead.start()
        except RuntimeError:  # no more threads here: the disk begins when it is asked
            self._ahead = None

    def _sync_unasked(self) -> None:
        try:
            sync_descriptor(self._fd)
        except OSError as why:
            self._poisoned = str(why)  # the kernel tells only once; whoever asks next hears of it

    def _wait_for_disk(self) -> None:
        if self._ahead is not None:
            self._ahead.join()
            self._ahead = None

    def _cut_back(self, size: int) -> None:
        try:
            self.end = size
            os.ftruncate(self._fd, size)
            os.lseek(self._fd, size, os.SEEK_SET)
        except OSError as why:
            self._poisoned = f"a failed write could not be taken back ({why})"

    def _refuse_if_poisoned(self) -> None:
        if self._poisoned is not None:
            raise StorageFailed(path=self.path, reason=f"an earlier failure makes this file unsafe: {self._poisoned}")


def sync_descriptor(fd: int) -> None:
    """Force a file's bytes to the disk itself (on macOS `fsync` alone only reaches the drive's cache)."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_directory(path: Path) -> None:
    """Make names created, replaced or removed in a directory durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    failpoint("directory.sync")
    try:
        fd = os.open(path, os.O_RDONLY | _O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as why:
        raise _failed(path, why) from why
    _record("sync-directory", path)


def make_directory(path: Path) -> None:
    """Create a directory and make its name durable; one that exists is left alone."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as why:
        raise _failed(path, why) from why
    _record("create-directory", path)
    sync_directory(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """Replace the content of `path` whole and durably: nobody ever sees a part of it."""
    fresh = path.with_name(f"{path.name}.new")
    remove(fresh)
    out = AppendFile(fresh, "log")
    try:
        out.write(data)
        out.sync()
    finally:
        out.close()
    replace(fresh, path)
    sync_directory(path.parent)


def replace(source: Path, target: Path) -> None:
    """Rename, taking the place of what is there. Durable after `sync_directory`."""
    failpoint("replace")
    try:
        os.replace(source, target)
    except OSError as why:
        raise _failed(target, why) from why
    _record("replace", source, target=target)


@contextmanager
def whole_file(path: Path, buffers: Iterable[bytes | memoryview], temporary: Path) -> Iterator[Callable[[], bool]]:
    """Write a file that nobody ever sees a part of; it is there, durably, when what this gives has been called.

    That returns False, with nothing changed, if there is a file of that name already. The content is
    written to `temporary`, which must not exist and lies on the same file system, and gets its name by `link`: that
    fails where the name is taken, on network file systems too. Raises `StorageFailed`.
    """
    out = AppendFile(temporary, "remote")
    try:
        for buffer in buffers:
            out.write(buffer)  # type: ignore[arg-type]  # os.write takes any buffer
        yield lambda: _named(out, path)
    finally:
        out.close()
        remove(temporary)


def _named(out: AppendFile, path: Path) -> bool:
    out.sync()
    failpoint("remote.link")
    try:
        os.link(out.path, path)
    except FileExistsError:
        return False
    except OSError as why:
        raise _failed(path, why) from why
    _record("create", path)
    failpoint("remote.linked")
    sync_directory(path.parent)
    return True


def remove(path: Path) -> None:
    """Remove a file; one that is gone already is fine."""
    failpoint("remove")
    try:
        path.unlink(missing_ok=True)
    except OSError as why:
        raise _failed(path, why) from why
    _record("remove", path)


def truncate(path: Path, size: int) -> None:
    """Cut a file to `size` bytes."""
    failpoint("truncate")
    try:
        os.truncate(path, size)
    except OSError as why:
        raise _failed(path, why) from why
    _record("truncate", path, size)


def reserve(path: Path, size: int) -> None:
    """Give each byte of a file its place on the disk; an empty or missing one gets `size`. Raises `StorageFailed`.

    For files that are mapped for writing: without a place for a page, a full disk would kill the process.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | _O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(fd, 0, os.fstat(fd).st_size or size)
        finally:
            os.close(fd)
    except OSError as why:
        if why.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:  # not every file system can
            raise _failed(path, why) from why


def note_tables(path: Path) -> None:
    """Tell the recorder that a database transaction has become durable: its file is whole as it is now."""
    if _recorder is not None:
        _record("tables", path, data=path.read_bytes())


def _failed(path: object, why: OSError) -> StorageFailed:
    reason = "the disk is full" if why.errno in {errno.ENOSPC, errno.EDQUOT} else (why.strerror or str(why))
    return StorageFailed(path=path, reason=reason)
