"""The documented locations, which are text: HDF5_00, HDF5_01, NUMPY_10 and REMOTE_50.

::

    00:UID$XXH64$DATASET INDEX*SHAPE     00:rlUK3C$8067007c0f05c359$16 105*10 10
    01:UID$XXH64$DATASET INDEX*SHAPE     01:rlUK3C$b89f873d3d153a9c$8 199*20 2 3
    10:UID$XXH64$INDEX*SHAPE             10:K3ktxv$94701dd9f32626e2$488*10 10
    50:SCHEMA                            50:ae43A21a

Format: docs/formats/00.md, 01.md, 10.md, 50.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hangar_core.backends.base import Location

_NUMBER: Final = "(?:0|[1-9][0-9]{0,18})"
_COMMON: Final = (
    rf"(?P<uid>[0-9A-Za-z]{{1,32}})\$(?P<check>[0-9a-f]{{16}})\$(?:(?P<dataset>{_NUMBER}) )?(?P<index>{_NUMBER})"
    rf"\*(?P<shape>(?:{_NUMBER}(?: {_NUMBER})*)?)"
)
_PLACE: Final = re.compile(rf"(?P<code>[0-9]{{2}}):{_COMMON}")
_ELSEWHERE: Final = re.compile(r"50:(?P<schema>[0-9A-Za-z]{1,66})")
_WITH_DATASET: Final = frozenset({"00", "01"})
_LARGEST: Final = 2**63 - 1


class BadRecord(Exception):
    """This is no location of that code; the text says so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample lies: file, dataset in it (None where a file is one), index in that, and the sample's shape.

    `check` is the xxh64 of its bytes, as 16 hex characters.
    """

    uid: str
    check: str
    dataset: int | None
    index: int
    shape: tuple[int, ...]


def encode_place(code: str, place: Place) -> Location:
    """Return the location of a sample in a collection of backend 00, 01 or 10."""
    dataset = "" if place.dataset is None else f"{place.dataset} "
    shape = " ".join(map(str, place.shape))
    return Location(f"{code}:{place.uid}${place.check}${dataset}{place.index}*{shape}".encode("ascii"))


def decode_place(code: str, location: bytes) -> Place:
    """Return the place that a location of backend 00, 01 or 10 names. Raises `BadRecord`."""
    found = _PLACE.fullmatch(location.decode("ascii", "replace"))
    if found is None or found["code"] != code or (found["dataset"] is not None) != (code in _WITH_DATASET):
        raise BadRecord(f"`{location[:64]!a}` is no location of code {code}")
    shape = tuple(int(size) for size in found["shape"].split())
    place = Place(
        found["uid"],
        found["check"],
        None if found["dataset"] is None else int(found["dataset"]),
        int(found["index"]),
        shape,
    )
    if max((*shape, place.index, place.dataset or 0)) > _LARGEST:
        raise BadRecord(f"`{location[:64]!a}` holds a number that nothing has")
    return place


def encode_elsewhere(schema: str) -> Location:
    """Return the location of data that only a remote has; `schema` is the digest of the schema they follow, as text."""
    location = f"50:{schema}"
    if _ELSEWHERE.fullmatch(location) is None:
        raise BadRecord(f"`{schema}` is no digest of a schema")
    return Location(location.encode("ascii"))


def decode_elsewhere(location: bytes) -> str:
    """Return the digest of the schema, as text. Raises `BadRecord`."""
    found = _ELSEWHERE.fullmatch(location.decode("ascii", "replace"))
    if found is None:
        raise BadRecord(f"`{location[:64]!a}` is no location of code 50")
    return found["schema"]
