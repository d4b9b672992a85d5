"""The grammar of `co[...]`: which arraysets, which samples, and in which shape the answer comes.

Arraysets: a name, several names, or all (`...` or `:`). Samples: a name or several. One of each is an array; several of
one kind a list or a namedtuple; several of both a list of namedtuples. A sample of a nested arrayset is its handle.
"""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable, Sequence
from operator import getitem
from typing import TYPE_CHECKING, Any, Protocol

from hangar_core.errors import HangarWarning, InvalidInput
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from hangar_core.arraysets.reader import ArraysetDataReader
    from hangar_core.arraysets.writer import ArraysetDataWriter

    class _Lookup(Protocol):
        def keys(self) -> list[str]: ...

        def __getitem__(self, name: str) -> ArraysetDataReader: ...


class Selection:
    """A parsed index. `samples` is None when whole arraysets were asked for."""

    __slots__ = ("arraysets", "one_arrayset", "one_sample", "samples")

    def __init__(
        self, arraysets: tuple[str, ...], one_arrayset: bool, samples: tuple[SampleKey, ...] | None, one_sample: bool
    ) -> None:
        self.arraysets, self.one_arrayset = arraysets, one_arrayset
        self.samples, self.one_sample = samples, one_sample


def parse(index: object, names: Sequence[str]) -> Selection:
    """Read an index of `co[...]`; `names` are the arraysets there are. Raises `InvalidInput`."""
    if isinstance(index, tuple) and len(index) == 2:
        chosen, keys = index
        if isinstance(keys, list | tuple):
            return Selection(*_arraysets(chosen, names), tuple(keys), one_sample=False)
        return Selection(*_arraysets(chosen, names), (keys,), one_sample=True)
    if isinstance(index, tuple) and len(index) > 2:
        raise InvalidInput("co[...] takes arraysets and samples: co['images', 'cat/001'] or co['images', ['a', 'b']].")
    return Selection(*_arraysets(index, names), None, one_sample=False)


def _arraysets(chosen: object, names: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    if isinstance(chosen, str):
        return (chosen,), True
    if chosen is Ellipsis or chosen == slice(None):
        return tuple(names), False
    if isinstance(chosen, list | tuple) and chosen and all(isinstance(name, str) for name in chosen):
        return tuple(chosen), False
    raise InvalidInput(f"`{chosen!r}` names no arraysets: give a name, a list of names, `...` or `:`.")


def answer(arraysets: _Lookup, index: object, read: Callable[[ArraysetDataReader, SampleKey], Any] = getitem) -> Any:
    """Answer `co[index]`, with `read` to get each sample. To be called by what the user calls: warnings point there.

    Raises `ArraysetNotFound`, `SampleNotFound`, `InvalidInput`.
    """
    wanted = parse(index, arraysets.keys())
    handles = [arraysets[name] for name in wanted.arraysets]
    if wanted.samples is None:
        return handles[0] if wanted.one_arrayset else _tuple_type(wanted.arraysets)(*handles)
    if wanted.one_arrayset:
        found = _read_all(handles[0], wanted.samples, read)
    else:
        kind = _tuple_type(wanted.arraysets)
        columns = [_read_all(handle, wanted.samples, read) for handle in handles]
        found = [kind(*row) for row in zip(*columns, strict=True)]
    return found[0] if wanted.one_sample else found


def _read_all(
    aset: ArraysetDataReader, keys: Sequence[SampleKey], read: Callable[[ArraysetDataReader, SampleKey], Any]
) -> list[Any]:
    if read is getitem and len(keys) > 1 and not aset.contains_subsamples:
        return aset.read_many(keys)
    return [read(aset, key) for key in keys]


def assign(arraysets: Any, index: object, value: Any) -> None:
    """Carry out `co[index] = value`. Everything is checked before anything is staged.

    Raises `SyntaxError` for several arraysets and several samples together, `TypeError` when several values are needed
    and `value` is no list or tuple, `InvalidInput` when their number differs, `InvalidName`, `InvalidData`.
    """
    wanted = parse(index, arraysets.keys())
    if wanted.samples is None:
        arraysets[wanted.arraysets[0] if wanted.arraysets else ""] = value  # refused there, in the documented words
        return
    if wanted.one_arrayset and wanted.one_sample:
        arraysets[wanted.arraysets[0]].add(value, wanted.samples[0])
        return
    if not wanted.one_arrayset and not wanted.one_sample:
        raise SyntaxError("Set several samples of one arrayset, or one sample of several arraysets, not both at once.")
    if not isinstance(value, list | tuple):
        raise TypeError(f"Several values are needed: give a list or tuple, not {type(value).__name__}.")
    places = [(arraysets[name], key) for name in wanted.arraysets for key in wanted.samples]
    if len(places) != len(value) or not places:
        raise InvalidInput(f"{len(places)} places and {len(value)} values do not match.")
    pairs: list[tuple[ArraysetDataWriter, SampleKey, Any]] = [
        (aset, aset.check_name(key), aset.checked(one)) for (aset, key), one in zip(places, value, strict=True)
    ]
    for aset, key, sample in pairs:
        aset.add(sample, key)


def _tuple_type(names: Sequence[str]) -> Callable[..., Any]:
    kind = namedtuple("ArraysetData", names, rename=True)  # type: ignore[misc]  # the names are known at run time only
    fields: tuple[str, ...] = kind._fields
    if fields != tuple(names):
        warnings.warn(
            "Arrayset names contains characters which are invalid as namedtuple fields. They are replaced by "
            "their position: " + ", ".join(f"{old} is {new}" for old, new in zip(names, fields, strict=True)),
            HangarWarning,
            stacklevel=4,
        )
    return kind
