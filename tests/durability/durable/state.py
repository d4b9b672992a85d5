"""The oracle: what a repository says, as plain values that can be compared.

A `State` is everything a user can learn through the public door: branches, history, the content of every commit, what
is staged. Tests predict it with the model in `scenario` and read it with `observe`. Commits are known by their message.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hangar_core import Repository
from hangar_core.arraysets.metadata import MetadataReader
from hangar_core.arraysets.reader import ArraysetDataReader
from hangar_core.checkout import WriterCheckout
from hangar_core.reports import LogEntry

# The bound of the contract for opening a writer after a crash.
RECOVERY_SECONDS = 1.0

# A sample as (dtype, shape, bytes): equal only if every bit is.
Value = tuple[str, tuple[int, ...], bytes]


@dataclass
class Table:
    """One arrayset."""

    dtype: str
    shape: tuple[int, ...]
    samples: dict[str | int, Value] = field(default_factory=dict)


@dataclass
class Content:
    """What a commit or the staging area holds."""

    arraysets: dict[str, Table] = field(default_factory=dict)
    metadata: dict[str | int, str] = field(default_factory=dict)


@dataclass
class State:
    """A whole repository."""

    branch: str = "master"
    history: dict[str, list[str]] = field(default_factory=lambda: {"master": []})
    commits: dict[str, Content] = field(default_factory=dict)
    staged: Content = field(default_factory=Content)
    conflicts: list[str] = field(default_factory=list)  # of a merge in progress
    tags: dict[str, str] = field(default_factory=dict)
    stashes: list[str] = field(default_factory=list)

    def without_staged(self) -> State:
        """Return what everybody sees, without what is staged."""
        return State(self.branch, self.history, self.commits, tags=self.tags, stashes=self.stashes)

    @property
    def base(self) -> Content:
        """The content of the commit that staging is based on."""
        messages = self.history[self.branch]
        return self.commits[messages[0]] if messages else Content()

    def commit(self, message: str) -> None:
        self.commits[message] = deepcopy(self.staged)
        self.history[self.branch] = [message, *self.history[self.branch]]

    def reset(self) -> None:
        self.staged = deepcopy(self.base)

    def tallies(self, renamed: Mapping[str, str]) -> Tallies:
        """Return what `status` has to say: per arrayset, and for the metadata, how many were (added, deleted, mutated).

        Arraysets are not removed and made anew in the scenarios, so that samples tell everything but which arrayset was
        `renamed` (new name -> old name); what cannot be a rename counts as a removal and an addition.
        """
        before, now = self.base.arraysets, self.staged.arraysets
        gone = before.keys() - now.keys()
        pairs = {new: old for new, old in renamed.items() if new in now.keys() - before.keys() and old in gone}
        arraysets = {}
        for name in sorted((before.keys() | now.keys()) - set(pairs.values())):
            old_name = pairs.get(name, name)
            old = before[old_name].samples if old_name in before else {}
            new = now[name].samples if name in now else {}
            counts = _compare(old, new)
            if any(counts) or (name in before) != (name in now):
                arraysets[name] = counts
        return arraysets, _compare(self.base.metadata, self.staged.metadata)


Counts = tuple[int, int, int]
Tallies = tuple[dict[str, Counts], Counts]


def _compare(old: dict[Any, Any], new: dict[Any, Any]) -> Counts:
    both = old.keys() & new.keys()
    return len(new.keys() - old.keys()), len(old.keys() - new.keys()), sum(old[key] != new[key] for key in both)


def value(array: np.ndarray[Any, Any]) -> Value:
    """Return an array as a value."""
    return array.dtype.str, array.shape, array.tobytes()


# --- reading --------------------------------------------------------------------------------------------------------


def read_table(aset: ArraysetDataReader) -> Table:
    """Read every sample of an arrayset, and check that its words about itself agree."""
    samples = {key: value(array) for key, array in aset.items()}
    assert len(aset) == len(samples), f"`len` says {len(aset)}, there are {len(samples)} samples"
    assert list(aset) == list(samples)
    return Table(np.dtype(aset.dtype).str, aset.shape, samples)


def read_metadata(metadata: MetadataReader) -> dict[str | int, str]:
    texts = dict(metadata.items())
    assert len(metadata) == len(texts)
    return texts


def read_content(checkout: Any) -> Content:
    """Read all of a checkout."""
    return Content(
        {name: read_table(aset) for name, aset in checkout.arraysets.items()}, read_metadata(checkout.metadata)
    )


def read_committed(repo: Repository) -> State:
    """Read the state without what is staged. Every head and every parent has to be there."""
    state = State(repo.staging_branch, {})
    state.tags = {tag.name: _subject(repo.log_entries(tag.commit.hex())[0]) for tag in repo.tags.all()}
    state.stashes = [stash.commit.message for stash in repo.stashes.all()]
    for head in repo.branch_heads():
        entries = repo.log_entries(head.name) if head.digest else []
        state.history[head.name] = [_subject(entry) for entry in entries]
        known = {entry.id for entry in entries}
        for entry in entries:
            assert set(entry.commit.parents) <= known, f"a parent of {_subject(entry)!r} is missing"
            if _subject(entry) not in state.commits:
                checkout = repo.checkout(commit=entry.id.hex())
                state.commits[_subject(entry)] = read_content(checkout)
                checkout.close()
    return state


def _subject(entry: LogEntry) -> str:
    return entry.commit.message.partition("\n")[0]


def read_tallies(repo: Repository) -> tuple[Tallies, dict[str, str]]:
    """Return what `status` says, as `State.tallies` does, and which arraysets are said to be renamed."""
    status = repo.status()
    renamed = {one.name: one.renamed_from for one in status.arraysets if one.renamed_from}
    arraysets = {one.name: (one.added, one.deleted, one.mutated) for one in status.arraysets}
    metadata = (status.metadata_added, status.metadata_deleted, status.metadata_mutated)
    assert status.clean == (not arraysets and not any(metadata))
    return (arraysets, metadata), renamed


def open_writer(repo: Repository) -> WriterCheckout:
    """Open a writer, in no more time than the contract allows. Time of this process: a busy machine is no failure."""
    began = time.process_time()
    writer = repo.checkout(write=True)
    seconds = time.process_time() - began
    assert seconds <= RECOVERY_SECONDS, f"opening a writer took {seconds:.2f} s"
    assert isinstance(writer, WriterCheckout)
    return writer


def observe(directory: Path, *, same_boot: bool = True) -> State | None:
    """Return the state of the repository in `directory`, None if there is none: readers, status, then a writer.

    `status` reads no data. So it may name samples whose bytes went with the power, until a writer has looked at them.
    """
    repo = Repository(directory, exists=False)
    if not repo.initialized:
        return None
    state = read_committed(repo)
    said, renamed = read_tallies(repo)
    writer = open_writer(repo)
    try:
        state.staged = read_content(writer)
        state.conflicts = [f"{row.arrayset}[{row.key!r}] {row.kind}" for row in repo.merging.conflicts()]
        assert writer.branch_name == state.branch
        assert (writer.diff.status() == "CLEAN") == (state.staged == state.base)
    finally:
        writer.close()
    if not same_boot:
        said, renamed = read_tallies(repo)
    there = state.tallies(renamed)
    assert said == there, f"status says {said}, there is {there}"
    return state


def differences(found: State | None, wanted: State | None) -> str:
    """Say in a few lines where two states differ."""
    if found is None or wanted is None:
        return "one of them has no repository"
    lines = []
    for name in ("branch", "history", "conflicts", "tags", "stashes"):
        if getattr(found, name) != getattr(wanted, name):
            lines.append(f"{name}: {getattr(found, name)} instead of {getattr(wanted, name)}")
    contents = [("staged", found.staged, wanted.staged)]
    contents += [
        (f"commit {key}", found.commits[key], wanted.commits[key]) for key in found.commits if key in wanted.commits
    ]
    for where, one, two in contents:
        if one.metadata != two.metadata:
            lines.append(f"{where}: metadata {one.metadata} instead of {two.metadata}")
        for name in sorted(one.arraysets.keys() | two.arraysets.keys()):
            have, want = one.arraysets.get(name, Table("", ())), two.arraysets.get(name, Table("", ()))
            if have != want:
                wrong = [
                    key
                    for key in have.samples.keys() | want.samples.keys()
                    if have.samples.get(key) != want.samples.get(key)
                ]
                lines.append(f"{where}: arrayset {name} differs at {wrong}")
    return "; ".join(lines)
