"""Arrays whose digests are pinned: every dtype, and every way in which numpy can lay an array out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangar_core.hashing import digests
from hangar_core.hashing.arrays import array_digest, canonical, digest_prefix, payload_digest
from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_core.hashing.samples import payload_of


def _bits(text: str, dtype: str) -> NDArray[Any]:
    """Return an array whose big-endian bytes are spelled out."""
    return np.frombuffer(bytes.fromhex(text), np.dtype(dtype).newbyteorder(">"))


def arrays() -> dict[str, NDArray[Any]]:
    """Arrays of every dtype, and of every way in which numpy can lay one out."""
    ramp = np.arange(24).reshape(2, 3, 4)
    table: dict[str, NDArray[Any]] = {}
    for code in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"):
        table[f"dtype {np.dtype(code).name}"] = (ramp % 2 if code == "?" else ramp).astype(code)
    table |= {
        "largest of each integer": np.array([2**64 - 1], "u8"),
        "smallest of each integer": np.array([-(2**63)], "i8"),
        "longlong": np.arange(5, dtype="q"),
        "int64": np.arange(5, dtype="<i8"),
        "big-endian i4": np.arange(6, dtype=">i4").reshape(2, 3),
        "little-endian i4": np.arange(6, dtype="<i4").reshape(2, 3),
        "big-endian f8": np.linspace(-1, 1, 7).astype(">f8"),
        "big-endian c8": (np.arange(4) + 1j).astype(">c8"),
        "big-endian dates": np.array(["2001-02-03", "NaT"], ">M8[D]"),
        "fortran": np.asfortranarray(ramp.astype("i2")),
        "transposed": ramp.astype("i2").T,
        "every second": np.arange(20, dtype="u1")[::2],
        "backwards": np.arange(5, dtype="i4")[::-1],
        "broadcast": np.broadcast_to(np.float32(1.5), (2, 2)),
        "big-endian fortran strided": np.asfortranarray(np.arange(36, dtype=">u2").reshape(6, 6))[::2, ::-3],
        "scalar": np.array(7, "i4"),
        "scalar float": np.array(-0.0),
        "scalar date": np.array("1970-01-01T00:00:01", "M8[s]"),
        "one element": np.array([7], "i4"),
        "one by one": np.array([[7]], "i4"),
        "no elements": np.empty((0,), "f4"),
        "no rows of three": np.empty((0, 3), "f4"),
        "three rows of nothing": np.empty((3, 0), "f4"),
        "two by three": np.zeros((2, 3), "u1"),
        "three by two": np.zeros((3, 2), "u1"),
        "zero": np.array([0.0]),
        "minus zero": np.array([-0.0]),
        "infinities": np.array([np.inf, -np.inf]),
        "quiet nan": _bits("7ff8000000000000", "f8"),
        "nan with a payload": _bits("7ff800000000beef", "f8"),
        "negative nan": _bits("fff8000000000001", "f8"),
        "signalling nan": _bits("7ff0000000000001", "f8"),
        "nan f4 with a payload": _bits("7fc0beef", "f4"),
        "signalling nan f2": _bits("7c01", "f2"),
        "dates in years": np.array(["1969", "1970", "NaT"], "M8[Y]"),
        "dates in days": np.array(["1969-12-31", "1970-01-01", "NaT"], "M8[D]"),
        "dates in microseconds": np.array(["2026-01-02T03:04:05.678901"], "M8[us]"),
        "dates in nanoseconds": np.array([1, 2, 3], "M8[ns]"),
        "dates in fortnights": np.array([1, 2, 3], "M8[2W]"),
        "durations in seconds": np.array([1, -2, "NaT"], "m8[s]"),
        "durations in quarters of an hour": np.array([1, -2], "m8[15m]"),
        "more than a megabyte": np.arange(300_000, dtype="f4"),
    }
    return table


def digest_vectors() -> dict[str, Any]:
    rows = {}
    for name, array in arrays().items():
        plain = canonical(array)
        payload = plain.tobytes()
        rows[name] = {"dtype": plain.dtype.str, "shape": list(plain.shape), "digest": array_digest(array).hex()}
        if len(payload) <= 256:
            rows[name]["payload"] = payload.hex()
    named = {}
    for dtype in sorted(ML_DTYPES):
        payload = bytes(range(4)) if dtype == "bfloat16" else bytes(range(2))
        named[dtype] = {"payload": payload.hex(), "digest": payload_digest(digest_prefix(dtype, (2,)), payload).hex()}
    texts = ["", "a", "Zürich\n", "e\u0301", "\u00e9", "\U0001f600", "\0"]
    blobs = [b"", b"\0", b"a", bytes(range(256))]
    return {
        "arrays": rows,
        "named dtypes, two elements": named,
        "texts": {text: digests.text_digest(text).hex() for text in texts},
        "bytes": {blob.hex(): payload_of(blob).digest.hex() for blob in blobs},
    }
