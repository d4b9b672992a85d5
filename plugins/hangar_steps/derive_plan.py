"""What is to be done to bring a derived arrayset up to date: found by digests, without reading data."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hangar_core.hashing import digests
from hangar_core.records.derivations import DERIVED_OPTION, Derivation, decode_derivation
from hangar_steps.derive_clones import committed_results
from hangar_steps.derive_inputs import Column, joined
from hangar_steps.memo import Known, Memo
from hangar_steps.spool import Spool
from hangar_steps.workspaces.repository import STEPS

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.model import Digest, SampleKey
    from hangar_steps.deriving import Derived

# So many samples are looked up together.
_AT_ONCE: Final = 1 << 14


class DerivePlan(NamedTuple):
    """What is to be done at a commit. `fresh`: nothing at all, the output says that it was made of just this.

    `known` are samples whose results are here already, by name; `missing` those to be computed, with what they are made
    of; of `total` samples in all. The results of those in `spooled` were computed before an interruption, and have only
    to be published. `learned` are results to be remembered: a clone has them from the commit.
    """

    commit: str
    derivation: Derivation
    fresh: bool
    total: int
    known: dict[SampleKey, Known]
    missing: dict[SampleKey, bytes]
    learned: dict[bytes, Known] = {}  # noqa: RUF012 - a named tuple; nobody changes it
    spooled: frozenset[bytes] = frozenset()

    @property
    def to_compute(self) -> list[SampleKey]:
        """The names of the samples for which the function would be called."""
        return [name for name, source in self.missing.items() if source not in self.spooled]


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


def fresh_plan(derived: Derived, repo: Repository) -> DerivePlan | None:
    """Return the plan if there is nothing to do at the head of the staging branch; looks at the inputs as a whole."""
    commit = digests.text(repo.resolve())
    with closing(repo.checkout(commit=commit)) as reader:
        return _fresh(derived, reader, commit, _derivation(derived, _columns(derived, reader)))


def plan(derived: Derived, repo: Repository, *, force: bool) -> DerivePlan:
    """Return what is to be done at the head of the staging branch."""
    commit = digests.text(repo.resolve())
    with closing(repo.checkout(commit=commit)) as reader:
        columns = _columns(derived, reader)
        derivation = _derivation(derived, columns)
        found = None if force else _fresh(derived, reader, commit, derivation)
        if found is not None:
            return found
        memo = memo_of(repo)
        learned = {} if force or memo.has_seen(derived.unique_id) else committed_results(derived, reader, columns)
        known: dict[SampleKey, Known] = {}
        missing: dict[SampleKey, bytes] = {}
        samples = joined(columns)
        while batch := list(islice(samples, _AT_ONCE)):
            sources = [source for _, source in batch]
            results = {} if force else memo.find(derived.unique_id, sources)
            results |= {source: learned[source] for source in sources if source in learned}
            if not results:
                missing.update(batch)
                continue
            here = _here(repo, reader, {result.digest for result in results.values()})
            for name, source in batch:
                result = results.get(source)
                if result is not None and result.digest in here:
                    known[name] = result
                else:
                    missing[name] = source
    spooled = frozenset() if force else spool_of(derived, repo).sources()
    return DerivePlan(commit, derivation, False, len(known) + len(missing), known, missing, learned, spooled)


def spool_of(derived: Derived, repo: Repository) -> Spool:
    """Return where results of a derivation wait to be published."""
    return Spool(steps_folder(repo) / "work" / derived.unique_id)


def _here(repo: Repository, reader: Any, wanted: set[Digest]) -> set[Digest]:
    """Return those of which the data are on this machine, be it that they are only staged."""
    here: set[Digest] = reader.with_data(wanted)
    return here if here == wanted else here | (wanted & repo.roots())


def _columns(derived: Derived, reader: Any) -> list[Column]:
    return [Column(reader, name) for name in derived.inputs]


def _derivation(derived: Derived, columns: list[Column]) -> Derivation:
    contents = {name: column.content for name, column in zip(derived.inputs, columns, strict=True)}
    return Derivation(derived.unique_id, contents)


def _fresh(derived: Derived, reader: Any, commit: str, derivation: Derivation) -> DerivePlan | None:
    if derived.output not in reader.arraysets:
        return None
    output = reader.arraysets[derived.output]
    recorded = output.options.get(DERIVED_OPTION)
    if recorded is None or decode_derivation(recorded, derived.output) != derivation:
        return None
    return DerivePlan(commit, derivation, True, len(output), {}, {})
