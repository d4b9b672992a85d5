"""Arraysets of readers in other processes. Nothing of a handle travels but where it was: repository, commit, name.

What the other process opens it keeps for a while: a pool sends the same handle along with every piece of work.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from hangar_core.arraysets.session import ReadSession
from hangar_core.history.commits import root_of
from hangar_core.storage.context import RepoContext

if TYPE_CHECKING:
    from hangar_core.arraysets.collection import ArraysetsReader
    from hangar_core.arraysets.reader import ArraysetDataReader
    from hangar_core.arraysets.subsamples import SubsampleReader
    from hangar_core.model import CommitId, SampleKey

_KEPT = 8
_Opener = Callable[[Path], RepoContext]
_Place = tuple[int, str, bytes, str]
_opened: OrderedDict[_Place, ArraysetsReader] = OrderedDict()
_opening = Lock()


def reopen_arrayset(directory: str, commit: CommitId, name: str, opener: _Opener = RepoContext) -> ArraysetDataReader:
    """Return an arrayset of a commit. Raises `RepositoryNotFound`, `CorruptRecord` where the commit is not known."""
    # A forked child must not use what its parent opened.
    place = (os.getpid(), directory, bytes(commit), repr(opener))
    with _opening:
        found = _opened.get(place)
        if found is None:
            found = _opened[place] = _open(directory, commit, opener)
            while len(_opened) > _KEPT:
                # Whoever still has one of its handles can go on using it.
                _opened.popitem(last=False)
        return found[name]


def reopen_sample(
    directory: str, commit: CommitId, name: str, sample: SampleKey, opener: _Opener = RepoContext
) -> SubsampleReader:
    """Return one sample of a nested arrayset. Raises as `reopen_arrayset` does."""
    found: SubsampleReader = reopen_arrayset(directory, commit, name, opener)[sample]
    return found


def _open(directory: str, commit: CommitId, opener: _Opener) -> ArraysetsReader:
    from hangar_core.arraysets.collection import ArraysetsReader

    session = ReadSession.of_commit(opener(Path(directory)), commit)
    return ArraysetsReader(session, root_of(session.objects, commit))


def _after_fork_in_child() -> None:
    # The parent may have forked while one of its other threads was opening something.
    global _opening
    _opening = Lock()
    _opened.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
