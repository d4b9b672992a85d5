"""From what people type to a commit.

A branch, a tag, a branch of a remote, `HEAD` (the staging branch), a full or short digest; behind any of them
`~N` (N first parents back), `^N` (the N-th parent), and behind a branch `@{N}` (N moves ago) or `@{2 days ago}`,
`@{yesterday}`, `@{2026-11-20}` (where the branch was then, as the reflog knows).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hangar_core.errors import AmbiguousDigest, CommitNotFound, HistoryEnds, NoCommits
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.graph import ReadCommit
from hangar_core.model import CommitId
from hangar_core.storage.snapshots import Reader

_STEPS = re.compile(r"(?:~\d*|\^\d*|@\{[^{}]*\})*$", re.ASCII)
_STEP = re.compile(r"~(\d*)|\^(\d*)|@\{([^{}]*)\}", re.ASCII)
_AGO = re.compile(r"(\d+) (second|minute|hour|day|week)s? ago", re.ASCII)
# More than any history has; Python refuses to read a number of thousands of digits.
_DIGITS = 18
# What means the head of the staging branch.
STAGING = frozenset({refs.RESERVED, "@"})


def resolve(reader: Reader, read: ReadCommit, text: str | None, now: datetime) -> CommitId:
    """Return the commit that `text` means; None means the staging branch.

    Raises `CommitNotFound`, `AmbiguousDigest` (with the candidates), `NoCommits`, `HistoryEnds`, `InvalidInput` for
    what is no text.
    """
    if text is None:
        return _staging_head(reader)
    found = _STEPS.search(refs.as_asked(text))
    steps = found[0] if found else ""
    name = text[: len(text) - len(steps)]
    # The staging branch is known: its name is not looked up again, which a tag may have as well.
    on_staging = name in STAGING or (not name and steps.startswith("@{"))
    branch = refs.staging_branch(reader) if on_staging else name
    commit: CommitId | None = None
    for step in _STEP.finditer(steps):
        back, parent, when = step.groups()
        if when is not None:
            if commit is not None:
                raise CommitNotFound(text=text)
            commit = _earlier(reader, branch, when, text, now)
            continue
        if commit is None:
            commit = _staging_head(reader) if on_staging else _named(reader, name)
        if back is not None:
            for _ in range(_number(back or "1", text)):
                commit = _parent(read, commit, 1, text)
        else:
            commit = _parent(read, commit, _number(parent or "1", text), text)
    if commit is not None:
        return commit
    return _staging_head(reader) if on_staging else _named(reader, name)


def _staging_head(reader: Reader) -> CommitId:
    branch = refs.staging_branch(reader)
    commit = refs.head(reader, branch)
    if commit is None:
        raise NoCommits(branch=branch)
    return commit


def _named(reader: Reader, name: str) -> CommitId:
    branches, tags = refs.branches(reader), refs.tags(reader)
    tag = tags.get(name)
    if name in branches:
        commit = branches[name]
        if tag is not None and tag.commit != commit:
            listed = f"branch {name} ({digests.short(commit or b'')}), tag {name} ({digests.short(tag.commit)})"
            raise AmbiguousDigest(text=name, count=2, candidates=listed, hint="give the digest")
        if commit is None:
            raise NoCommits(branch=name)
        return commit
    return tag.commit if tag is not None else refs.by_digest(reader, name)


def _parent(read: ReadCommit, commit: CommitId, number: int, text: str) -> CommitId:
    if number == 0:
        return commit
    parents, hidden = read(commit).parents, read(commit).hidden
    if hidden:
        raise HistoryEnds(commit=digests.short(commit), what=f"`{text}` lies behind it")
    if number > len(parents):
        has = "no parent" if not parents else "1 parent" if len(parents) == 1 else f"{len(parents)} parents"
        raise CommitNotFound(text=text, hint=f"{digests.short(commit)} has {has}")
    return parents[number - 1]


def _earlier(reader: Reader, branch: str, when: str, text: str, now: datetime) -> CommitId:
    """Return where a branch was: so many moves ago, or at a time."""
    moves = refs.moves(reader, branch)
    if when.isascii() and when.isdigit():
        number = _number(when, text)
        move = moves[number] if number < len(moves) else None
    else:
        moment = _moment(when, now)
        if moment is None:
            raise CommitNotFound(text=text, hint="write @{3}, @{2 days ago}, @{yesterday} or @{2026-11-20}")
        # Before its first move a branch was nowhere.
        move = next((move for move in moves if move.time <= moment.timestamp() * 1e6), None)
    if move is not None and move.new is None and move.old is not None:
        back = f"hangar branch create {branch} {digests.short(move.old)}"
        raise CommitNotFound(text=text, hint=f"the branch was removed then; `{back}` brings it back")
    if move is None or move.new is None:
        raise CommitNotFound(text=text, hint=f"`hangar reflog {branch}` shows how far back it goes")
    return move.new


def _number(digits: str, text: str) -> int:
    if len(digits) > _DIGITS:
        raise CommitNotFound(text=text)
    return int(digits)


def _moment(text: str, now: datetime) -> datetime | None:
    if text == "now":
        return now
    if text == "yesterday":
        return now - timedelta(days=1)
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{f"{ago[2]}s": int(ago[1])})
        moment = datetime.fromisoformat(text)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)  # before everything
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
