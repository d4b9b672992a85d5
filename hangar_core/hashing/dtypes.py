"""Which texts name a dtype that is stored: the canonical spelling alone, so that equal dtypes have equal bytes.

Decoders ask here, before numpy sees a text from a file: numpy's own parser takes objects, records and whole Python
literals, and is slow to import. Format: docs/formats/digests.md.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import re

_NUMBERS: Final = frozenset({"|b1", "|i1", "|u1"} | {f"<{kind}{size}" for kind in "iu" for size in (2, 4, 8)}) | {
    *("<f2", "<f4", "<f8", "<c8", "<c16")
}
_LARGEST_STEP: Final = 2**31 - 1

# Floats of one or two bytes that numpy lacks. They go by their name: numpy spells most of them alike, as `<V1`.
ML_DTYPES: Final = frozenset(
    {
        *("bfloat16", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4", "float8_e4m3"),
        *("float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
        "float8_e8m0fnu",
    }
)


def is_canonical(text: str) -> bool:
    """Whether `text` is the canonical text of a dtype, as `hangar_core.hashing.arrays.dtype_text` gives it."""
    if text in _NUMBERS or text in ML_DTYPES:
        return True
    found = _times().fullmatch(text)
    return found is not None and (found[1] is None or 1 < int(found[1]) <= _LARGEST_STEP)


@cache
def _times() -> re.Pattern[str]:
    import re  # compiling is dear to who reads one sample, and few have moments

    return re.compile(r"<[mM]8\[([1-9][0-9]{0,9})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]")
