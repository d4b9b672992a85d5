"""A batch of files that were read and stored: which schemas they ask for, who does not fit, what is to be converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
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


class Published(NamedTuple):
    """A file that was read, and its samples: key -> parts. What is to be said of where a sample comes from is here."""

    work: Work
    source: bytes
    samples: dict[bytes, tuple[Placing, ...]]


class Settled(NamedTuple):
    """What a batch makes of the arraysets: schemas by suffix, forms that do not fit, samples to be set anew by name."""

    schemas: dict[str, Schema]
    odd: dict[tuple[str, Form], Misfit]
    anew: dict[str, list[tuple[bytes, Digest]]]


def settle(batch: Iterable[Published], target_of: Callable[[str], Target]) -> Settled:
    """Return the schemas that fit most samples of a batch, beside those that are there."""
    forms: dict[str, Counter[Form]] = {}
    for one in batch:
        for parts in one.samples.values():
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
    samples: dict[bytes, tuple[Placing, ...]] = {}
    for key, parts in one.samples.items():
        fitting = []
        for part in parts:
            misfit = found.odd.get((part.suffix, part.form))
            widened = misfit or _widened(part, found.schemas[part.suffix].dtype, target_of(part.suffix))
            if isinstance(widened, Misfit):
                return widened
            fitting.append(widened)
        samples[key] = tuple(fitting)
    return one._replace(samples=samples)


def _widened(part: Placing, dtype: str, target: Target) -> Placing | Misfit:
    if part.form.dtype == dtype:
        return part
    digest = target.converted(part.digest, dtype)
    if digest is None:
        return Misfit("dtype", f"its values would be rounded as {dtype}, which other samples need")
    return part._replace(form=part.form._replace(dtype=dtype), digest=digest)
