"""What children of the nursery do. Arguments and results are JSON."""

from __future__ import annotations

import os
import resource
import signal
import traceback
from contextlib import suppress
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hangar_core.checkout
import hangar_core.history.staging
import hangar_core.ingest  # noqa: F401 - imported before the children are born, so that each has it at once
from hangar_core import Repository, files
from hangar_core.errors import NothingToCommit, StorageFailed, UnresolvedConflicts

from . import hoarding, killing, rivals, scenario
from .mutations import mutated
from .power import forget, with_stash_kept
from .reading import Reading
from .state import State, differences, observe, open_writer, read_committed, read_content, read_tallies


class Progress:
    """Tells the parent, through a file that survives a kill, how many steps have returned."""

    def __init__(self, path: str) -> None:
        self._out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __call__(self, number: int, _: object) -> None:
        os.write(self._out, f"{number}\n".encode())
        os.fsync(self._out)


# The scenario to play, by name, and 0; or the sequel to what so many of its steps left behind.
Before = tuple[str, int]
SCENARIOS = {
    "essentials": scenario.essentials,
    "everything": scenario.everything,
    "rotting": scenario.rotting,
    "sealing": scenario.sealing,
    "adopting": scenario.adopting,
    "integrating": scenario.integrating,
}


def read_progress(path: Path) -> int:
    """Return how many steps had returned when the process died."""
    return int(path.read_text().splitlines()[-1]) if path.exists() and path.stat().st_size else 0


@cache
def _start(name: str, done: int) -> State | None:
    """Return the state after `done` steps of the scenario `name`."""
    return _states((name, 0))[done] if done else None


def _steps(before: Before) -> list[scenario.Step]:
    name, done = before
    state = _start(name, done)
    return SCENARIOS[name]() if state is None else scenario.sequel(state)


@cache
def _states(before: Before) -> list[State | None]:
    if before == ("integrating", 0):
        with TemporaryDirectory() as place:
            return scenario.watch(Path(place), scenario.integrating(), forget)
    return scenario.predict(_steps(before), _start(*before))


def warm() -> None:
    """Compute what all children need."""
    for name in SCENARIOS:
        _states((name, 0))


def play(directory: str, progress: str, before: list[Any], failpoint: str, count: int, mutation: str = "") -> None:
    """Play a scenario (see `Before`) to be killed at a failpoint, perhaps with a mistake made on purpose."""
    with mutated(mutation):
        files._armed, files._remaining = failpoint, count
        scenario.play(Path(directory), _steps((before[0], before[1])), Progress(progress))


def count_failpoints(directory: str, before: list[Any]) -> dict[str, int]:
    """Play a scenario and return how often each failpoint is met."""
    met = dict.fromkeys(files.FAILPOINTS, 0)
    real = files.failpoint

    def count(name: str) -> None:
        met[name] += 1
        real(name)

    files.failpoint = count
    scenario.play(Path(directory), _steps((before[0], before[1])), lambda *_: None)
    for label in ("pack", "log", "seal"):
        met[f"{label}.write.torn"] = met[f"{label}.write"]
    return met


# --- what comes after -----------------------------------------------------------------------------------------------


def check(directories: dict[str, str], before: list[Any], done: int) -> list[str]:
    """Look at what a kill after `done` steps left, in a copy for each way to go on: "read", "commit" and "reset".

    Returns what is wrong.
    """
    allowed = with_stash_kept(_states((before[0], before[1]))[done : done + 2])
    found = [(way, _check_one(Path(place), allowed, way)) for way, place in directories.items()]
    return [f"then {way}: {said}" for way, said in found if said]


def reached(directory: str, before: list[Any], done: int) -> int:
    """Return whether a kill after `done` steps left the state after those, or after the one that was under way."""
    states = _states((before[0], before[1]))
    return states.index(observe(Path(directory)), done)


def _check_one(place: Path, allowed: list[State | None], way: str) -> str:
    try:
        found = _read_only(place, allowed) if way == "read" else observe(place)
        if found not in allowed:
            return differences(found, allowed[0])
        if found is None:
            scenario.init().do(scenario.World(place))
            scenario.carry_on(place, State())
            return ""
        found = deepcopy(found)
        if way == "commit":
            _commit(place, found)
        elif way == "reset":
            _reset(place, found)
        scenario.carry_on(place, found)
    except AssertionError as why:
        return f"AssertionError: {why}"
    return ""


def _read_only(place: Path, allowed: list[State | None]) -> State | None:
    """Let readers and `status` look before any writer has tidied up."""
    repo = Repository(place, exists=False)
    if not repo.initialized:
        assert None in allowed
        return None
    found, (said, renamed) = read_committed(repo), read_tallies(repo)
    candidates = (one for one in allowed if one is not None and one.tallies(renamed) == said)
    fitting = [one for one in candidates if one.without_staged() == found]
    assert fitting, f"readers see {found.history} and status says {said}"
    seen = observe(place)
    assert seen in fitting, differences(seen, fitting[0])
    return seen


def _commit(place: Path, found: State) -> None:
    repo = Repository(place)
    clean = found.staged == found.base
    try:
        repo.commit("again")
    except UnresolvedConflicts:
        assert found.conflicts
        return
    except NothingToCommit:
        assert clean, "the staged samples could not be committed"
        return
    assert not clean, "a commit without changes was made"
    seen = observe(place)
    assert seen is not None
    assert seen.history[found.branch][0] == "again"
    assert seen.commits == {**found.commits, "again": found.staged}, "committing changed something"
    assert seen.staged == found.staged
    found.history, found.commits = seen.history, seen.commits


