"""Other machines that read files for an import: what a cluster has to be able to do, and how one is found.

An executor runs `hangar_core.ingest.jobs.run_job`, which takes bytes and gives bytes, somewhere else; where, and what
happens when a machine is lost, is its affair. It enters by an entry point of the group `hangar.executors` whose name is
the scheme of its address, and is imported when an import asks for it. `ExecutorContract` in `hangar_core.testing` tests
one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from hangar_core.errors import InvalidInput

GROUP: Final = "hangar.executors"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://.", re.IGNORECASE)


class Executor(Protocol):
    """A connection to other machines, for the length of one import."""

    @property
    def slots(self) -> int:
        """How many jobs can run at the same time now, at least 1."""

    def submit(self, job: bytes) -> Callable[[], bytes]:
        """Have ``run_job(job)`` called in another process soon; what is returned waits for the answer.

        A job whose machine is lost is run again elsewhere: jobs change nothing but files of their own. Waiting raises
        `RemoteFailed` when there is no answer to be had.
        """

    def close(self) -> None:
        """Let go of the machines, and of jobs that have not begun; closing twice is fine."""


# Raises `RemoteFailed` if nobody answers there, `PackageMissing`.
ExecutorFactory = Callable[[str], Executor]


def open_executor(address: str) -> Executor:
    """Return the executor at an address. Raises `InvalidInput` for one that nothing installed understands."""
    from importlib import metadata

    found = _SCHEME.match(address)
    entries = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    known = ", ".join(f"{name}://HOST:PORT" for name in sorted(entries))
    if found is None or found[1].lower() not in entries:
        raise InvalidInput(f"No executor for the address `{address}`.", hint=f"known are: {known or 'none'}")
    entry = entries[found[1].lower()]
    try:
        factory: ExecutorFactory = entry.load()
    except (ImportError, AttributeError) as why:
        raise InvalidInput(f"The executor {entry.value} failed to load: {why}.", hint="reinstall its package") from why
    return factory(address)
