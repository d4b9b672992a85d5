"""Identities: typed digests over canonical bytes. What is hashed is spelled out field by field.

`det_hash` names any Python value and `array_digest` an array. Both are loaded on first use: who reads records needs
neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hangar_core.hashing.arrays import array_digest
    from hangar_core.hashing.det_encoding import det_hash
    from hangar_core.hashing.det_hooks import CustomDetHash, DetHashFromInitParams, DetHashWithVersion

__all__ = ["CustomDetHash", "DetHashFromInitParams", "DetHashWithVersion", "array_digest", "det_hash"]
_AT = {
    "array_digest": "arrays",
    "det_hash": "det_encoding",
    "CustomDetHash": "det_hooks",
    "DetHashFromInitParams": "det_hooks",
    "DetHashWithVersion": "det_hooks",
}


def __getattr__(name: str) -> Any:
    module = _AT.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{module}"), name)