def _reset(place: Path, found: State) -> None:
    writer = open_writer(Repository(place))
    try:
        writer.reset_staging_area()
        found.reset()
        found.conflicts = []
        assert read_content(writer) == found.staged, "a reset did not go back to the commit"
    finally:
        writer.close()
    assert observe(place) == found, "a reset changed something else"


# --- damage ---------------------------------------------------------------------------------------------------------


def build_rotting(directory: str) -> dict[str, str]:
    """Make the repository that is going to rot; return the digests of its commits by their message."""
    scenario.play(Path(directory), scenario.rotting(), lambda *_: None)
    repo = Repository(directory)
    return {entry.commit.message: entry.id.hex() for entry in repo.log_entries("dev")}


def read_damaged(directory: str, commits: dict[str, str], staged: bool) -> dict[str, Any]:
    """Read all there is in a damaged repository, value by value, and through a writer.

    Without `staged` it is no matter how much is staged: the log has lost its end, together with the mark of its sync.
    Returns how many reads were refused with a `HangarError`, and which ones gave wrong values. Any other error is one
    of the job.
    """
    state = _states(("rotting", 0))[-1]
    assert state is not None
    reading = Reading()
    repo = Repository(directory, exists=False)
    if not repo.initialized:
        return {"refused": 1, "wrong": []}
    reading.compare("branches", lambda: sorted(head.name for head in repo.branch_heads()), sorted(state.history))
    for name, history in state.history.items():
        reading.compare(f"history of {name}", partial(_messages, repo, name), history)
    for message, digest in commits.items():
        with reading.refusable():
            reader = repo.checkout(commit=digest)
            reading.content(f"commit {message}", reader, state.commits[message])
            reader.close()
    with reading.refusable():
        said, renamed = read_tallies(repo)
        if staged:
            reading.compare("status", lambda: said, state.tallies(renamed))
    with reading.refusable():
        writer = repo.checkout(write=True)
        if staged:
            reading.content("what is staged", writer, state.staged)
        writer.close()
    return {"refused": reading.refused, "wrong": reading.wrong}


def _messages(repo: Repository, branch: str) -> list[str]:
    return [one.commit.message for one in repo.log_entries(branch)]


# --- a full disk ----------------------------------------------------------------------------------------------------


def hoard_below_limit(directory: str, limit: int, seed: int, size: int, text: int, mutation: str = "") -> None:
    """Fill a repository while no file may grow beyond `limit` bytes; then lift the limit and go on."""
    with mutated(mutation):
        _hoard_below_limit(directory, limit, seed, size, text)


def _hoard_below_limit(directory: str, limit: int, seed: int, size: int, text: int) -> None:
    Repository(directory, exists=False).init("Ada", "ada@example.org")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    hoard = hoarding.fill(
        Path(directory), seed, size, text, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    )
    hoarding.go_on(Path(directory), hoard)


def hoard_on(directory: str, ballast: str, seed: int, size: int, text: int) -> None:
    """Fill a disk that has a file of ballast on it; then throw that off and go on."""
    Repository(directory, exists=False).init("Ada", "ada@example.org")
    hoard = hoarding.fill(Path(directory), seed, size, text)
    for without in ("", "lock.mdb"):
        # A copy of a repository has no lock file of the database: it is made anew, and mapped, where there is no room.
        if without:
            os.unlink(Path(directory) / ".hangar" / "records" / without)
        _take_what_is_left(Path(ballast))
        for way in ("read", "write"):
            _open_on_full_disk(directory, hoard, way)
    os.unlink(ballast)
    hoarding.go_on(Path(directory), hoard)


def _take_what_is_left(ballast: Path) -> None:
    with open(ballast, "ab", buffering=0) as out:
        for size in (65536, 4096, 1):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                pass


def _open_on_full_disk(directory: str, hoard: hoarding.Hoard, way: str) -> None:
    """Another process comes to the full disk: it may be refused, in words."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            repo = Repository(directory)
            with suppress(StorageFailed):
                if way == "read":
                    hoarding.check_commits(repo, hoard)
                else:
                    writer = open_writer(repo)
                    hoarding.check(writer, hoard)
                    writer.close()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"{way} on a full disk: wait status {status}"


# --- kills at random moments ----------------------------------------------------------------------------------------

create, add, commit, ingest = killing.create, killing.add, killing.commit, killing.ingest
check_commits, check_ingest = killing.check_commits, killing.check_ingest


def check_added(directory: str, acknowledged: int, commit_too: bool) -> int:
    """See `killing.check_added`."""
    return killing.check_added(directory, acknowledged, commit_too=commit_too)


# --- rivals ---------------------------------------------------------------------------------------------------------

race, commit_steadily, read_steadily = rivals.race, rivals.commit_steadily, rivals.read_steadily
die_with_living_child, add_in_threads = rivals.die_with_living_child, rivals.add_in_threads


def fork_with_writer(directory: str) -> None:
    """See `rivals.fork_with_writer`."""
    os.chdir(directory)
    rivals.fork_with_writer(directory)
