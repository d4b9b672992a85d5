"""An operating system that fails: what `hangar_core.files` gets in place of `os`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hangar_core import files

WATCHED = ("write", "fsync", "fdatasync", "replace", "ftruncate", "truncate", "open", "unlink", "mkdir")


@dataclass
class Fault:
    """The call with this number fails, once or from then on.

    `how` it fails: "refuses" does nothing, "half" writes the first half before it fails, "interrupted" does its work,
    and then the user presses Ctrl-C.
    """

    number: int
    code: int = 0
    persistent: bool = False
    how: str = "refuses"
    calls: list[str] = field(default_factory=list)
    mended: bool = False

    def call(self, name: str, real: Callable[..., Any], *words: Any, **more: Any) -> Any:
        """Do a call, or fail it."""
        self.calls.append(name)
        now = len(self.calls)
        if self.mended or now < self.number or (now > self.number and not self.persistent):
            return real(*words, **more)
        if self.how == "interrupted":
            real(*words, **more)
            raise KeyboardInterrupt
        if self.how == "half" and name == "write":
            real(words[0], bytes(words[1])[: len(words[1]) // 2])
        raise OSError(self.code, os.strerror(self.code))

    @property
    def happened(self) -> bool:
        return len(self.calls) >= self.number


class FaultyOs:
    """`os` with a fault."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return (lambda *words, **more: self._fault.call(name, real, *words, **more)) if name in WATCHED else real


@contextmanager
def failing(fault: Fault) -> Iterator[Fault]:
    """Let the file layer meet a fault while the block runs."""
    with ExitStack() as patches:
        patches.enter_context(patch.object(files, "os", FaultyOs(fault)))
        for name in ("unlink", "mkdir"):
            patches.enter_context(patch.object(Path, name, _method(fault, name, getattr(Path, name))))
        yield fault


def _method(fault: Fault, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Path, *words: Any, **more: Any) -> Any:
        return fault.call(name, real, self, *words, **more) if ".hangar" in str(self) else real(self, *words, **more)

    return call


class ShortOs(FaultyOs):
    """`os` whose writes take only a part of what they are given."""

    def __init__(self) -> None:
        super().__init__(Fault(0, mended=True))

    @staticmethod
    def write(fd: int, data: bytes) -> int:
        return os.write(fd, bytes(data)[: max(1, len(data) // 3)])
