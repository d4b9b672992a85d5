"""The commits that a fetch brings: all behind a head that are not here, or those a few steps behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from hangar_core.errors import BadAnswer, CorruptRecord, InvalidInput
from hangar_core.hashing import digests
from hangar_core.history.objects import Objects
from hangar_core.model import Commit, CommitId, Digest
from hangar_core.records.commits import decode_commit
from hangar_core.remotes.frames import Expanded, Frame, verified
from hangar_core.remotes.transport import Giver
from hangar_core.reports import Progress, ProgressReporter

T = TypeVar("T")
_AT_ONCE: Final = 4096
# A depth that no history has: all that was cut off.
WHOLE: Final = 1 << 62


class Answers:
    """Checks what a remote sends of records."""

    def __init__(self, remote: str) -> None:
        self._remote = remote

    def verified(self, frames: Iterable[Frame]) -> Iterator[Expanded]:
        """Yield frames of records whose digests are right. Raises `BadAnswer`."""
        for frame in frames:
            try:
                found = verified(frame)
            except CorruptRecord as why:
                raise self.bad(str(why)) from why
            if found.dtype:
                raise self.bad("it sent data where records were asked for")
            yield found

    def decoded(self, decode: Callable[[bytes], T], data: bytes) -> T:
        """Return what `decode` makes of a record. Raises `BadAnswer`."""
        try:
            return decode(data)
        except CorruptRecord as why:
            raise self.bad(str(why)) from why

    def bad(self, reason: str) -> BadAnswer:
        """Return the error about what came."""
        return BadAnswer(address=self._remote, reason=reason)


def pairs(found: Expanded) -> Iterator[tuple[Digest, bytes]]:
    """Yield the records of a frame."""
    for digest, part in zip(found.digests, found.parts, strict=True):
        yield digest, bytes(part)


class CommitFetcher:
    """Asks for commits, and holds what came and is new here."""

    def __init__(self, objects: Objects, transport: Giver, answers: Answers, progress: ProgressReporter | None) -> None:
        self._objects = objects
        self._transport = transport
        self._answers = answers
        self._progress = progress or (lambda _: None)
        self._came: dict[CommitId, tuple[Commit, bytes]] = {}

    def all_behind(self, head: CommitId, known: Sequence[CommitId]) -> dict[CommitId, bytes]:
        """Return the commits behind `head` that are new here, down to those that are here; the remote is told of
        `known`."""
        todo = [] if self._objects.has(head) else [head]
        while todo:
            self._ask(todo, known, _AT_ONCE)
            needed = dict.fromkeys(parent for commit, _ in self._came.values() for parent in commit.parents)
            todo = [one for one in (head, *needed) if not self._is_known(one)]
        found: dict[CommitId, bytes] = {}
        left = [head]
        while left:  # a remote may have sent others
            one = left.pop()
            if one in self._came and one not in found:
                commit, found[one] = self._came[one]
                left += commit.parents
        return found

    def fewer_steps_behind(self, head: CommitId, depth: int) -> dict[CommitId, bytes]:
        """Return the commits that are new here and fewer than `depth` steps behind `head`, through those that are here.

        Raises `InvalidInput` for a depth below 1.
        """
        if depth < 1:
            raise InvalidInput(f"A depth of {depth} leaves no commit.", hint="1 brings the newest commit alone")
        found: dict[CommitId, bytes] = {}
        seen = {head}
        level = [head]
        while level and depth:
            missing = [one for one in level if not self._is_known(one)]
            while missing:
                self._ask(missing, (), max(len(missing), min(depth, _AT_ONCE)))
                missing = [one for one in missing if one not in self._came]
            below: dict[CommitId, None] = {}
            for one in level:
                if one in self._came:
                    commit, found[one] = self._came[one]
                else:
                    commit = decode_commit(self._objects.get(one))
                below.update(dict.fromkeys(parent for parent in commit.parents if parent not in seen))
            seen |= below.keys()
            level, depth = list(below), depth - 1
        return found

    def _is_known(self, commit: CommitId) -> bool:
        return commit in self._came or self._objects.has(commit)

    def _ask(self, wanted: Sequence[CommitId], known: Sequence[CommitId], limit: int) -> None:
        """Take over what comes; at least one commit is new. Raises `BadAnswer`."""
        before = len(self._came)
        for found in self._answers.verified(self._transport.history(wanted, known, limit)):
            for digest, data in pairs(found):
                if digests.code_of(digest) != digests.COMMIT:
                    raise self._answers.bad("it sent something else than the commits that were asked for")
                one = CommitId(digest)
                if not self._is_known(one):
                    self._came[one] = self._answers.decoded(decode_commit, data), data
        if len(self._came) == before:
            raise self._answers.bad(f"it has not got the commit {digests.text(wanted[0])}")
        self._progress(Progress(len(self._came), None, "commits"))


def cut_after(objects: Objects, new: dict[CommitId, bytes]) -> frozenset[CommitId]:
    """Return where history is cut once these commits are here as well."""

    def is_cut(data: bytes) -> bool:
        return any(one not in new and not objects.has(one) for one in decode_commit(data).parents)

    before = {one: objects.get(one) for one in objects.cut()}
    return frozenset(one for one, data in (before | new).items() if is_cut(data))
