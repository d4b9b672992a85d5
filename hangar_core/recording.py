"""What the file layer did, in order, so that a test can replay what a power cut would have left: see `files`."""

from __future__ import annotations

from typing import NamedTuple


class Operation(NamedTuple):
    """One step that reached the operating system: `kind` is create, create-directory, write, sync, sync-directory,
    replace, remove, truncate, tables or acknowledged."""

    kind: str
    path: str
    offset: int = 0
    data: bytes = b""
    target: str = ""


class Recorder:
    """The operations of a process in order; see `hangar_core.files.recording`."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def note(self, kind: str, path: str, offset: int = 0, data: bytes = b"", target: str = "") -> None:
        """Note one step."""
        self.operations.append(Operation(kind, path, offset, data, target))

    def acknowledge(self, what: str) -> None:
        """Note that a call which promises durability has returned to its caller."""
        self.note("acknowledged", what)
