"""The canonical form of an array, and its digest.

Canonical means little-endian, C order, exact shape and dtype. The digest covers dtype, shape and bytes, so that arrays
share a digest exactly when they are the same array: ``int64(5)`` and ``longlong(5)`` do, ``zeros((2, 3))`` and
``zeros((3, 2))`` do not. NaN payloads and -0.0 are bytes like any other. Format: docs/formats/digests.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from hangar_core.errors import UnsupportedDtype, UnsupportedFormat
from hangar_core.hashing.digests import ARRAY, DOMAINS, THREADED_FROM, data_digest, hashing_threads
from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_core.model import Digest

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

MAX_RANK = 31
_KINDS = frozenset("biufcMm")
# Larger arrays in another order are converted in pieces of this size.
_BLOCK = 16 << 20


def dtype_text(dtype: DTypeLike) -> str:
    """Return the canonical text of a dtype (``<f4``, ``bfloat16``), or raise `UnsupportedDtype`.

    Booleans, integers, floats and complex numbers of up to 8 bytes a part, and dates and durations with a unit, have
    one meaning on every machine; so have the small floats of `ml_dtypes`. Objects, records and text do not fit;
    `longdouble` differs from machine to machine.
    """
    if isinstance(dtype, str) and dtype in ML_DTYPES:
        numpy_dtype(dtype)  # numpy knows the name only once the package is imported
        return dtype
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as why:  # numpy reads some texts as Python literals
        raise UnsupportedDtype(dtype=dtype, reason=str(why)) from why
    return _text_of(kind)


@lru_cache(maxsize=256)
def numpy_dtype(text: str) -> np.dtype[Any]:
    """Return the dtype that a canonical text names. Raises `UnsupportedFormat` if it needs a package that is missing.

    Only for texts that passed `hangar_core.hashing.dtypes.is_canonical`.
    """
    if text not in ML_DTYPES:
        return np.dtype(text)
    try:
        import ml_dtypes
    except ImportError as why:
        raise _needs_ml_dtypes(text, "which is not installed") from why
    found = getattr(ml_dtypes, text, None)
    if found is None:
        raise _needs_ml_dtypes(text, f"in a later version than {ml_dtypes.__version__}")
    dtype: np.dtype[Any] = np.dtype(found)
    return dtype


def _needs_ml_dtypes(text: str, lack: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"The dtype `{text}` needs the package ml_dtypes, {lack}.",
        hint="pip install --upgrade 'hangar-core[dtypes]'",
        what=text,
        needs="ml_dtypes",
    )


# Kinds of dtypes -> where such data can go.
_ELSEWHERE = {
    "U": "text goes into an arrayset of its own kind: add_str_arrayset(NAME)",
    "S": "bytes go into an arrayset of their own kind: add_bytes_arrayset(NAME)",
    "V": "each field of a record goes into an arrayset of its own",
}


@lru_cache(maxsize=256)
def _text_of(kind: np.dtype[Any]) -> str:
    if kind.name in ML_DTYPES and kind.type.__module__ == "ml_dtypes":
        return kind.name
    if kind.kind not in _KINDS or kind.subdtype is not None:
        reason = "only numbers, booleans, dates and durations are stored"
        raise UnsupportedDtype(dtype=kind, reason=reason, hint=_ELSEWHERE.get(kind.kind))
    if kind.itemsize > (16 if kind.kind == "c" else 8):
        raise UnsupportedDtype(dtype=kind, reason="its size differs from machine to machine; convert to float64")
    if kind.kind in "mM" and kind.str[3:] == "":
        raise UnsupportedDtype(dtype=kind, reason="give it a unit, such as datetime64[us]")
    return kind.newbyteorder("<").str


def canonical(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` in C order and little-endian, itself when it is so already. Lossless; never a subclass or a mask.

    Raises `UnsupportedDtype`.
    """
    # `numpy.ma` costs 20 ms to import, and whoever has a masked array has paid for it.
    if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray):
        raise UnsupportedDtype(
            dtype=f"masked {array.dtype}", reason="fill the masked places first: array.filled(value)"
        )
    text = dtype_text(array.dtype)
    wanted = numpy_dtype(text)
    plain = np.asarray(array)
    if plain.dtype != wanted:
        plain = plain.astype(wanted)
    if not plain.flags.c_contiguous:
        plain = plain.copy(order="C")
    return plain


@lru_cache(maxsize=4096)
def digest_prefix(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return what is hashed in front of the array's bytes; the same for every sample of a fixed shape."""
    name = dtype.encode("ascii")
    return DOMAINS[ARRAY] + struct.pack(f"<B{len(name)}sB{len(shape)}Q", len(name), name, len(shape), *shape)


def payload_digest(prefix: bytes, payload: bytes | memoryview) -> Digest:
    """Return the digest of canonical bytes behind their `digest_prefix`."""
    return data_digest(ARRAY, prefix, payload)


def array_digest(array: NDArray[Any]) -> Digest:
    """Return the digest of an array of any layout and byte order. Raises `UnsupportedDtype`.

    A large one that is not canonical is hashed block by block: at most 32 MiB are copied at a time.
    """
    if type(array) is np.ndarray and array.nbytes > _BLOCK:
        text = dtype_text(array.dtype)
        hasher = blake3(digest_prefix(text, array.shape), max_threads=hashing_threads())
        for block in blocks(array, numpy_dtype(text)):
            hasher.update(block)
        return Digest(hasher.digest() + bytes([ARRAY]))
    plain = canonical(array)
    return payload_digest(digest_prefix(dtype_text(plain.dtype), plain.shape), payload_bytes(plain))


def blocks(array: NDArray[Any], wanted: np.dtype[Any]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of an array in C order as `wanted`: whole if they lie so, else in copies of up to 16 MiB."""
    if array.flags.c_contiguous and array.dtype == wanted:
        yield payload_bytes(array)
    elif array.nbytes <= _BLOCK:
        yield payload_bytes(array.astype(wanted, order="C"))
    else:
        rows = max(1, _BLOCK // max(1, array[0].nbytes))
        for start in range(0, len(array), rows):
            yield from blocks(array[start : start + rows] if rows > 1 else array[start], wanted)


def payload_bytes(plain: NDArray[Any]) -> bytes | memoryview:
    """Return the bytes of a canonical array: a copy of a small one, a view of a large one."""
    if plain.nbytes < THREADED_FROM:
        return plain.tobytes()
    return plain.reshape(-1).view(np.uint8).data  # dates have no buffer of their own; bytes always do
