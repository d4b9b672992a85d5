"""What of an arrayset an export needs, and how samples are found in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hangar_core.errors import InvalidData, SampleNotFound
from hangar_core.model import Digest, SampleKey, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.hashing.originals import Original
    from hangar_core.provenance import Provenance


class Described(Protocol):
    """What the choice of a format rests on."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> Schema: ...

    @property
    def options(self) -> Mapping[str, str]: ...


class Samples(Described, Protocol):
    """An arrayset, as far as it is needed here. Its samples are arrays, text or bytes."""

    def keys(self) -> Iterator[SampleKey]: ...

    def __getitem__(self, key: SampleKey) -> NDArray[Any] | str | bytes: ...

    def __len__(self) -> int: ...

    def __contains__(self, key: object) -> bool: ...

    def digest(self, name: SampleKey) -> Digest: ...

    def digests(self, names: Sequence[SampleKey]) -> list[Digest]: ...

    def original(self, name: SampleKey) -> tuple[Original, bytes] | None: ...

    def original_files(self, names: Sequence[SampleKey]) -> Iterator[bytes]: ...

    def provenance(self, name: SampleKey) -> Provenance | None: ...

    def provenances(self, names: Iterable[SampleKey]) -> dict[SampleKey, Provenance]: ...


class Description(NamedTuple):
    """A `Described` by itself, for samples that are read without their arrayset."""

    name: str
    schema: Schema
    options: Mapping[str, str]


def refuse_nested(aset: Described, verb: str) -> None:
    """Raise `InvalidData` if samples are mappings of subsamples."""
    if aset.schema.nested:
        raise InvalidData(
            f"Arrayset `{aset.name}` holds samples of {aset.schema.kind} inside samples; only arraysets of plain "
            f"arrays can be {verb}, or of text or bytes.",
            hint="read it through a checkout",
        )


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


def select(aset: Samples, samples: Sequence[SampleKey] | None, patterns: Sequence[str]) -> list[SampleKey]:
    """Return the keys of the samples that were named and of those that fit a glob, each once; all if neither is given.

    ``*`` stands for any characters, ``/`` among them; a number is compared as ``12`` and as ``int:12``. Raises
    `SampleNotFound` for a name that is not there and a glob that nothing fits.
    """
    if samples is None and not patterns:
        return list(aset.keys())
    chosen = dict.fromkeys(samples or ())
    for key in chosen:
        find(aset, key)
    fitting: dict[str, list[SampleKey]] = {pattern: [] for pattern in patterns}
    if patterns:
        for key in aset.keys():  # noqa: SIM118 — a protocol, not a dict
            for pattern, found in fitting.items():
                if _fits(key, pattern):
                    found.append(key)
    for pattern, found in fitting.items():
        if not found:
            raise SampleNotFound(
                f"No sample of `{aset.name}` fits `{pattern}`.",
                key=pattern,
                arrayset=aset.name,
                hint="`*` stands for any characters; put the pattern in quotes so that the shell leaves it alone",
            )
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _fits(key: SampleKey, pattern: str) -> bool:
    return fnmatchcase(str(key), pattern) or (isinstance(key, int) and fnmatchcase(f"int:{key}", pattern))
