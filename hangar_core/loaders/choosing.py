"""From the arguments of a loader to the samples it has: checks, the names all arraysets share, and their order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.reader import ArraysetDataReader
from hangar_core.errors import ClosedError, DataMissing, InvalidInput, WrongType
from hangar_core.loaders.batch_tuple import BatchTuple, batch_tuple
from hangar_core.model import SampleKey

# Warnings point at the caller of the function that was called by the user: one step more than the caller of `choose`.
_USER = 4


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a loader is made of: arraysets, the names of its samples in order, and the type of its items."""

    arraysets: tuple[ArraysetDataReader, ...]
    keys: list[SampleKey]
    kind: type[BatchTuple]


def choose(arraysets: Any, keys: Any, index_range: Any, field_names: Any) -> Chosen:
    """Check the arguments of a loader; see `make_torch_dataset` for what they mean and what is raised."""
    found = _arraysets(arraysets)
    kind = batch_tuple(_field_names(field_names, found))
    _check_choice(keys, index_range)
    if len({len(aset) for aset in found}) > 1:
        lengths = ", ".join(f"`{aset.name}` has {len(aset)}" for aset in found)
        warnings.warn(
            f"Arraysets do not contain equal number of samples: {lengths}. Only the names that all have are used.",
            UserWarning,
            stacklevel=_USER - 1,
        )
    chosen = _common_keys(found, index_range) if keys is None else _requested_keys(found, keys)
    return Chosen(found, chosen, kind)


def _arraysets(given: Any) -> tuple[ArraysetDataReader, ...]:
    found = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not found:
        raise InvalidInput("A dataset needs at least one arrayset.")
    for aset in found:
        if is_closed(aset):
            raise ClosedError(what="arrayset")
        if not isinstance(aset, ArraysetDataReader):
            raise WrongType(
                f"Give an arrayset, or a list or tuple of arraysets, not {type(aset).__name__}.",
                hint="repo.checkout().arraysets['name']",
            )
        if aset.iswriteable:
            raise WrongType(
                f"Arrayset `{aset.name}` belongs to a writer; a dataset is of a commit.",
                hint="commit, and take the arrayset from repo.checkout()",
            )
    return found


def _field_names(given: Any, arraysets: Sequence[ArraysetDataReader]) -> tuple[str, ...]:
    if given is None:
        return tuple(aset.name for aset in arraysets)
    if not isinstance(given, list | tuple | set):
        raise WrongType(f"`field_names` is a list, tuple or set of names, not {type(given).__name__}.")
    if not all(isinstance(name, str) for name in given):
        raise WrongType("Every one of `field_names` is text.")
    if len(given) != len(arraysets):
        raise InvalidInput(f"{len(given)} field names for {len(arraysets)} arraysets: give one for each.")
    return tuple(sorted(given)) if isinstance(given, set) else tuple(given)


def _check_choice(keys: Any, index_range: Any) -> None:
    if keys is not None and not isinstance(keys, list | tuple | set):
        raise WrongType(f"`keys` is a list, tuple or set of sample names, not {type(keys).__name__}.")
    if index_range is None:
        return
    if not isinstance(index_range, slice):
        raise WrongType(f"`index_range` is a slice, such as slice(0, 100), not {type(index_range).__name__}.")
    try:
        index_range.indices(0)
    except (TypeError, ValueError) as why:
        raise InvalidInput(f"`index_range` counts positions, as slice(0, 100) does: {why}.") from why


def _requested_keys(arraysets: Sequence[ArraysetDataReader], keys: Iterable[SampleKey]) -> list[SampleKey]:
    # A set has no order of its own that would be the same in two processes.
    wanted = sorted(keys, key=lambda key: (_as_text(key), isinstance(key, str))) if isinstance(keys, set) else [*keys]
    if not wanted:
        raise InvalidInput("`keys` names no sample.")
    for aset in arraysets:
        if aset.contains_subsamples:
            for key in wanted:
                aset[key]  # a handle, which reads nothing; raises where there is none
        else:
            aset.digests(wanted)
    for aset in arraysets:
        absent = set(aset.remote_reference_keys)
        for key in wanted:
            if key in absent:
                message = f"The data of sample `{key}` of arrayset `{aset.name}` are not on this machine."
                raise DataMissing(message, key=key, arrayset=aset.name)
    return wanted


def _common_keys(arraysets: Sequence[ArraysetDataReader], index_range: slice | None) -> list[SampleKey]:
    common = list(_in_all([aset.keys(local=True) for aset in arraysets]))
    if not common:
        names = ", ".join(f"`{aset.name}`" for aset in arraysets)
        raise InvalidInput(f"No sample is in all of {names} with its data on this machine.")
    if not isinstance(common[0], str):  # integers come first; text is in order already
        common.sort(key=_as_text)
    if index_range is None:
        return common
    if not (some := common[index_range]):
        raise InvalidInput(f"`index_range` {index_range} leaves none of the {len(common)} samples.")
    return some


def _in_all(streams: Sequence[Iterator[SampleKey]]) -> Iterator[SampleKey]:
    """Yield what is in all of several streams in the order of arraysets: integers by value, then text."""
    # Side by side: sets of the names of many arraysets with millions of samples would take gigabytes.
    first, *rest = streams
    heads = [next(stream, None) for stream in rest]
    for key in first:
        order = _order(key)
        for number, stream in enumerate(rest):
            head = heads[number]
            while head is not None and _order(head) < order:
                head = next(stream, None)
            heads[number] = head
        if None in heads:
            return
        if all(head == key for head in heads):
            yield key


def _order(key: SampleKey) -> tuple[int, int, str]:
    return (1, 0, key) if isinstance(key, str) else (0, key, "")


def _as_text(key: object) -> str:
    return key if isinstance(key, str) else f"#{key}"
