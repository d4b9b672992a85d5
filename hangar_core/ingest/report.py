"""What an import says in the end, and what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hangar_core.errors import FilesRejected, TooManyRejected
from hangar_core.external import Outline
from hangar_core.model import Schema

_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Reject:
    """One file, or sample, that was not taken: a stable code, what is wrong, what to do. One line each."""

    source: str
    code: str
    message: str
    fix: str


@dataclass(slots=True)
class Ignored:
    """Files that were left out as wanted: the first thousand, and how many there are."""

    listed: list[Reject] = field(default_factory=list)
    count: int = 0

    def add(self, reject: Reject) -> None:
        self.count += 1
        if len(self.listed) < _LISTED:
            self.listed.append(reject)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an import did.

    `added`, `updated` and `unchanged` count samples. `kept` are samples that exist with other content and were left
    alone, `ignored` the first thousand of `ignored_count` files hidden by their name or a `.hangarignore`, `rejects`
    the files that were not taken, `quarantined` the number of files that were not tried because they were rejected
    before. `schema` is that of `arrayset`, None if all its data went to arraysets beside it; `arraysets` has those too,
    and `created` names the new ones. `plugins` counts files per plugin, `files` are those found, `bytes` those of the
    data that were read. `commit` is the digest of the commit that was made at the end. `originals` counts the samples
    among those added and updated that are kept as the files they came in.
    """

    arrayset: str
    branch: str
    added: int
    updated: int
    unchanged: int
    kept: tuple[Reject, ...]
    ignored: tuple[Reject, ...]
    schema_created: bool
    schema: Schema | None
    plugins: Mapping[str, int]
    files: int
    bytes: int
    seconds: float
    rejects: tuple[Reject, ...] = ()
    quarantined: int = 0
    ignored_count: int = 0
    arraysets: Mapping[str, Schema] = field(default_factory=dict)
    created: tuple[str, ...] = ()
    commit: str | None = None
    originals: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import would do, found out without writing anything.

    `files` counts what would be read, per `extensions` and `plugins`; `unchanged` files have been imported as they are,
    `quarantined` ones were rejected before. `arraysets` are the schemas, as they are or, for those in `created`, as
    `sampled` files (a table counts by its first rows) ask for; `labels` counts files per class. `rejects` are known to
    fail, of the sampled files too: others may fail when they are read. `tables` tells of the first files that are
    tables what is in them, whole.
    """

    arrayset: str
    files: int
    bytes: int
    extensions: Mapping[str, int]
    plugins: Mapping[str, int]
    unchanged: int
    quarantined: int
    arraysets: Mapping[str, Schema]
    created: tuple[str, ...]
    sampled: int
    labels: Mapping[str, int]
    rejects: tuple[Reject, ...]
    ignored: tuple[Reject, ...]
    ignored_count: int
    tables: Mapping[str, Outline] = field(default_factory=dict)


def refuse(rejects: list[Reject], total: int) -> None:
    """Raise `FilesRejected` if anything was rejected."""
    if rejects:
        raise FilesRejected(
            count=sources(rejects),
            total=total,
            rejects=_ordered(rejects),
            hint="mend or remove them and run the same command again",
        )


def refuse_more_than(limit: int | None, rejects: list[Reject], total: int, *, staged: bool) -> None:
    """Raise `TooManyRejected` if more files than the `limit` were rejected; `staged` says whether others were taken."""
    if limit is None or len(rejects) <= limit or sources(rejects) <= limit:
        return
    outcome = "what was staged before stays staged" if staged else "nothing was staged"
    raise TooManyRejected(count=sources(rejects), total=total, limit=limit, outcome=outcome, rejects=_ordered(rejects))


def sources(rejects: list[Reject]) -> int:
    """Return the number of files among rejects."""
    return len({reject.source for reject in rejects})


def _ordered(rejects: list[Reject]) -> list[Reject]:
    return sorted(rejects, key=lambda reject: reject.source)
