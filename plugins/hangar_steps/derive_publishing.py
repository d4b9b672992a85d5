"""Bringing a derived arrayset up to date: compute what is missing, then stage everything under the lock at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import AlreadyExists, DataMissing, InvalidData, PendingChanges
from hangar_core.hashing import digests
from hangar_core.records.derivations import DERIVED_OPTION, decode_derivation, encode_derivation
from hangar_steps.derive_computing import compute
from hangar_steps.derive_plan import DerivePlan, DeriveReceipt, fresh_plan, memo_of, plan, spool_of, steps_folder
from hangar_steps.noting import noting
from hangar_steps.sample_forms import needed_for
from hangar_steps.source_digests import advise, source_digest
from hangar_steps.spool import Spool

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.checkout import WriterCheckout
    from hangar_core.model import Digest, SampleKey
    from hangar_core.reports import ProgressReporter
    from hangar_steps.deriving import Derived

_AT_ONCE: Final = 4096
# So many results are noted in the memory together.
_REMEMBERED: Final = 1 << 17


def update(
    derived: Derived,
    repo: Repository,
    *,
    jobs: int,
    force: bool,
    commit: str,
    wait: float,
    progress: ProgressReporter | None,
) -> DeriveReceipt:
    """See `Derived.update`."""
    if commit and not repo.status().clean:
        raise PendingChanges(branch=repo.staging_branch, blocked="committing a derived arrayset alone")
    if not force:
        advise(derived, memo_of(repo).source(derived.unique_id), derived.unique_id, stacklevel=4)
    with noting(derived.unique_id) as ran:
        fresh = None if force else fresh_plan(derived, repo)
        if fresh is not None:
            return _nothing_to_do(derived, fresh)
        ran()
        with _alone(repo, derived.unique_id):
            wanted = plan(derived, repo, force=force)  # another process may have done it meanwhile
            if wanted.fresh:
                return _nothing_to_do(derived, wanted)
            return _carry_out(
                derived, repo, wanted, jobs=jobs, force=force, commit=commit, wait=wait, progress=progress
            )


@contextmanager
def _alone(repo: Repository, step_id: str) -> Iterator[None]:
    """Let one process at a time compute what a step derives; the lock ends with its process."""
    from filelock import FileLock

    path = steps_folder(repo) / "locks" / f"derived-{step_id}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, is_singleton=False, thread_local=False, fallback_to_soft=False):
        yield


def _nothing_to_do(derived: Derived, wanted: DerivePlan) -> DeriveReceipt:
    return DeriveReceipt(derived.output, derived.unique_id, wanted.total, 0, wanted.total, 0, "")


def _carry_out(
    derived: Derived,
    repo: Repository,
    wanted: DerivePlan,
    *,
    jobs: int,
    force: bool,
    commit: str,
    wait: float,
    progress: ProgressReporter | None,
) -> DeriveReceipt:
    spool = spool_of(derived, repo)
    if force:
        spool.clear()
    left = spool.check()
    to_do = {name: source for name, source in wanted.missing.items() if source not in left}
    compute(derived, repo.path, wanted.commit, to_do, spool, jobs=jobs, progress=progress)
    opened: Any = repo.checkout(write=True, wait=wait)
    with closing(opened) as writer:
        receipt = _publish(derived, repo, writer, wanted, spool)
        if commit and writer.diff.status() == "DIRTY":
            receipt = receipt._replace(commit=writer.commit(commit))
    spool.clear()
    return receipt._replace(computed=len(to_do), reused=wanted.total - len(to_do))


def _publish(
    derived: Derived, repo: Repository, writer: WriterCheckout, wanted: DerivePlan, spool: Spool
) -> DeriveReceipt:
    """Stage the output. What it was made of is recorded, so that later changes of the inputs make it stale."""
    memo, step, code = memo_of(repo), derived.unique_id, source_digest(derived)
    names = {source: name for name, source in wanted.missing.items()}
    again: list[tuple[SampleKey, bytes]] = []
    if len(names) != len(wanted.missing):  # an equal input has an equal result
        again = [(name, source) for name, source in wanted.missing.items() if names[source] != name]
    output = _output(derived, writer, wanted, spool, names)
    fresh: list[tuple[bytes, Digest, str]] = [(source, *result) for source, result in wanted.learned.items()]
    for piece in spool.pieces():
        rows = [row for row in zip(piece.sources, piece.values(), piece.forms, strict=True) if row[0] in names]
        output.update((names[source], value) for source, value, _ in rows)
        made = output.digests([names[source] for source, _, _ in rows])
        fresh += ((source, digest, form) for (source, _, form), digest in zip(rows, made, strict=True))
        if len(fresh) >= _REMEMBERED:
            memo.remember(step, fresh, code)
            fresh.clear()
    if fresh:
        memo.remember(step, fresh, code)
    same = output.digests([names[source] for _, source in again])
    known = [(name, digest) for (name, _), digest in zip(again, same, strict=True)]
    known += ((name, result.digest) for name, result in wanted.known.items())
    for start in range(0, len(known), _AT_ONCE):
        if lost := output.attach(known[start : start + _AT_ONCE]):
            raise DataMissing(digest=digests.text(dict(known)[lost[0]]), hint="run the same command again")
    gone = []
    if len(output) != wanted.total:
        gone = [name for name in output if name not in wanted.known and name not in wanted.missing]
    for name in gone:
        output.remove(name)
    output.set_options({**output.options, DERIVED_OPTION: encode_derivation(wanted.derivation)})
    return DeriveReceipt(derived.output, step, wanted.total, 0, 0, len(gone), "")


def _output(
    derived: Derived, writer: WriterCheckout, wanted: DerivePlan, spool: Spool, names: dict[bytes, SampleKey]
) -> Any:
    """Return the arrayset that takes all results: the one that is there, widened if need be, or a new one.

    Raises `AlreadyExists` if there is one that nobody has derived, `InvalidData` if no arrayset takes all results.
    """
    found: Any = writer.arraysets.get(derived.output, None)
    if found is not None and DERIVED_OPTION not in found.options:
        raise AlreadyExists(kind="Arrayset", name=derived.output, hint="derive into another name: it was not derived")
    forms = {result.form for result in wanted.known.values()}
    for piece in spool.pieces():
        forms.update(form for source, form in zip(piece.sources, piece.forms, strict=True) if source in names)
    if not forms:
        if found is None:
            raise InvalidData(f"The inputs of `{derived.output}` have no sample in common: there is nothing to derive.")
        return found
    needed = needed_for(forms, derived.output)
    if found is not None and needed.fits(found, same_step=_step_of(found) == derived.unique_id):
        needed.widen(found)
        return found
    if found is not None:  # what another version or other options have made
        writer.arraysets.remove_aset(derived.output)
    return needed.make(writer, derived.output)


def _step_of(aset: Any) -> str:
    return decode_derivation(aset.options[DERIVED_OPTION], aset.name).step
