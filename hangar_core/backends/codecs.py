"""Codecs of packs: zstd, with or without shuffling bytes first. Format: docs/formats/20.md.

Shuffled means that the first bytes of all elements come first, then all second bytes, and so on: what numbers have in
common, mostly signs and exponents, then lies together. What is stored never says how much memory to take: the reader
knows the length from dtype and shape, and compares it with what the compressed bytes could hold at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from hangar_core.hashing.dtypes import is_canonical
from hangar_core.hashing.kinds import FRAME_DTYPES

if TYPE_CHECKING:
    import threading

    import numpy as np
    import zstandard
    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Payload

PLAIN: Final = 0
ZSTD: Final = 1
SHUFFLED_ZSTD: Final = 2
KNOWN: Final = frozenset({PLAIN, ZSTD, SHUFFLED_ZSTD})

# What `backend_opts` calls them.
NAMES: Final = ("none", "zstd", "auto")

# As small as level 3 on sparse digits, and twice as fast.
_LEVEL: Final = 1
# What saves less than this stays as it is: reading it would cost more than it is worth.
_WORTH: Final = 0.95
# `auto` asks for more, of this many bytes: nobody has asked for slower reading.
_WORTH_FOR_AUTO: Final = 0.8
_MEASURED: Final = 256 << 10
# Of larger data a piece is tried first.
_PIECE: Final = 256 << 10
# A block of zstd holds at most 128 KiB and takes at least 4 bytes.
_MOST_FOR_ONE_BYTE: Final = 32 << 10


class Undecodable(Exception):
    """Compressed bytes do not hold what they should; the text says why."""


class Compression:
    """What an arrayset wants: a codec's name, and the arrayset's, for `auto` decides for each."""

    __slots__ = ("arrayset", "codec")

    def __init__(self, codec: str, arrayset: str) -> None:
        self.codec, self.arrayset = codec, arrayset


@lru_cache(maxsize=256)
def stored_dtype(text: str) -> np.dtype[Any] | None:
    """Return the dtype, if it is one that is ever stored: a forged header must not make objects out of bytes."""
    from hangar_core.hashing.arrays import numpy_dtype

    return numpy_dtype(text) if is_canonical(text) else None


def fresh_array(dtype: np.dtype[Any], shape: tuple[int, ...], payload: bytes | memoryview) -> NDArray[Any]:
    """Return a writable array with the bytes of `payload`, as many as dtype and shape need.

    Raises `ValueError` for a shape that no array has: a size may be as large as it likes beside another of 0.
    """
    import numpy as np

    array: NDArray[Any] = np.empty(shape, dtype)
    if len(payload):
        array.reshape(-1).view(np.uint8)[:] = np.frombuffer(payload, np.uint8)
    return array


def itemsize_of(text: str) -> int | None:
    """Return the size of an element in bytes; for text and bytes 1; None for what is never stored."""
    if text in FRAME_DTYPES.values():
        return 1
    dtype = stored_dtype(text)
    return None if dtype is None else dtype.itemsize


def compress(raw: bytes | memoryview, itemsize: int) -> tuple[int, bytes] | None:
    """Return (codec, what is to be stored), whichever codec takes less; None if neither is worth it."""
    if len(raw) > 2 * _PIECE:
        tried = smaller(bytes(raw[: _PIECE // itemsize * itemsize]), itemsize, (ZSTD, SHUFFLED_ZSTD))
        if not _is_worth(tried[1], _PIECE):
            return None
        found = smaller(raw, itemsize, (tried[0],))
    else:
        found = smaller(raw, itemsize, (ZSTD, SHUFFLED_ZSTD))
    return found if _is_worth(found[1], len(raw)) else None


def expand(codec: int, stored: memoryview, size: int, itemsize: int) -> bytes:
    """Return the `size` bytes that were compressed. Raises `Undecodable`, before anything is allocated if possible."""
    import zstandard

    if size > len(stored) * _MOST_FOR_ONE_BYTE:
        raise Undecodable("dtype and shape need more than the compressed data can hold")
    try:
        claimed = zstandard.frame_content_size(stored)
        if claimed != size:
            raise Undecodable(f"they hold {claimed} bytes where dtype and shape need {size}")
        raw = _decompressor().decompress(stored, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as why:
        raise Undecodable(str(why)) from why
    if len(raw) != size:
        raise Undecodable(f"they hold {len(raw)} bytes where dtype and shape need {size}")
    return _unshuffled(raw, itemsize) if codec == SHUFFLED_ZSTD else raw


class AutoCodecs:
    """Decides for each arrayset whether compressing is worth it, by the first samples that a writer stores in it.

    Until 256 KiB of an arrayset have been measured, each batch goes by all that was measured so far, itself included;
    from then on the decision stands as long as the writer lives.
    """

    def __init__(self) -> None:
        self._measured: dict[str, tuple[int, int]] = {}

    def resolve(self, wanted: Compression | None, samples: Iterable[Payload]) -> bool:
        """Whether the samples, which are the next of the arrayset, are to be compressed."""
        if wanted is None or wanted.codec != "auto":
            return wanted is not None and wanted.codec == "zstd"
        raw, stored = self._measured.get(wanted.arrayset, (0, 0))
        if raw < _MEASURED:
            more, packed = _measure(samples)
            raw, stored = raw + more, stored + packed
            self._measured[wanted.arrayset] = raw, stored
        return stored <= raw * _WORTH_FOR_AUTO


def _measure(samples: Iterable[Payload]) -> tuple[int, int]:
    """Return how long the beginning of the samples is, and how long compressed; those of one dtype together."""
    pieces: dict[str, list[bytes]] = {}
    left = _MEASURED
    for _, dtype, _, data in samples:
        if left <= 0:
            break
        piece = bytes(data[: max(8, left // 16 * 16)])
        pieces.setdefault(dtype, []).append(piece)
        left -= len(piece)
    raw = stored = 0
    for dtype, some in pieces.items():
        joined = b"".join(some)
        raw += len(joined)
        stored += min(len(joined), len(smaller(joined, itemsize_of(dtype) or 1, (ZSTD, SHUFFLED_ZSTD))[1]))
    return raw, stored


def smaller(raw: bytes | memoryview, itemsize: int, among: Sequence[int]) -> tuple[int, bytes]:
    """Return (codec, compressed data) of the codec, out of some, that takes the least."""
    found = (ZSTD, _compressor().compress(raw)) if ZSTD in among or itemsize == 1 else None
    if SHUFFLED_ZSTD in among and itemsize > 1:
        shuffled = _compressor().compress(_shuffled(raw, itemsize))
        if found is None or len(shuffled) < len(found[1]):
            return SHUFFLED_ZSTD, shuffled
    assert found is not None
    return found


def _is_worth(stored: bytes, size: int) -> bool:
    return len(stored) < size * _WORTH


def _shuffled(raw: bytes | memoryview, itemsize: int) -> bytes:
    import numpy as np

    whole = len(raw) // itemsize * itemsize
    return np.frombuffer(raw, np.uint8, whole).reshape(-1, itemsize).T.tobytes() + bytes(raw[whole:])


def _unshuffled(raw: bytes, itemsize: int) -> bytes:
    import numpy as np

    return np.frombuffer(raw, np.uint8).reshape(itemsize, -1).T.tobytes()


@lru_cache(maxsize=1)
def _of_thread() -> threading.local:
    """Return where each thread keeps its contexts of zstd, which must not be shared."""
    import threading

    return threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    found: zstandard.ZstdCompressor | None = getattr(_of_thread(), "compressor", None)
    if found is None:
        import zstandard

        # The length of the data goes into each frame; a checksum would be one more beside ours.
        found = _of_thread().compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    found: zstandard.ZstdDecompressor | None = getattr(_of_thread(), "decompressor", None)
    if found is None:
        import zstandard

        found = _of_thread().decompressor = zstandard.ZstdDecompressor()
    return found
