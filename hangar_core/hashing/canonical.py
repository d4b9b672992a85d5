"""Fields in canonical order: the few primitives of which every hashed or stored record is made.

Integers are unsigned and little-endian; text is UTF-8 behind its length. A `FieldReader` never trusts a length: it is
compared with what is there before anything is sliced, and a record must be used up to its last byte.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from hangar_core.errors import CorruptRecord

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
# The end of the year 9999 in microseconds since 1970: later moments have no date.
_LATEST = 253_402_300_799_999_999


class FieldWriter:
    """Collects fields; `done` joins them."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def u8(self, value: int) -> FieldWriter:
        self._parts.append(bytes((value,)))
        return self

    def u32(self, value: int) -> FieldWriter:
        self._parts.append(_U32.pack(value))
        return self

    def u64(self, value: int) -> FieldWriter:
        self._parts.append(_U64.pack(value))
        return self

    def raw(self, value: bytes) -> FieldWriter:
        """Bytes whose length the reader knows."""
        self._parts.append(value)
        return self

    def blob(self, value: bytes) -> FieldWriter:
        """Bytes behind their length."""
        self._parts += (_U32.pack(len(value)), value)
        return self

    def text(self, value: str) -> FieldWriter:
        return self.blob(value.encode())

    def options(self, values: Mapping[str, str]) -> FieldWriter:
        """Texts by name: how many, then names and values in order of names."""
        self.u32(len(values))
        for name in sorted(values):
            self.text(name).text(values[name])
        return self

    def done(self) -> bytes:
        return b"".join(self._parts)


class FieldReader:
    """Reads the fields of one record in order; every shortfall is a `CorruptRecord` that names the record."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def u8(self) -> int:
        return self.raw(1)[0]

    def u32(self) -> int:
        return int(_U32.unpack(self.raw(4))[0])

    def u64(self) -> int:
        return int(_U64.unpack(self.raw(8))[0])

    def moment(self) -> int:
        """Microseconds since 1970-01-01 UTC, up to the last that has a date."""
        value = self.u64()
        if value > _LATEST:
            raise self.corrupt(f"{value} microseconds since 1970 are behind the year 9999")
        return value

    def raw(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise self.corrupt(f"a field of {size} bytes at {self._at} does not fit into {len(self._data)}")
        value = self._data[self._at : end]
        self._at = end
        return value

    def blob(self) -> bytes:
        return self.raw(self.u32())

    def text(self) -> str:
        try:
            return self.blob().decode()
        except UnicodeDecodeError as why:
            raise self.corrupt(f"text is not UTF-8: {why}") from why

    def options(self) -> dict[str, str]:
        """What `FieldWriter.options` wrote; names that do not ascend are refused, for equal content has one form."""
        found: dict[str, str] = {}
        before: str | None = None
        for _ in range(self.u32()):
            name = self.text()
            if before is not None and name <= before:
                raise self.corrupt(f"option {name!a} is out of order")
            found[name] = self.text()
            before = name
        return found

    def rest(self) -> bytes:
        """All that is left, for records that end with bytes of any length."""
        return self.raw(len(self._data) - self._at)

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def done(self) -> None:
        """Refuse bytes behind the last field."""
        if not self.at_end:
            raise self.corrupt(f"{len(self._data) - self._at} bytes too many")

    def corrupt(self, reason: str) -> CorruptRecord:
        return CorruptRecord(what=self._what, reason=reason)
