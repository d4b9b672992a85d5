"""The same machine, whose repository is now and then worked on by a process that is killed in the middle.

What is found afterwards is the model before the interrupted step or after it, never anything else; and never the
one before if the step had returned to its caller.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

from durable.nursery import Nursery
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from .machine import CHANGES, Model, Place, RepositoryMachine, three_way

# How each step goes on from a model, and for a step that makes a commit, with the digest that it got.
After = Callable[[Model, str], None]

# Points that a step gets to, and the how many-th time a process is killed there: mostly those that it surely gets to.
_WRITING = st.tuples(
    st.sampled_from(["pack.create", "pack.write", "pack.write.torn", "log.create", "log.write", "log.write.torn"]),
    st.sampled_from([1, 1, 2, 3]),
)
_COMMITTING = st.sampled_from(
    [("tables.commit", 1), ("tables.committed", 1), ("log.recycle", 1), ("pack.sync", 1), ("directory.sync", 1)]
)
_KEEPING = st.sampled_from(
    [
        *((name, 1) for name in ("remove", "log.create", "log.write", "log.write.torn", "log.sync", "replace")),
        *(("tables.commit", 1), ("tables.committed", 1), ("directory.sync", 1), ("directory.sync", 2)),
        *(("log.write", 2), ("log.write", 3), ("log.write.torn", 2), ("remove", 2)),
    ]
)


class KilledMachine(RepositoryMachine):
    """Uses `nursery`, which whoever runs it has to set. `mutation` is a mistake that the killed process makes."""

    nursery: ClassVar[Nursery]
    mutation: ClassVar[str] = ""
    kills: ClassVar[int] = 0

    @rule(changes=CHANGES, at=_WRITING)
    def stage_and_die(self, changes: list[tuple[Place, int | None]], at: tuple[str, int]) -> None:
        self._strike("stage", [changes], at, [_staging(change) for change in changes])

    @precondition(lambda self: not self.model.clean)
    @rule(at=_COMMITTING)
    def commit_and_die(self, at: tuple[str, int]) -> None:
        self._strike("commit", [], at, [_committing(self.model.staged)])

    @rule(at=_KEEPING, hard=st.booleans(), data=st.data())
    def reset_and_die(self, at: tuple[str, int], hard: bool, data: st.DataObject) -> None:
        target = self._drawn(data, self.model.ancestors(self.model.base))

        def after(model: Model, _: str) -> None:
            model.branches[model.head] = target
            if hard:
                model.staged = dict(model.content(target))

        self._strike("reset", [target, hard], at, [after])

    @precondition(lambda self: self.model.clean)
    @rule(at=_COMMITTING, data=st.data())
    def merge_and_die(self, at: tuple[str, int], data: st.DataObject) -> None:
        other = data.draw(st.sampled_from(sorted(self.model.branches)))
        ours, theirs = self.model.base, self.model.branches[other]
        bases = self.model.merge_bases(ours, theirs)
        contents = [self.model.content(one) for one in (*bases, ours, theirs)]
        merged = three_way(*contents) if len(bases) == 1 else None
        if merged is None or theirs in bases:
            return

        def after(model: Model, made: str) -> None:
            if ours in bases:
                model.branches[model.head] = theirs
                model.staged = dict(model.content(theirs))
            else:
                _committing(merged, theirs)(model, made)

        self._strike("merge", [self.model.head, other], at, [after])

    @precondition(lambda self: not self.model.clean)
    @rule(at=_COMMITTING)
    def stash_and_die(self, at: tuple[str, int]) -> None:
        def after(model: Model, _: str) -> None:
            model.stashes.insert(0, (model.base, model.staged))
            model.staged = dict(model.content(model.base))

        self._strike("stash", [], at, [after])

    def _strike(self, step: str, words: list[Any], at: tuple[str, int], parts: list[After]) -> None:
        """Let a process take a step that consists of `parts`, and be killed; then find out how far it came."""
        handle, progress = tempfile.mkstemp()
        os.close(handle)
        ended = self.nursery.run("strike", str(self.folder), progress, step, words, *at, self.mutation)
        done = len(Path(progress).read_bytes())
        os.unlink(progress)
        if ended.signal:
            assert ended.signal == signal.SIGKILL
            type(self).kills += 1
        else:
            assert not ended.error, ended.error
            assert done == len(parts)
        # The branch points at the commit that was made, if one was.
        made = next(one.digest for one in self.repo.branch_heads() if one.name == self.model.head)
        model = deepcopy(self.model)
        for after in parts[:done]:
            after(model, made)
        allowed = [model]
        if done < len(parts):
            allowed.append(deepcopy(model))
            parts[done](allowed[-1], made)
        fitting = [one for one in allowed if self._is_committed_and_staged(one)]
        assert fitting, f"after {step} was killed at {at}, with {done} of {len(parts)} acknowledged"
        self.model = fitting[-1]

    def _is_committed_and_staged(self, model: Model) -> bool:
        """Whether what readers and `status` see, before any writer has repaired anything, is so; then a writer."""
        mine, self.model = self.model, model
        try:
            self.status_agrees()
            self.staging_and_branches_agree()
        except AssertionError:
            return False
        finally:
            self.model = mine
        return True


def _staging(change: tuple[Place, int | None]) -> After:
    place, value = change

    def after(model: Model, _: str) -> None:
        if value is None:
            model.staged.pop(place, None)
        else:
            model.staged[place] = value

    return after


def _committing(content: dict[Place, int], *more_parents: str) -> After:
    def after(model: Model, made: str) -> None:
        model.commits.setdefault(made, ((model.base, *more_parents), dict(content)))
        model.branches[model.head] = made
        model.staged = dict(content)

    return after
