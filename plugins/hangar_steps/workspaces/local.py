"""`LocalWorkspace`: results as files of a folder, safe between processes and across crashes.

::

    state/ID.json     what became of the step; a result counts only once this says so
    results/ID/       the files of its format
    work/ID/          the directory for `run`; stays, so that an attempt that was ended can be taken up
    locks/ID.lock     an operating system lock, held while the step runs
    tmp/              results that are being written; anything here may go when nobody runs

A result is written to `tmp`, renamed, and then named by the state with the checksum of its bytes: a crash leaves all or
nothing. Format: docs/formats/steps.md.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3

from hangar_core import files
from hangar_steps.errors import BadResult, NoFormatFor, StepNotFound, StepWarning
from hangar_steps.source_digests import advise, source_digest
from hangar_steps.step_arguments import check
from hangar_steps.step_names import check_step_id, is_step_id
from hangar_steps.workspaces.base import StepState, Workspace, is_iterator
from hangar_steps.workspaces.memory import temporary_work_dir

if TYPE_CHECKING:
    from filelock import FileLock

    from hangar_steps.formats import Format
    from hangar_steps.step import Step

_HEADER: Final = "hangar.step-state/1"
_LATEST: Final = 253_402_300_800  # the year 10000, which no date can have
# What a damaged state is called from then on.
_ASIDE: Final = ".json.damaged"
_log = logging.getLogger(__name__)


class LocalWorkspace(Workspace):
    """Keeps results below a directory, which is made when it is missing."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Raises `ConfigurationError` for what is no path."""
        check(directory, (str, os.PathLike), "The directory of a LocalWorkspace", "a path")
        self.directory = Path(directory).absolute()

    def obtain(self, step: Step[Any], compute: Callable[[], Any]) -> Any:
        kept = self._read(step)
        if kept is None:
            with self._locked(step.unique_id):
                kept = self._read(step, tell=False)  # another process may have made it meanwhile
                if kept is None:
                    return self._make(step, compute)
        return kept[0]

    def ensure(self, step: Step[Any], compute: Callable[[], Any]) -> None:
        if self._read(step, load=False) is None:
            with self._locked(step.unique_id):
                if self._read(step, load=False, tell=False) is None:
                    self._make(step, compute)

    @contextmanager
    def work_dir(self, step: Step[Any]) -> Iterator[Path]:
        if not step.cache_results:
            with temporary_work_dir() as place:
                yield place
            return
        place = self._path("work", step.unique_id)
        place.mkdir(parents=True, exist_ok=True)
        yield place

    def has(self, step_id: str) -> bool:
        document = self._document(step_id)
        return document is not None and document.get("status") == "completed"

    def states(self) -> list[StepState]:
        # Of other files there, such as those of a synchronised folder, nothing is said.
        names = sorted(path.stem for path in (self.directory / "state").glob("*.json") if is_step_id(path.stem))
        return [state for name in names if (state := self._state(name)) is not None]

    def remove(self, step_id: str) -> StepState:
        state = self._state(check_step_id(step_id))
        if state is None:
            raise StepNotFound(what="step", name=step_id)
        with self._locked(step_id):
            # The state goes first: without it the rest is nothing.
            for suffix in (".json", _ASIDE):
                files.remove(self._path("state", step_id, suffix))
            for kind in ("results", "work"):
                shutil.rmtree(self._path(kind, step_id), ignore_errors=True)
        return state

    # --- files ------------------------------------------------------------------------------------------------------

    def _path(self, kind: str, step_id: str, suffix: str = "") -> Path:
        return self.directory / kind / f"{check_step_id(step_id)}{suffix}"

    @contextmanager
    def _locked(self, step_id: str) -> Iterator[None]:
        path = self._path("locks", step_id, ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            yield

    def _is_locked(self, step_id: str) -> bool:
        from filelock import Timeout

        path = self._path("locks", step_id, ".lock")
        if not path.exists():
            return False
        try:
            with _lock(path, timeout=0):
                return False
        except Timeout:
            return True

    def _document(self, step_id: str) -> dict[str, Any] | None:
        """Return what the state file says; None where it is missing or says nothing that can be used."""
        try:
            content = self._path("state", step_id, ".json").read_bytes()
        except FileNotFoundError:
            return None
        except OSError as why:
            _log.warning("The state of %s cannot be read (%s), and does not count.", step_id, why)
            return None
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as why:
            self._set_aside(step_id, content, str(why))
            return None
        if isinstance(document, dict) and document.get("version") != _HEADER:
            return None
        if not _is_state(document):
            self._set_aside(step_id, content, "it is no state of a step")
            return None
        found: dict[str, Any] = document
        return found

    def _set_aside(self, step_id: str, content: bytes, why: str) -> None:
        """Rename a damaged state, so that it is told of once. Whoever has the lock is about to write another."""
        from filelock import Timeout

        path = self._path("state", step_id, ".json")
        lock = self._path("locks", step_id, ".lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with _lock(lock, timeout=0):
                if path.read_bytes() == content:
                    path.replace(self._path("state", step_id, _ASIDE))
        except (Timeout, OSError) as error:
            _log.debug("the damaged state of %s stays: %s", step_id, error)
        _log.warning("The state of %s is damaged (%s): it is set aside, and does not count.", step_id, why)

    def _state(self, step_id: str) -> StepState | None:
        document = self._document(step_id)
        if document is None:
            return None
        status = str(document.get("status"))
        if status == "running" and not self._is_locked(step_id):
            status = "incomplete"
        facts = {name: document[name] for name in StepState._fields[2:] if name in document}
        return StepState(step_id, status, **{"started": 0.0, **facts})

    def _write_state(self, state: StepState, **more: Any) -> None:
        document = {"version": _HEADER, **state._asdict(), **more}
        path = self._path("state", state.id, ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_file(path, json.dumps(document).encode())

    def _read(self, step: Step[Any], *, load: bool = True, tell: bool = True) -> tuple[Any] | None:
        """Return the kept result in a tuple of one, or None; one that is damaged counts as none, with a warning.

        Its bytes are verified; without `load` nothing is made of them.
        """
        document = self._document(step.unique_id)
        if document is None or document.get("status") != "completed":
            return None
        place = self._path("results", step.unique_id)
        try:
            name, version = step.format.identity
            if document.get("format") != [name, version]:
                raise BadResult(step=step.unique_id, reason=f"it has the format {document.get('format')!a}")
            if _checksum(place) != document.get("checksum"):
                raise BadResult(step=step.unique_id, reason="its bytes are not those that were written")
            value: Any = step.format.read(place) if load else ()
        except BadResult as why:
            if tell:
                warnings.warn(f"{why.message} It is computed again.", StepWarning, stacklevel=4)
            return None
        advise(type(step), document.get("source"), step.unique_id, stacklevel=5)
        return (iter(value) if document.get("iterator") else value,)

    def _make(self, step: Step[Any], compute: Callable[[], Any]) -> Any:
        """Compute and keep a result. Under the lock of the step."""
        name = step.unique_id
        source = source_digest(type(step))
        state = StepState(name, "running", time.time(), host=socket.gethostname(), source=source)
        self._write_state(state)
        try:
            value = compute()
            once = is_iterator(value)
            kept = list(value) if once else value
            nbytes, checksum = self._store(name, step.format, kept)
        except BaseException as why:
            error = f"{type(why).__name__}: {why}"
            self._write_state(state._replace(status="failed", ended=time.time(), error=error))
            raise
        done = state._replace(status="completed", ended=time.time(), nbytes=nbytes)
        self._write_state(done, checksum=checksum, iterator=once, format=list(step.format.identity))
        return iter(kept) if once else kept

    def _store(self, step_id: str, form: Format, value: Any) -> tuple[int, str]:
        # As deep as its place in the end: what a result says of other places is relative to itself.
        fresh = self.directory / "tmp" / uuid.uuid4().hex
        old = fresh.with_name(f"{fresh.name}-old")
        fresh.mkdir(parents=True)
        try:
            try:
                form.write(value, fresh)
            except NoFormatFor as why:
                raise why.of_step(step_id) from why
            for path in fresh.iterdir():
                _sync(path)
            target = self._path("results", step_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():  # of an earlier attempt, which no state names
                target.rename(old)
            files.replace(fresh, target)
            files.sync_directory(target.parent)
            return sum(path.stat().st_size for path in target.iterdir()), _checksum(target)
        finally:
            for left in (fresh, old):
                shutil.rmtree(left, ignore_errors=True)


def _lock(path: Path, timeout: float = -1) -> FileLock:
    """Return a lock of the operating system, which ends with its process."""
    from filelock import FileLock

    return FileLock(path, timeout, is_singleton=False, thread_local=False, fallback_to_soft=False)


def _is_state(document: Any) -> bool:
    """Whether a document of this version has what a state has, and of the right types."""
    texts, numbers = ("status", "host", "error", "source"), ("started", "ended", "nbytes")
    return (
        isinstance(document, dict)
        and all(isinstance(document.get(name, ""), str) for name in texts)
        and all(type(document.get(name) or 0) in {int, float} for name in numbers)
        and 0 <= (document.get("started") or 0) < _LATEST
    )


def _sync(path: Path) -> None:
    with path.open("rb+") as written:
        files.sync_descriptor(written.fileno())


def _checksum(directory: Path) -> str:
    """Return a digest of the names and bytes of a directory's files."""
    hasher = blake3()
    try:
        for path in sorted(directory.iterdir()):
            hasher.update(path.name.encode() + b"\0" + path.stat().st_size.to_bytes(8, "little"))
            hasher.update_mmap(path)
    except OSError as why:
        raise BadResult(step=directory.name, reason=why.strerror or str(why)) from why
    return hasher.hexdigest()
