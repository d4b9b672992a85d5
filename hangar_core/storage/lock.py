"""The writer lock: an operating system lock on `.hangar/lock` that dies with its process, so nothing stays stuck.

The file's content names the owner for the message only; it decides nothing. A forked child closes its copy of the
descriptor, otherwise it would keep the lock alive after its parent (see docs/decisions/0005).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from hangar_core.errors import Locked, StorageFailed
from hangar_core.storage.host import boot_id, host_name
from hangar_core.storage.read_only import refusal

if TYPE_CHECKING:
    from filelock import FileLock

_COMMAND_LENGTH = 120
_log = logging.getLogger(__name__)


# For a writer that was forgotten and cannot be closed any more.
_own: WeakSet[WriterLock] = WeakSet()


class WriterLock:
    """Held from construction until `release`, or until the process is gone."""

    def __init__(self, path: Path, wait: float = 0.0) -> None:
        """Take the lock, waiting up to `wait` seconds. Raises `Locked` with the owner's name."""
        from filelock import FileLock, Timeout  # a slow import that only writers need

        self.path = path
        self.owner = os.getpid()
        # Not shared between instances: a second writer of the same process has to be refused as well.
        # Where the file system knows no such lock, refuse: the library's substitute would outlive its process.
        # All threads hold it together; they take turns inside the writer.
        self._lock: FileLock = FileLock(
            path, timeout=max(wait, 0.0), is_singleton=False, fallback_to_soft=False, thread_local=False
        )
        try:
            self._lock.acquire(poll_interval=0.05)
        except Timeout as why:
            raise Locked(owner=read_owner(path)) from why
        except OSError as why:
            if not os.access(path.parent, os.W_OK):
                raise refusal(path) from why
            raise StorageFailed(path=path, reason=why.strerror or str(why)) from why
        self._is_locked = True
        self._write_owner()
        _own.add(self)

    @property
    def held(self) -> bool:
        """Whether this process still holds the lock."""
        # What the lock itself would answer takes ten times as long, and is asked for each sample.
        return self._is_locked and self.owner == os.getpid()

    def release(self) -> None:
        """Let the next writer in; releasing twice is fine."""
        if self.owner == os.getpid():
            self._is_locked = False
            self._lock.release()
            _own.discard(self)

    def _write_owner(self) -> None:
        owner = {
            "pid": self.owner,
            "host": host_name(),
            "boot": boot_id(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
            "command": " ".join(sys.argv)[:_COMMAND_LENGTH],
        }
        try:
            with open(self.path, "r+b") as out:
                out.truncate()
                out.write(json.dumps(owner).encode())
        except OSError:  # a full disk: the lock is held all the same, only nobody can read by whom
            _log.warning("cannot write the owner's name into `%s`", self.path, exc_info=True)


def release_own(path: Path) -> bool:
    """Release the lock on `path` if a writer of this very process holds it; return whether one did."""
    held = [lock for lock in _own if lock.held and lock.path == path]
    for lock in held:
        lock.release()
    return bool(held)


def read_owner(path: Path) -> str:
    """Return one line that says who holds the lock, as far as the file tells."""
    try:
        owner = json.loads(path.read_bytes())
        command = str(owner["command"])
        shown = command if command.isprintable() else ascii(command)
        return f"process {int(owner['pid'])} on {owner['host']} since {owner['since']} UTC ({shown})"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return "another process"
