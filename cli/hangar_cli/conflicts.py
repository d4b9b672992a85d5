"""Conflicts on the terminal and in JSON, and how the commands end that may leave some: merge, revert, stash pop..."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from typing import TYPE_CHECKING, Any

from click.exceptions import Exit

from hangar_cli.output import columns, printable, result, result_json
from hangar_cli.parameters import key_text
from hangar_core.errors import MergeConflict
from hangar_core.reports import MergeState, Status

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.repository.merging import ConflictRow

METADATA = "(metadata)"  # no arrayset can have this name
_WORDS = {
    "t1": "added on both sides",
    "t21": "removed in ours, changed in theirs",
    "t22": "changed in ours, removed in theirs",
    "t3": "changed on both sides",
}
_SHOWN = 20
_SHORT = 12
_LONGEST_TEXT = 24


def conflict_lines(rows: Sequence[ConflictRow]) -> Iterator[str]:
    """Yield a table of conflicts, shortened when there are very many."""
    table = [("ARRAYSET", "KEY", "OURS", "THEIRS", "BASE", "")]
    for row in rows[:_SHOWN]:
        ours, theirs, base = (_side(row, side) for side in ("ours", "theirs", "base"))
        table.append((printable(row.arrayset) or METADATA, _key(row), ours, theirs, base, _words(row)))
    yield from (f"  {line}" for line in columns(table))
    if len(rows) > _SHOWN:
        yield f"  ... and {len(rows) - _SHOWN:,} more (all of them: hangar status --json)"


def next_lines(rows: Sequence[ConflictRow], staged: Status | None = None) -> Iterator[str]:
    """Yield the commands to type next, made for the first conflict; without any, for what is `staged`."""
    if rows:
        first = rows[0]
        file = "" if first.key is None else ", or --take FILE"
        yield f"Next: hangar resolve {_words_for(first)}   (or --theirs{file}; a pattern such as '*' takes several)"
        yield "Then: hangar merge --continue   (or give up: hangar merge --abort)"
    elif staged is not None and _changes_nothing(staged):
        yield "Next: hangar merge --abort   (decided like this, it changes nothing that could be committed)"
    else:
        yield "Next: hangar merge --continue   (or give up: hangar merge --abort)"


def _words_for(row: ConflictRow) -> str:
    """Return what is typed behind `hangar resolve` to take our side of one conflict, and of no other."""
    words = ["--metadata"] if not row.arrayset else [row.arrayset]
    if row.key is not None:
        words.append(escape(_key(row)))  # a key may hold what means something in a pattern
    typed = [shlex.quote(printable(word)) for word in words]
    if any(word.startswith("-") for word in words[not row.arrayset :]):
        typed = ["--ours", *typed[: not row.arrayset], "--", *typed[not row.arrayset :]]
    else:
        typed.append("--ours")
    return " ".join(typed)


def next_after_staging(repo: Repository) -> Iterator[str]:
    """Yield the commands to type next when something was staged: a commit, or what a merge in progress still needs."""
    if repo.merging.state() is None:
        yield 'Next: hangar commit -m "MESSAGE"'
    else:
        yield from next_lines(repo.merging.conflicts(), repo.status())


def _changes_nothing(staged: Status) -> bool:
    """Whether what is in progress would make an empty commit; one with two parents is none."""
    state = staged.merging
    return state is not None and state.parent is None and staged._replace(merging=None).clean


def progress_words(state: MergeState, branch: str) -> str:
    """Return what is going on: ``Merging dev into master``."""
    label, onto = printable(state.label), printable(branch)
    words = {
        "merge": f"Merging {label} into {onto}",
        "cherry-pick": f"Cherry-picking {label} onto {onto}",
        "revert": f"Reverting {label} on {onto}",
        "stash": f"Taking back the stash '{label}' on {onto}",
    }
    return words[state.kind]


def conflicts_json(rows: Sequence[ConflictRow]) -> list[dict[str, Any]]:
    """Return conflicts for JSON."""
    return [
        {
            "what": "metadata" if not row.arrayset else "arrayset" if row.key is None else "sample",
            "arrayset": row.arrayset or None,
            "key": row.key,
            "kind": row.kind,
            "ours": row.ours or None,
            "theirs": row.theirs or None,
            "base": row.base or None,
            "texts": dict(row.texts) or None,
            "names": dict(row.names) or None,
            "bound": list(row.bound),
        }
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Words:
    """What a command does and has done, up to the name of the branch: ``Reverting HEAD on``, ``Reverted HEAD on``."""

    doing: str
    done: str


def report_commit(repo: Repository, digest: str | None, words: Words, version: str | None) -> None:
    """Print the commit that was made, or end with the conflicts that were kept if there is none.

    With a `version` the result is JSON.
    """
    branch = repo.staging_branch
    facts = {"result": "conflicts" if digest is None else "committed", "branch": branch, "digest": digest}
    if digest is None:
        raise report_conflicts(repo, f"{words.doing} {printable(branch)}", version, facts)
    if version is not None:
        result_json(version, {**facts, "conflicts": []})
    else:
        result(f"{words.done} {printable(branch)}. Digest: {digest}")


def report_conflicts(repo: Repository, what: str, version: str | None, facts: dict[str, Any]) -> Exit:
    """Print the conflicts that were kept, and return the exception that ends the process.

    `what` is the first line ("Merging dev into master"); with a `version` the result is JSON of `facts` instead.
    """
    rows = repo.merging.conflicts()
    if version is not None:
        result_json(version, {**facts, "conflicts": conflicts_json(rows)})
    else:
        result(f"{what}: {count_words(len(rows))} to resolve, the rest is staged.")
        for line in (*conflict_lines(rows), *next_lines(rows)):
            result(line)
    return Exit(MergeConflict.exit_code)


def count_words(count: int) -> str:
    """Return ``1 conflict``, ``2 conflicts``."""
    return f"{count:,} conflict{'' if count == 1 else 's'}"


def _words(row: ConflictRow) -> str:
    """Return what both sides did; of an arrayset with several names also what it is called where."""
    words = _WORDS[row.kind]
    if row.kind == "t1" and not row.theirs:
        words = "added in ours, theirs has another one of this name"
    if row.names:
        words += ": " + ", ".join(f"{printable(name)} in {side}" for side, name in row.names.items())
    if row.bound:
        words += f"; decided together with {', '.join(map(printable, row.bound))}"
    return words


def _key(row: ConflictRow) -> str:
    return "(arrayset)" if row.key is None else key_text(row.key)


def _side(row: ConflictRow, side: str) -> str:
    """Return what one side has: a short digest, of metadata the text, or a dash for nothing."""
    if side in row.texts:
        text = printable(row.texts[side])
        return f'"{text}"' if len(text) <= _LONGEST_TEXT else f'"{text[:_LONGEST_TEXT]}..."'
    digest: str = getattr(row, side)
    return digest[:_SHORT] or "-"
