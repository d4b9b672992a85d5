"""What is to be done to bring a derived arrayset up to date: found by digests, without reading data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hangar_core.errors import ArraysetNotFound, InvalidInput
from hangar_core.hashing import digests
from hangar_core.records.derivations import DERIVED_OPTION, Derivation, decode_derivation
from hangar_steps.memo import Known, Memo
from hangar_steps.workspaces.repository import STEPS

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.model import SampleKey
    from hangar_steps.deriving import Derived

_AT_ONCE: Final = 4096


class DerivePlan(NamedTuple):
    """What is to be done at a commit. `fresh`: nothing at all, the output says that it was made of just this.

    `known` are samples whose results are here already, by name; `missing` those to be computed, with what they are made
    of; of `total` samples in all.
    """

    commit: str
    derivation: Derivation
    fresh: bool
    total: int
    known: dict[SampleKey, Known]
    missing: dict[SampleKey, bytes]


class DeriveReceipt(NamedTuple):
    """What was done: samples computed, found, dropped since their inputs are gone; `commit` is empty without one."""

    output: str
    step: str
    total: int
    computed: int
    reused: int
    dropped: int
    commit: str


def memo_of(repo: Repository) -> Memo:
    """Return the memory of a repository."""
    return Memo(steps_folder(repo) / "memo.sqlite")


def steps_folder(repo: Repository) -> Path:
    """Return the folder of steps of a repository."""
    return Path(repo.path) / ".hangar" / STEPS


def plan(derived: Derived, repo: Repository, *, force: bool) -> DerivePlan:
    """Return what is to be done at the head of the staging branch."""
    commit = digests.text(repo.resolve())
    with closing(repo.checkout(commit=commit)) as reader:
        asets = [_input(reader, name) for name in derived.inputs]
        contents = {name: _content_id(aset) for name, aset in zip(derived.inputs, asets, strict=True)}
        derivation = Derivation(derived.unique_id, contents)
        if not force and derived.output in reader.arraysets:
            recorded = reader.arraysets[derived.output].options.get(DERIVED_OPTION)
            if recorded is not None and decode_derivation(recorded, derived.output) == derivation:
                return DerivePlan(commit, derivation, True, len(reader.arraysets[derived.output]), {}, {})
        memo = memo_of(repo)
        known: dict[SampleKey, Known] = {}
        missing: dict[SampleKey, bytes] = {}
        for names in _batches(asets):
            columns = [aset.digests(names) for aset in asets]
            made_of = [b"".join(row) for row in zip(*columns, strict=True)]
            found = {} if force else memo.find(derived.unique_id, made_of)
            for name, source in zip(names, made_of, strict=True):
                result = found.get(source)
                if result is not None and reader.has_data(result.digest):
                    known[name] = result
                else:
                    missing[name] = source
    return DerivePlan(commit, derivation, False, len(known) + len(missing), known, missing)


def _input(reader: Any, name: str) -> Any:
    if name not in reader.arraysets:
        raise ArraysetNotFound(name=name)
    aset = reader.arraysets[name]
    if aset.contains_subsamples:
        raise InvalidInput(f"The samples of `{name}` are mappings: they cannot be derived from yet.")
    return aset


def _content_id(aset: Any) -> str:
    known: bytes = aset.__det_digest__()[1]
    return known.hex()


def _batches(asets: list[Any]) -> Iterator[list[SampleKey]]:
    """Yield the names that all inputs have, in order."""
    names: list[SampleKey] = []
    for name in asets[0].keys():  # noqa: SIM118 - iteration over an arrayset is the same
        if all(name in other for other in asets[1:]):
            names.append(name)
        if len(names) == _AT_ONCE:
            yield names
            names = []
    if names:
        yield names
