"""A batch of files that were read and stored: which schemas they ask for, who does not fit, what is to be converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from hangar_core.ingest.inference import Form, Misfit
from hangar_core.ingest.targets import Target, settled
from hangar_core.ingest.works import Work
from hangar_core.model import Digest, Schema


class Placing(NamedTuple):
    """The part of a sample in one arrayset, stored."""

    suffix: str
    form: Form
    digest: Digest


class Columns(NamedTuple):
    """Samples of ``ARRAYSET`` itself that are of one form, stored."""

    form: Form
    keys: list[bytes]
    digests: list[Digest]


# Samples one by one: key -> parts.
Singles = dict[bytes, tuple[Placing, ...]]


class Samples:
    """The samples of one file in their order, in columns where many are alike."""

    def __init__(self) -> None:
        self.runs: list[Singles | Columns] = []
        self._count = 0

    def add(self, key: bytes, parts: tuple[Placing, ...]) -> None:
        last = self.runs[-1] if self.runs else None
        if not isinstance(last, dict):
            last = {}
            self.runs.append(last)
        last[key] = parts
        self._count += 1

    def add_columns(self, columns: Columns) -> None:
        last = self.runs[-1] if self.runs else None
        if isinstance(last, Columns) and last.form == columns.form:
            last.keys.extend(columns.keys)
            last.digests.extend(columns.digests)
        else:
            self.runs.append(columns)
        self._count += len(columns.keys)

    def items(self) -> Iterator[tuple[bytes, tuple[Placing, ...]]]:
        """Yield each sample by itself."""
        for run in self.runs:
            yield from run_items(run)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: bytes) -> bool:
        return any(key in (run.keys if isinstance(run, Columns) else run) for run in self.runs)


def run_items(run: Singles | Columns) -> Iterator[tuple[bytes, tuple[Placing, ...]]]:
    """Yield each sample of a run by itself."""
    if isinstance(run, Columns):
        for key, digest in zip(run.keys, run.digests, strict=True):
            yield key, (Placing("", run.form, digest),)
    else:
        yield from run.items()


class Published(NamedTuple):
    """A file that was read, and its samples. What is to be said of where a sample comes from is here."""

    work: Work
    source: bytes
    samples: Samples


class Settled(NamedTuple):
    """What a batch makes of the arraysets: schemas by suffix, forms that do not fit, samples to be set anew by name."""

    schemas: dict[str, Schema]
    odd: dict[tuple[str, Form], Misfit]
    anew: dict[str, list[tuple[bytes, Digest]]]


def settle(batch: Iterable[Published], target_of: Callable[[str], Target]) -> Settled:
    """Return the schemas that fit most samples of a batch, beside those that are there."""
    forms: dict[str, Counter[Form]] = {}
    for one in batch:
        for run in one.samples.runs:
            if isinstance(run, Columns):
                forms.setdefault("", Counter())[run.form] += len(run.keys)
                continue
            for parts in run.values():
                for suffix, form, _ in parts:
                    forms.setdefault(suffix, Counter())[form] += 1
    found = Settled({}, {}, {})
    for suffix, counted in forms.items():
        target = target_of(suffix)
        found.schemas[suffix], misfits, changed = settled(target, counted)
        found.odd.update({(suffix, form): misfit for form, misfit in misfits.items()})
        if changed:
            found.anew[target.name] = changed
    return found


def converted(one: Published, found: Settled, target_of: Callable[[str], Target]) -> Published | Misfit:
    """Return a file with all data of the dtype of their arraysets, or why that cannot be."""
    samples = Samples()
    for run in one.samples.runs:
        if isinstance(run, Columns) and ("", run.form) not in found.odd and run.form.dtype == found.schemas[""].dtype:
            samples.add_columns(run)
            continue
        for key, parts in run_items(run):
            fitting = []
            for part in parts:
                misfit = found.odd.get((part.suffix, part.form))
                widened = misfit or _widened(part, found.schemas[part.suffix].dtype, target_of(part.suffix))
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
