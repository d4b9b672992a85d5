"""A batch of files that were read and stored: which schemas they ask for, who does not fit, what is to be converted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from hangar_core.ingest.inference import Form, Misfit
from hangar_core.ingest.shelf import Columns, Extent, Placing, Run, Shelf, run_items
from hangar_core.ingest.targets import Target, settled
from hangar_core.ingest.works import Work
from hangar_core.model import Digest, Schema

# A run is complete with so many samples. So many runs of a file, and samples of all files, are held in memory.
_RUN: Final = 4_096
_RUNS_HELD: Final = 2
_SAMPLES_HELD: Final = 8_192

# (suffix, form) -> how many parts of samples have it
Forms: TypeAlias = Counter[tuple[str, Form]]


class Samples:
    """The samples of one file in their order, in columns where many are alike; of many of them most are on a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.forms: Forms = Counter()
        self._shelf = shelf
        self._stored: list[Extent] = []
        self._held: list[Run] = []
        self._count = 0

    def add(self, key: bytes, parts: tuple[Placing, ...]) -> None:
        last = self._held[-1] if self._held else None
        if not isinstance(last, dict) or len(last) >= _RUN:
            last = {}
            self._hold(last)
        last[key] = parts
        for part in parts:
            self.forms[part[:2]] += 1
        self._count += 1

    def add_columns(self, columns: Columns) -> None:
        last = self._held[-1] if self._held else None
        if isinstance(last, Columns) and len(last.keys) < _RUN and last.is_like(columns):
            last.keys.extend(columns.keys)
            for mine, more in zip(last.parts, columns.parts, strict=True):
                mine.digests.extend(more.digests)
        else:
            self._hold(columns)
        for part in columns.parts:
            self.forms[part[:2]] += len(columns.keys)
        self._count += len(columns.keys)

    def _hold(self, run: Run) -> None:
        if len(self._held) >= _RUNS_HELD:
            self.store()
        self._held.append(run)

    def store(self) -> None:
        """Put all that is in memory on the shelf."""
        self._stored += [self._shelf.put_run(run) for run in self._held]
        self._held = []

    def runs(self) -> Iterator[Run]:
        """Yield the samples, some thousand at once."""
        for extent in self._stored:
            yield self._shelf.get_run(extent)
        yield from self._held

    def items(self) -> Iterator[tuple[bytes, tuple[Placing, ...]]]:
        """Yield each sample by itself."""
        for run in self.runs():
            yield from run_items(run)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: bytes) -> bool:
        return any(key in (run.keys if isinstance(run, Columns) else run) for run in self.runs())

    def to_json(self) -> list[Any]:
        """Return what `from_json` needs; all samples are on the shelf then."""
        self.store()
        return [self._stored, [[*form, count] for form, count in self.forms.items()], self._count]

    @classmethod
    def from_json(cls, shelf: Shelf, fields: list[Any]) -> Samples:
        found = cls(shelf)
        found._stored = [(offset, size) for offset, size in fields[0]]
        for suffix, (dtype, shape), count in fields[1]:
            found.forms[suffix, Form(dtype, tuple(shape))] = count
        found._count = fields[2]
        return found


class Published(NamedTuple):
    """A file that was read, and its samples. What is to be said of where a sample comes from is here."""

    work: Work
    source: bytes
    samples: Samples


class Pending:
    """Files that were read and are not staged yet, in their order; most of many are on the shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.samples = 0
        self.forms: Forms = Counter()
        self._shelf = shelf
        self._stored: list[Extent] = []
        self._held: list[Published] = []
        self._samples_held = 0

    def add(self, one: Published) -> None:
        if self._samples_held >= _SAMPLES_HELD:
            self._stored += [self._shelf.put(_encode(held)) for held in self._held]
            self._held, self._samples_held = [], 0
        self._held.append(one)
        self._samples_held += len(one.samples)
        self.samples += len(one.samples)
        self.forms.update(one.samples.forms)

    def __iter__(self) -> Iterator[Published]:
        for extent in self._stored:
            yield self._decoded(self._shelf.get(extent))
        yield from self._held

    def __bool__(self) -> bool:
        return bool(self._stored or self._held)

    def _decoded(self, data: bytes) -> Published:
        work, source, samples = json.loads(data)
        return Published(Work.from_json(work), bytes.fromhex(source), Samples.from_json(self._shelf, samples))


def _encode(one: Published) -> bytes:
    return json.dumps([one.work.to_json(), one.source.hex(), one.samples.to_json()]).encode("ascii")


class Settled(NamedTuple):
    """What a batch makes of the arraysets: schemas by suffix, forms that do not fit, samples to be set anew by name."""

    schemas: dict[str, Schema]
    odd: dict[tuple[str, Form], Misfit]
    anew: dict[str, list[tuple[bytes, Digest]]]

    def takes(self, forms: Mapping[tuple[str, Form], int]) -> bool:
        """Whether samples of these forms go into the arraysets as they are."""
        return not any(one in self.odd or one[1].dtype != self.schemas[one[0]].dtype for one in forms)


def settle(forms: Forms, target_of: Callable[[str], Target]) -> Settled:
    """Return the schemas that fit most samples of a batch, beside those that are there."""
    counts: dict[str, Counter[Form]] = {}
    for (suffix, form), count in forms.items():
        counts.setdefault(suffix, Counter())[form] = count
    found = Settled({}, {}, {})
    for suffix, counted in counts.items():
        target = target_of(suffix)
        found.schemas[suffix], misfits, changed = settled(target, counted)
        found.odd.update({(suffix, form): misfit for form, misfit in misfits.items()})
        if changed:
            found.anew[target.name] = changed
    return found


def converted(one: Published, found: Settled, target_of: Callable[[str], Target], shelf: Shelf) -> Published | Misfit:
    """Return a file with all data of the dtype of their arraysets, or why that cannot be."""
    misfit = next((found.odd[form] for form in one.samples.forms if form in found.odd), None)
    if misfit is not None:
        return misfit
    if found.takes(one.samples.forms):
        return one
    samples = Samples(shelf)
    for run in one.samples.runs():
        if isinstance(run, Columns) and found.takes({part[:2]: 1 for part in run.parts}):
            samples.add_columns(run)
            continue
        for key, parts in run_items(run):
            fitting = []
            for part in parts:
                widened = _widened(part, found.schemas[part.suffix].dtype, target_of(part.suffix))
                if isinstance(widened, Misfit):
                    return widened
                fitting.append(widened)
            samples.add(key, tuple(fitting))
    return one._replace(samples=samples)


def _widened(part: Placing, dtype: str, target: Target) -> Placing | Misfit:
    if part.form.dtype == dtype:
        return part
    digest = target.converted(part.digest, dtype)
    if digest is None:
        return Misfit("dtype", f"its values would be rounded as {dtype}, which other samples need")
    return part._replace(form=part.form._replace(dtype=dtype), digest=digest)
