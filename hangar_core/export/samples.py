"""What of an arrayset an export needs, and how a sample is found in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from hangar_core.errors import SampleNotFound
from hangar_core.model import Digest, SampleKey, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Samples(Protocol):
    """An arrayset, as far as it is needed here."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> Schema: ...

    @property
    def options(self) -> Mapping[str, str]: ...

    def keys(self) -> Iterator[SampleKey]: ...

    def __getitem__(self, key: SampleKey) -> NDArray[Any]: ...

    def __len__(self) -> int: ...

    def __contains__(self, key: object) -> bool: ...

    def digest(self, name: SampleKey) -> Digest: ...


def refuse_other_than_arrays(aset: Samples, verb: str) -> None:
    """Raise `InvalidData` unless every sample is one array."""
    from hangar_core.storage import validation

    validation.refuse_other_than_arrays(aset.schema, aset.name, verb)


def find(aset: Samples, key: SampleKey) -> Digest:
    """Return the digest of a sample; for one that is not there, say how those are called that are."""
    try:
        return aset.digest(key)
    except SampleNotFound as why:
        first = next(aset.keys(), None)
        if isinstance(key, str) and key.isascii() and key.isdigit() and int(key) in aset:
            why.hint = f"its name is a number: int:{key}"
        elif first is not None:
            why.hint = f"the first of {len(aset)} samples is called `{'int:' if isinstance(first, int) else ''}{first}`"
        raise
