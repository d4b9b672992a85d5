"""What a plan tells of a file: its rows are counted while they are checked, in one pass that keeps none of them."""

from __future__ import annotations

from hangar_core.external import Field, Outline
from hangar_csv.columns import TEXT, Table
from hangar_csv.plain import PlainTable
from hangar_csv.request import Request


def outline_of(request: Request) -> Outline:
    """Return what is in the file. Raises `BadFile`."""
    layout, wanted = request.layout, request.wanted
    names = layout.columns or tuple(f"column{number}" for number in range(1, layout.width + 1))
    if request.is_plain and wanted.key is None:
        quick = PlainTable(request.source, layout, None if not wanted.dtypes else "float64")
        if quick.check():
            fields = [Field(names[index], quick.dtype) for index in wanted.columns]
            return Outline(quick.length, tuple(fields), "utf-8", layout.delimiter, joined=True)
    table = Table(request.source, layout, wanted, compare_keys=True)
    joined = table.check()
    fields = []
    if wanted.key is not None:
        fields.append(Field(names[wanted.key], TEXT, key=True, unique=table.has_unique_keys()))
    for index, kind in table.kinds.items():
        widened = None if joined or kind.dtype != "float64" or not kind.integers else ("int64", kind.integers)
        fields.append(Field(names[index], str(kind.dtype), empty=kind.missing, widened=widened))
    return Outline(table.length, tuple(fields), "utf-8", layout.delimiter, joined=joined)
