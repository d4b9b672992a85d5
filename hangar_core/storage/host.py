"""Which machine this is, and which start of it: needed to know whether unsynced bytes can still be trusted."""

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
