"""Every set of options that the documented contract names."""

from __future__ import annotations

from itertools import product
from typing import Any

_BLOSC = ("blosc:blosclz", "blosc:lz4", "blosc:lz4hc", "blosc:zlib", "blosc:zstd")

OPTION_SETS: tuple[dict[str, Any], ...] = tuple(
    {"shuffle": shuffle, "complib": complib, "complevel": level}
    for complib, level, shuffle in (
        *product(_BLOSC, (1, 4, 8), (None, "byte", "bit")),
        *product(("lzf",), (None,), (None, "byte")),
        *product(("gzip",), (1, 4, 8), (None, "byte")),
    )
)
