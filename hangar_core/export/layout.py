"""Which file each sample becomes: where, in which format, or as the very file that it came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from hangar_core import external
from hangar_core.errors import InvalidInput, InvalidName
from hangar_core.export.formats import Format, Formats
from hangar_core.export.placing import detail_of
from hangar_core.export.samples import Samples
from hangar_core.hashing.originals import is_original
from hangar_core.model import SampleKey
from hangar_core.provenance import Provenance

_AT_ONCE = 8_192


class Item(NamedTuple):
    """A sample that becomes a file of its own.

    `detail` is its name as plugins are told; without `format` it is a file that was kept.
    """

    key: SampleKey
    detail: str
    extension: str
    format: Format | None


class Layout(NamedTuple):
    """What becomes of the samples: some a file each, the others, in one format, share files as its plugin likes."""

    alone: Sequence[Item]
    shared: Sequence[SampleKey]
    format: Format | None

    @property
    def samples(self) -> int:
        return len(self.alone) + len(self.shared)

    @property
    def formats(self) -> list[Format]:
        """All formats of samples that are not kept files, each once."""
        found = [one.format for one in self.alone if one.format is not None]
        return list({id(one): one for one in [*found, *([self.format] if self.format is not None else [])]}.values())

    @property
    def originals(self) -> int:
        """How many samples come out as the files that came in."""
        return sum(one.format is None for one in self.alone)


def lay_out(aset: Samples, keys: Sequence[SampleKey], formats: Formats) -> Layout:
    """Return what becomes of samples. Raises as `format_for_export` does.

    Files are called as those that were imported; where two would meet, or a sample came from nowhere or from a file of
    many samples, by its key.
    """
    known = dict(_sources(aset, keys))
    names = Counter(name for name, _ in known.values())
    kept = set() if formats.asked else _kept(aset, keys)
    alone: list[Item] = []
    shared: list[SampleKey] = []
    format_: Format | None = None
    for key in keys:
        name, plugin = known.get(key, ("", ""))
        stem, extension = _split(name)
        if names[name] > 1:
            stem = ""
        if key in kept:
            detail, extension = (f"str:{stem}", extension) if stem else (detail_of(key), _extension_of(aset, key))
            alone.append(Item(key, detail, extension, None))
            continue
        own = formats.of(plugin, extension)
        if own.in_shared_files:
            format_ = own
            shared.append(key)
        else:
            if stem and own.plugin is not None:
                stem = _split(name, own.plugin.accepts)[0]
            alone.append(Item(key, f"str:{stem}" if stem else detail_of(key), own.extension, own))
    return Layout(alone, shared, format_)


def _sources(aset: Samples, keys: Sequence[SampleKey]) -> Iterator[tuple[SampleKey, tuple[str, str]]]:
    """Yield key -> name of its file and plugin, as far as they are known."""
    left = iter(keys)
    while batch := list(islice(left, _AT_ONCE)):
        yield from ((key, _place(one)) for key, one in aset.provenances(batch).items())


def _place(one: Provenance) -> tuple[str, str]:
    return one.name if one.samples == 1 else "", one.plugin


def _kept(aset: Samples, keys: Sequence[SampleKey]) -> set[SampleKey]:
    return {key for key, digest in zip(keys, aset.digests(keys), strict=True) if is_original(digest)}


def _split(name: str, known: Sequence[str] = ()) -> tuple[str, str]:
    """Return the path of a file without its extension, the longest of those `known` or the last; and that.

    Nothing if no sample could be called like that: the name is somebody's claim, and may come from another repository.
    """
    fitting = [len(one) for one in known if name.lower().endswith(f".{one.lower()}")]
    at = len(name) - max(fitting) - 1 if fitting else name.rfind(".")
    stem, extension = name[: max(at, 0)], name[at + 1 :]
    if not stem or "/" in extension:
        return "", ""
    try:
        external.target_name(f"str:{stem}", extension)
    except (InvalidName, InvalidInput):
        return "", ""
    return stem, extension


def _extension_of(aset: Samples, key: SampleKey) -> str:
    found = aset.original(key)
    assert found is not None
    return found[0].extension
