"""This machine: its name, which start of it this is (can unsynced bytes still be trusted?), and what its disk has."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_LINUX_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """Return text that is the same until the machine restarts.

    Where the system does not tell, every process gets its own: then bytes that an earlier process did not sync are
    checked one by one, which is slower and never wrong.
    """
    try:
        return _LINUX_BOOT_ID.read_text("ascii").strip()
    except OSError:
        import uuid

        return f"process-{os.getpid()}-{uuid.uuid4().hex}"


def host_name() -> str:
    """Return the name of this machine, for people."""
    import socket  # only writers have to say who they are

    return socket.gethostname()


def free_bytes(path: Path) -> int | None:
    """Return how many bytes the disk of a path has left, None if one cannot know."""
    import shutil

    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None
