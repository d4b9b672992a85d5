"""Checkouts: a point of the history for reading, or the staging area for writing.

Names are loaded on first use: a reader needs little of what a writer needs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hangar_core.checkout.reader import ReaderCheckout
    from hangar_core.checkout.writer import WriterCheckout

__all__ = ["ReaderCheckout", "WriterCheckout", "microseconds_now"]


def microseconds_now() -> int:
    """Return the time that commits carry: microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def __getattr__(name: str) -> Any:
    if name == "ReaderCheckout":
        from hangar_core.checkout.reader import ReaderCheckout

        return ReaderCheckout
    if name == "WriterCheckout":
        from hangar_core.checkout.writer import WriterCheckout

        return WriterCheckout
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
