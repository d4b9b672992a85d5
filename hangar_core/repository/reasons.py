"""Why a sample is what it is: `Repository.why`."""

from __future__ import annotations

from dataclasses import dataclass

from hangar_core.arraysets.collection import ArraysetCollection
from hangar_core.errors import InvalidData
from hangar_core.hashing import digests
from hangar_core.model import SampleKey
from hangar_core.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Reason:
    """One sample of a `commit`: the `digest` of its data, and where they came from, None if nobody knows."""

    arrayset: str
    sample: SampleKey
    commit: str
    digest: str
    provenance: Provenance | None


def reason_of(arraysets: ArraysetCollection, arrayset: str, sample: SampleKey, commit: str) -> Reason:
    """Return why a sample is what it is. Raises `ArraysetNotFound`, `SampleNotFound`, `InvalidData`."""
    aset = arraysets[arrayset]
    if aset.contains_subsamples:
        raise InvalidData(
            f"Arrayset `{arrayset}` holds samples inside samples, which no import makes.",
            hint=f"`hangar history {arrayset} SAMPLE --subsample NAME` tells which commits changed them",
        )
    return Reason(arrayset, sample, commit, digests.text(aset.digest(sample)), aset.provenance(sample))
