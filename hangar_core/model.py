"""The nouns: small frozen values that travel between the floors. No I/O, no numpy, no rules beyond their own shape.

Every command imports this, and making a named tuple takes a fifth of the time of making a dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, NewType, TypeAlias

# 33 bytes: a 256-bit hash and one byte that says which hash over which canonical form (see docs/formats/digests.md).
Digest = NewType("Digest", bytes)
CommitId = NewType("CommitId", Digest)

SampleKey: TypeAlias = str | int

# Options of an arrayset that say where an import took it from, so that an export can write it alike.
SOURCE_PLUGIN = "source.plugin"
SOURCE_EXTENSION = "source.extension"
SOURCE_OPTION = "source.option."  # and the name of the plugin's option
# (sample, subsample) of an arrayset whose samples are mappings themselves
NestedKey: TypeAlias = tuple[SampleKey, SampleKey]


class Schema(NamedTuple):
    """What every sample of an arrayset must look like.

    `dtype` is numpy's little-endian text (``<f4``, ``|u1``) or the name of a dtype that numpy lacks (``bfloat16``);
    `shape` is exact, or with `variable` the largest allowed size of each dimension; `named` says whether the user gives
    the sample names. `kind` is array, text or bytes; samples that are no arrays have their kind as dtype, no dimensions
    and are `variable`. With `nested` each sample is a mapping of such data. Storage is no part of it.
    """

    dtype: str
    shape: tuple[int, ...]
    variable: bool = False
    named: bool = True
    kind: str = "array"
    nested: bool = False


class Arrayset(NamedTuple):
    """One arrayset of a commit: a schema, the root of its record tree, and options such as the backend of new data.

    `count` is the number of samples; the tree of a nested arrayset has an entry for each subsample.
    """

    schema: Schema
    tree: Digest
    count: int  # type: ignore[assignment]  # of samples; nobody counts equal fields of it
    options: Mapping[str, str] = MappingProxyType({})


class Root(NamedTuple):
    """The content of a commit."""

    arraysets: Mapping[str, Arrayset]
    metadata: Digest
    metadata_count: int


class Commit(NamedTuple):
    """One point of the history. `time` is in microseconds since 1970-01-01 UTC."""

    parents: tuple[CommitId, ...]
    root: Digest
    time: int
    user: str
    email: str
    message: str


class BranchHead(NamedTuple):
    """A branch and the commit it points at, as text."""

    name: str
    digest: str


class User(NamedTuple):
    """Who makes commits here."""

    name: str
    email: str


class LogEntry(NamedTuple):
    """One line of a log: a commit with its id and the branches that point at it."""

    id: CommitId
    commit: Commit
    branches: tuple[str, ...]


class ArraysetChange(NamedTuple):
    """What staging changed in one arrayset; `schema` is the one in force (or removed).

    Changes are counted in entries of the record tree: samples, or subsamples where they are nested.
    """

    name: str
    schema: Schema
    options: Mapping[str, str]
    state: str  # "added", "deleted", "mutated" or "same"
    added: int = 0
    deleted: int = 0
    mutated: int = 0


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
    """How far long work has come: `done` of `total` (None while unknown), and a word for what is counted."""

    done: int
    total: int | None
    what: str


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
