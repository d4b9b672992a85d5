"""A whole repository against a model of plain dicts: whatever is done in whatever order, both agree.

The model knows commits as contents, branches as names, the staging area as a content, and merges as the three-way rule
written out key by key. Reopening happens between any two steps, because each step opens what it needs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from hangar_core import Repository
from hangar_core.errors import MergeConflict, NothingToCommit
from hangar_core.hashing import digests
from hangar_core.hashing.samples import payload_of

Place = tuple[str, object]  # (arrayset or "" for metadata, key)
Content = dict[Place, int]

# Few places and few values, so that changes meet.
PLACES = st.sampled_from([("x", 0), ("x", "a"), ("x", "0"), ("y", "b/c"), ("", "m"), ("", 3)])
CHANGES = st.lists(st.tuples(PLACES, st.one_of(st.none(), st.integers(0, 2))), min_size=1, max_size=5)


@dataclass
class Model:
    """What the repository should hold."""

    commits: dict[str, tuple[tuple[str, ...], Content]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    head: str = "master"
    staged: Content = field(default_factory=dict)
    stashes: list[tuple[str, Content]] = field(default_factory=list)

    def content(self, commit: str) -> Content:
        return self.commits[commit][1] if commit else {}

    @property
    def base(self) -> str:
        return self.branches[self.head]

    @property
    def clean(self) -> bool:
        return self.staged == self.content(self.base)

    def ancestors(self, commit: str) -> set[str]:
        found, todo = set(), [commit]
        while todo:
            one = todo.pop()
            if one not in found:
                found.add(one)
                todo += self.commits[one][0]
        return found

    def merge_bases(self, one: str, two: str) -> set[str]:
        common = self.ancestors(one) & self.ancestors(two)
        return {this for this in common if not any(this != other and this in self.ancestors(other) for other in common)}


def three_way(base: Content, ours: Content, theirs: Content) -> Content | None:
    """The merged content, None for a conflict."""
    merged = dict(ours)
    for place in base.keys() | ours.keys() | theirs.keys():
        before, mine, other = base.get(place), ours.get(place), theirs.get(place)
        if other in (before, mine):
            continue
        if mine != before:
            return None
        if other is None:
            del merged[place]
        else:
            merged[place] = other
    return merged


class RepositoryMachine(RuleBasedStateMachine):
    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.repo.init("Model", "model@example.org")
        self.model = Model()
        writer = self.repo.checkout(write=True)
        for name in ("x", "y"):
            writer.arraysets.init_arrayset(name, shape=(2,), dtype="i4")
        first = writer.commit("first")
        writer.close()
        self.model.commits[first] = ((), {})
        self.repo.create_branch("dev")
        self.model.branches = {"master": first, "dev": first}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @property
    def repo(self) -> Repository:
        """A handle of its own for each step: nothing is remembered but what is on disk."""
        return Repository(self.folder, exists=False)

    def _drawn(self, data: st.DataObject, commits: Collection[str]) -> str:
        """Draw a commit by its place in time: digests differ from run to run, because times do."""
        return data.draw(st.sampled_from([one for one in self.model.commits if one in commits]))

    def _committed(self, digest: str, parents: tuple[str, ...], content: Content) -> None:
        self.model.commits[digest] = (parents, dict(content))
        self.model.branches[self.model.head] = digest
        self.model.staged = dict(content)

    # --- staging --------------------------------------------------------------------------------------------------

    @rule(changes=CHANGES)
    def stage(self, changes: list[tuple[Place, int | None]]) -> None:
        writer = self.repo.checkout(write=True)
        for (arrayset, key), value in changes:
            place = (arrayset, key)
            target = writer.arraysets[arrayset] if arrayset else writer.metadata
            if value is None:
                if place in self.model.staged:
                    del target[key]
                    del self.model.staged[place]
                continue
            target[key] = np.array([value, value], "i4") if arrayset else str(value)
            self.model.staged[place] = value
        writer.close()

    @rule()
    def commit(self) -> None:
        if self.model.clean:
            try:
                self.repo.commit("nothing")
            except NothingToCommit:
                return
            raise AssertionError("a commit without changes was made")
        self._committed(self.repo.commit("some"), (self.model.base,), self.model.staged)

    @precondition(lambda self: self.model.clean)
    @rule(data=st.data(), changes=CHANGES)
    def work(self, data: st.DataObject, changes: list[tuple[Place, int | None]]) -> None:
        """What people do most: go to a branch, change something, commit. Without it, histories seldom diverge."""
        self.switch(data)
        self.stage(changes)
        self.commit()

    @rule(hard=st.booleans(), data=st.data())
    def reset(self, hard: bool, data: st.DataObject) -> None:
        target = self._drawn(data, self.model.ancestors(self.model.base))
        self.repo.reset(target, hard=hard)
        self.model.branches[self.model.head] = target
        if hard:
            self.model.staged = dict(self.model.content(target))

    # --- branches -------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.branches) < 4)
    @rule()
    def branch(self) -> None:
        name = f"b{len(self.model.branches)}"
        self.repo.create_branch(name)
        self.model.branches[name] = self.model.base

    @precondition(lambda self: self.model.clean)
    @rule(data=st.data())
    def switch(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.branches)))
        self.repo.switch(name)
        self.model.head = name
        self.model.staged = dict(self.model.content(self.model.base))

    # --- bringing in ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.clean)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        other = data.draw(st.sampled_from(sorted(self.model.branches)))
        ours, theirs = self.model.base, self.model.branches[other]
        bases = self.model.merge_bases(ours, theirs)
        if len(bases) > 1:
            return  # which of several bases is taken is tested with the graph
        (base,) = bases
        expected = three_way(*(self.model.content(one) for one in (base, ours, theirs)))
        try:
            made = self.repo.merge("merge", self.model.head, other)
        except MergeConflict:
            assert expected is None
            return
        if base == theirs:
            assert made == ours
        elif base == ours:
            assert made == theirs
            self.model.branches[self.model.head] = theirs
            self.model.staged = dict(self.model.content(theirs))
        else:
            assert expected is not None
            self._committed(made, (ours, theirs), expected)

    @precondition(lambda self: self.model.clean)
    @rule(data=st.data(), undo=st.booleans())
    def pick_or_revert(self, data: st.DataObject, undo: bool) -> None:
        single = {one for one, (parents, _) in self.model.commits.items() if len(parents) == 1}
        if not single:
            return
        chosen = self._drawn(data, single)
        before, after = self.model.content(self.model.commits[chosen][0][0]), self.model.content(chosen)
        ours = self.model.content(self.model.base)
        expected = three_way(after, ours, before) if undo else three_way(before, ours, after)
        verb = self.repo.merging.revert if undo else self.repo.merging.cherry_pick
        try:
            made = verb(chosen)
        except NothingToCommit:
            assert expected == ours
            return
        if made is None:
            assert expected is None
            self.repo.merging.abort()
            return
        assert expected is not None
        self._committed(made, (self.model.base,), expected)

    # --- stash ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.model.clean)
    @rule()
    def stash(self) -> None:
        self.repo.stashes.save()
        self.model.stashes.insert(0, (self.model.base, self.model.staged))
        self.model.staged = dict(self.model.content(self.model.base))

    @precondition(lambda self: self.model.clean and self.model.stashes)
    @rule(data=st.data())
    def pop(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.model.stashes) - 1))
        base, content = self.model.stashes[number]
        expected = three_way(self.model.content(base), self.model.content(self.model.base), content)
        if self.repo.stashes.pop(number):
            assert expected is not None
            self.model.staged = expected
            del self.model.stashes[number]
        else:
            assert expected is None
            self.repo.merging.abort()

    # --- agreement ------------------------------------------------------------------------------------------------

    def status_agrees(self) -> None:
        """Readers and `status`, which take no lock and repair nothing."""
        repo = self.repo
        assert {one.name: one.digest for one in repo.branch_heads()} == self.model.branches
        assert repo.status().clean == self.model.clean
        assert len(repo.stashes.all()) == len(self.model.stashes)
        with closing(repo.checkout()) as reader:
            assert read_content(reader) == self.model.content(self.model.base)

    @invariant()
    def staging_and_branches_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        self.status_agrees()
        with closing(self.repo.checkout(write=True)) as writer:
            assert read_content(writer) == self.model.staged
            assert {name: len(writer.arraysets[name]) for name in ("x", "y")} == {
                name: sum(place[0] == name for place in self.model.staged) for name in ("x", "y")
            }

    @rule(data=st.data())
    def an_old_commit_still_is_what_it_was(self, data: st.DataObject) -> None:
        digest = self._drawn(data, self.model.commits)
        reader = self.repo.checkout(commit=digest)
        assert read_content(reader) == self.model.content(digest)
        reader.close()

    @rule(data=st.data())
    def a_diff_leads_from_one_content_to_the_other(self, data: st.DataObject) -> None:
        one, two = (self._drawn(data, self.model.commits) for _ in "ab")
        before, after = self.model.content(one), self.model.content(two)
        rows = list(self.repo.diff(one, two).rows())
        changed = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
        assert {(row.arrayset, row.key) for row in rows} == changed
        assert len(rows) == len(changed)
        for row in rows:
            was, becomes = (content.get((row.arrayset, row.key)) for content in (before, after))
            assert row.kind == ("added" if was is None else "deleted" if becomes is None else "mutated")
            assert (row.old, row.new) == tuple(_digest(row.arrayset, value) for value in (was, becomes))


def _digest(arrayset: str, value: int | None) -> str:
    """Return what a diff calls a value of the model; empty where there is none."""
    if value is None:
        return ""
    return digests.text(payload_of(np.array([value, value], "i4") if arrayset else str(value)).digest)


def read_content(checkout) -> Content:
    found: Content = {("", key): int(value) for key, value in checkout.metadata.items()}
    for name, aset in checkout.arraysets.items():
        for key, value in aset.items():
            assert value[0] == value[1]
            found[name, key] = int(value[0])
    return found
