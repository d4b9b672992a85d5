"""What the repository tells of itself: small frozen values that commands print and Python gets. No I/O, no numpy.

They are apart from the nouns of `model`, since making a named tuple takes its time and who reads samples needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from hangar_core.model import Commit, CommitId, Digest, Schema


class BranchHead(NamedTuple):
    """A branch and the commit it points at, as text."""

    name: str
    digest: str


class LogEntry(NamedTuple):
    """One line of a log: a commit with its id and the branches that point at it."""

    id: CommitId
    commit: Commit
    branches: tuple[str, ...]


class ArraysetChange(NamedTuple):
    """What staging changed in one arrayset; `schema` is the one in force (or removed).

    Changes are counted in entries of the record tree: samples, or subsamples where they are nested. `renamed_from` is
    the name in the base commit, empty if that is the same.
    """

    name: str
    schema: Schema
    options: Mapping[str, str]
    state: str  # "added", "deleted", "mutated" or "same"
    added: int = 0
    deleted: int = 0
    mutated: int = 0
    renamed_from: str = ""


class Status(NamedTuple):
    """The staging area against its base commit. Arraysets without any change are not listed."""

    branch: str
    base: CommitId | None
    arraysets: tuple[ArraysetChange, ...]
    metadata_added: int = 0
    metadata_deleted: int = 0
    metadata_mutated: int = 0
    merging: MergeState | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is staged and no merge is in progress."""
        return (
            self.merging is None
            and not self.arraysets
            and not (self.metadata_added or self.metadata_deleted or self.metadata_mutated)
        )


class ArraysetSummary(NamedTuple):
    """One arrayset of a commit, as `summary` shows it."""

    name: str
    schema: Schema
    schema_digest: str
    count: int  # type: ignore[assignment]  # of samples; nobody counts equal fields of it
    options: Mapping[str, str]


class Summary(NamedTuple):
    """What a commit contains and what the repository takes on disk. `disk_usage` is in bytes."""

    path: str
    disk_usage: int
    commit: LogEntry
    arraysets: tuple[ArraysetSummary, ...]
    metadata_count: int


class Progress(NamedTuple):
    """How far long work has come: `done` of `total` (None while unknown), and a word for what is counted.

    `workers` is the number of those who work at it at once, 0 if nobody says.
    """

    done: int
    total: int | None
    what: str
    workers: int = 0


ProgressReporter: TypeAlias = Callable[[Progress], None]


class Tag(NamedTuple):
    """A name that stays where it is. `message` is empty unless the tag is annotated; `time` in microseconds."""

    name: str
    commit: CommitId
    time: int
    user: str
    message: str


class Move(NamedTuple):
    """One entry of the reflog: a branch was moved, created (`old` is None) or removed (`new` is None)."""

    name: str
    time: int
    old: CommitId | None
    new: CommitId | None
    user: str
    reason: str


class Stash(NamedTuple):
    """Staged changes put aside. `id` is a commit whose parent is the base of the changes; `branch` where they were."""

    id: CommitId
    commit: Commit
    branch: str


class DerivedArrayset(NamedTuple):
    """An arrayset that a step computed from others. `changed` are the inputs that are not what they were then."""

    name: str
    step: str
    inputs: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def stale(self) -> bool:
        """Whether it would have to be computed again."""
        return bool(self.changed)


class SampleEvent(NamedTuple):
    """A commit that changed one sample: `kind` is added, mutated or removed; `digest` what it is since then."""

    entry: LogEntry
    kind: str
    digest: Digest | None


class MergeState(NamedTuple):
    """A merge that waits for its conflicts to be resolved.

    `kind` is merge, cherry-pick, revert or stash; `label` names what is brought in, for people; `base` and `theirs` are
    roots; `parent` is the second parent of the commit to be made, if it gets one.
    """

    kind: str
    label: str
    message: str
    base: Digest
    theirs: Digest
    parent: CommitId | None
