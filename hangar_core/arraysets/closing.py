"""Dead handles. Closing a checkout turns the class of everything obtained from it into `ClosedHandle`.

One guard covers every use, costs nothing while the handle is alive, and cannot be forgotten in a new method. See
docs/decisions/0007.
"""

from __future__ import annotations

from typing import Any, NoReturn
from weakref import WeakSet

from hangar_core.errors import ClosedError


class ClosedHandle:
    """What is left of a handle: every use raises `ClosedError`."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # isinstance asks for it
            return type(self)
        raise ClosedError(what=_what(self))

    def _refuse(self, *_: object) -> NoReturn:
        raise ClosedError(what=_what(self))

    __setattr__ = __delattr__ = _refuse
    __len__ = __iter__ = __getitem__ = __setitem__ = __delitem__ = __contains__ = _refuse
    __enter__ = __call__ = __repr__ = __str__ = __bool__ = _refuse

    def __exit__(self, *_: object) -> None:
        """Leaving a `with` block whose checkout was closed inside is no mistake."""


class ClosedCheckout(ClosedHandle):
    """What is left of a checkout; closing it once more is fine."""

    def __getattribute__(self, name: str) -> Any:
        if name == "close":
            return _nothing
        return super().__getattribute__(name)


def _nothing() -> None:
    """Close what is closed."""


def _what(handle: ClosedHandle) -> str:
    return "checkout" if type(handle) is ClosedCheckout else "handle"


def is_closed(handle: object) -> bool:
    """Whether a handle was closed; asks it nothing."""
    return issubclass(type(handle), ClosedHandle)


class Handles:
    """The living handles of one checkout."""

    def __init__(self) -> None:
        self._living: WeakSet[Any] = WeakSet()

    def add(self, handle: object) -> None:
        self._living.add(handle)

    def close(self, handle: object) -> None:
        """Close one handle."""
        self._living.discard(handle)
        handle.__class__ = ClosedHandle

    def close_all(self) -> None:
        for handle in list(self._living):
            self.close(handle)
