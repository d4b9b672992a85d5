"""`RunRecord`: what is known of a run, from the notes in the repository. Repeated runs are attempts of one id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hangar_steps.errors import StepNotFound

if TYPE_CHECKING:
    from hangar_core import Repository

NOTE_VERSION: Final = "hangar.run-note/1"
_LATEST: Final = 253_402_300_800  # the year 10000, which no date here can have
_MADE: Final = re.compile("[0-9a-f]{32}")


class RunRecord(NamedTuple):
    """One run. `status` is completed, failed, or unfinished: it still runs, or its process is gone without a word.

    `attempt` counts the runs of one `run_id` from 1 on, up to `attempts`. `read` is the first commit that it has
    read, or the one that was there when it began, if nothing is known of any; `wrote` the one that was there when it
    ended, if that is another than when it began. Times are seconds since 1970.
    """

    key: str
    run_id: str
    attempt: int
    attempts: int
    status: str
    started: float
    ended: float | None
    facts: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What names the run on the command line: ``run_id``, and ``#2`` for the second of several attempts."""
        return self.run_id + self._number

    @property
    def short(self) -> str:
        """The same for a table: an id that follows from the settings is cut, one that somebody has chosen is not."""
        return (self.run_id[:12] if _MADE.fullmatch(self.run_id) else self.run_id) + self._number

    @property
    def _number(self) -> str:
        # Alone the id would name the last one.
        return "" if self.attempts == 1 else f"#{self.attempt}"

    @property
    def params(self) -> Mapping[str, Any]:
        """Class, name, hash, counted and ignored parameters; empty for a run without."""
        return self.facts.get("params") or {}

    @property
    def read(self) -> str | None:
        """The commit that was read, the first of several."""
        return self.facts.get("read")

    @property
    def reads(self) -> tuple[str, ...]:
        """All commits that were read, in the order in which they were first met."""
        return tuple(self.facts.get("reads") or filter(None, [self.read]))

    @property
    def wrote(self) -> str | None:
        """The commit that was written."""
        return self.facts.get("wrote")


def runs_of(repo: Repository) -> list[RunRecord]:
    """Return the runs, newest first. Raises `CorruptRecord`."""
    merged: dict[str, dict[str, Any]] = {}
    notes = [note for note in reversed(repo.run_notes()) if is_sound(note)]
    # Notes that were fetched come in any order, and all after those that were here: a run begins before it ends.
    for note in sorted(notes, key=lambda note: (note["started"], note.get("event") == "end")):
        merged.setdefault(note["key"], {}).update(note)
    return list(_numbered(merged))[::-1]


def is_sound(note: Mapping[str, Any]) -> bool:
    """Whether a note is one that this version understands: others may come from a remote, whoever wrote them there."""
    maps = (note.get("params"), note.get("config"), note.get("results"), note.get("versions"))
    texts = (note.get("key"), note.get("run_id"))
    others = (note.get("read"), note.get("wrote"), note.get("experiment_id"), note.get("status"), note.get("error"))
    ended = note.get("ended")
    return (
        note.get("version") == NOTE_VERSION
        and all(isinstance(one, str) for one in texts)
        and all(one is None or isinstance(one, str) for one in others)
        and all(one is None or isinstance(one, dict) for one in maps)
        and _is_moment(note.get("started"))
        and (ended is None or _is_moment(ended))
        and _are_params(note.get("params") or {})
        and _are_steps(note.get("steps") or [])
        and _are_texts(note.get("reads") or [])
    )


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)


def _is_moment(value: Any) -> bool:
    return type(value) in {int, float} and 0 <= value < _LATEST


def _are_params(params: Mapping[str, Any]) -> bool:
    named = not params or (isinstance(params.get("class"), str) and not isinstance(params.get("name"), dict | list))
    return named and all(isinstance(params.get(name) or {}, dict) for name in ("counted", "ignored"))


def _are_steps(steps: Any) -> bool:
    return isinstance(steps, list) and all(
        isinstance(step, dict)
        and isinstance(step.get("id"), str)
        and isinstance(step.get("status"), str)
        and type(step.get("seconds")) in {int, float}
        and _are_texts(step.get("reads") or [])
        for step in steps
    )


def _numbered(merged: Mapping[str, dict[str, Any]]) -> Iterator[RunRecord]:
    several = Counter(str(facts.get("run_id")) for facts in merged.values())
    attempts: Counter[str] = Counter()
    for key, facts in merged.items():
        run_id = str(facts.get("run_id"))
        attempts[run_id] += 1
        ended = facts.get("ended")
        status = str(facts.get("status")) if ended is not None else "unfinished"
        yield RunRecord(
            key, run_id, attempts[run_id], several[run_id], status, float(facts.get("started", 0)), ended, facts
        )


def find_run(runs: list[RunRecord], text: str) -> RunRecord:
    """Return the run that `text` names: its id or the beginning of it, perhaps with ``#ATTEMPT``, else the latest one.

    Raises `StepNotFound` if there is none, or if several ids begin like that.
    """
    wanted, _, number = text.rpartition("#")
    if not wanted or not (number.isascii() and number.isdecimal()) or any(run.run_id == text for run in runs):
        wanted, number = text, ""
    same = [run for run in runs if run.run_id == wanted] or [
        run for run in runs if wanted and run.run_id.startswith(wanted)
    ]
    if len({run.run_id for run in same}) > 1:
        listed = ", ".join(sorted({run.run_id for run in same})[:5])
        raise StepNotFound(what="single run", name=text, hint=f"say which: {listed}")
    for run in same:
        if not number or run.attempt == int(number):
            return run
    raise StepNotFound(what="run", name=text, hint="`hangar runs` shows what there is")
