"""The canonical form of an array, and its digest.

Canonical means little-endian, C order, exact shape and dtype. The digest covers dtype, shape and bytes, so that arrays
share a digest exactly when they are the same array: ``int64(5)`` and ``longlong(5)`` do, ``zeros((2, 3))`` and
``zeros((3, 2))`` do not. NaN payloads and -0.0 are bytes like any other. Format: docs/formats/digests.md.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from hangar_core.errors import UnsupportedDtype
from hangar_core.hashing.digests import ARRAY, DOMAINS
from hangar_core.model import Digest

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

MAX_RANK = 31
# From here on blake3 gains from several threads; below it starting them costs more than it brings.
_THREADED_FROM = 1 << 20
_SUFFIX = bytes([ARRAY])
_KINDS = frozenset("biufcMm")


def dtype_text(dtype: DTypeLike) -> str:
    """Return the canonical text of a dtype (``<f4``), or raise `UnsupportedDtype`.

    Booleans, integers, floats and complex numbers of up to 8 bytes a part, and dates and durations with a unit, have
    one meaning on every machine. Objects, records and text do not fit; `longdouble` differs from machine to machine.
    """
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as why:  # numpy reads some texts as Python literals
        raise UnsupportedDtype(dtype=dtype, reason=str(why)) from why
    if kind.kind not in _KINDS or kind.subdtype is not None:
        raise UnsupportedDtype(dtype=kind, reason="only numbers, booleans, dates and durations are stored")
    if kind.itemsize > (16 if kind.kind == "c" else 8):
        raise UnsupportedDtype(dtype=kind, reason="its size differs from machine to machine; convert to float64")
    if kind.kind in "mM" and kind.str[3:] == "":
        raise UnsupportedDtype(dtype=kind, reason="give it a unit, such as datetime64[us]")
    return kind.newbyteorder("<").str


def canonical(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` in C order and little-endian, itself when it is so already. Lossless; never a subclass or a mask.

    Raises `UnsupportedDtype`.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise UnsupportedDtype(
            dtype=f"masked {array.dtype}", reason="fill the masked places first: array.filled(value)"
        )
    text = dtype_text(array.dtype)
    plain = np.asarray(array)
    if plain.dtype.str != text:
        plain = plain.astype(np.dtype(text))
    if not plain.flags.c_contiguous:
        plain = plain.copy(order="C")
    return plain


def digest_prefix(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return what is hashed in front of the array's bytes; the same for every sample of a fixed shape."""
    name = dtype.encode("ascii")
    return DOMAINS[ARRAY] + struct.pack(f"<B{len(name)}sB{len(shape)}Q", len(name), name, len(shape), *shape)


def payload_digest(prefix: bytes, payload: bytes | memoryview) -> Digest:
    """Return the digest of canonical bytes behind their `digest_prefix`."""
    if len(payload) < _THREADED_FROM:
        return Digest(blake3(prefix + payload).digest() + _SUFFIX)
    hasher = blake3(prefix, max_threads=blake3.AUTO)
    hasher.update(payload)
    return Digest(hasher.digest() + _SUFFIX)


def array_digest(array: NDArray[Any]) -> Digest:
    """Return the digest of an array of any layout and byte order. Raises `UnsupportedDtype`."""
    plain = canonical(array)
    return payload_digest(digest_prefix(plain.dtype.str, plain.shape), payload_bytes(plain))


def payload_bytes(plain: NDArray[Any]) -> bytes | memoryview:
    """Return the bytes of a canonical array: a copy of a small one, a view of a large one."""
    if plain.nbytes < _THREADED_FROM:
        return plain.tobytes()
    return plain.reshape(-1).view(np.uint8).data  # dates have no buffer of their own; bytes always do
