"""`Run`: a block in which an experiment runs, and the record that is left of it."""

from __future__ import annotations

import platform
import socket
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import hangar_core
from hangar_core.checkout.reader import commits_read
from hangar_core.errors import NoCommits
from hangar_core.hashing import det_hash, digests
from hangar_steps.code_version import code_head, code_head_or_warning, is_dirty
from hangar_steps.config import NO_CODE, Config
from hangar_steps.errors import ConfigurationError, StepError, StepNotFound
from hangar_steps.noting import StepNote, open_notes
from hangar_steps.params import ExperimentParameters
from hangar_steps.plain_data import plain_data
from hangar_steps.run_records import NOTE_VERSION
from hangar_steps.step_arguments import check
from hangar_steps.workspaces.repository import RepositoryWorkspace

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_steps.step import Step

T = TypeVar("T")


def run_of(repo: Repository) -> Callable[..., Run]:
    """Return what `repo.run` is."""
    return partial(Run, repo)


class Run:
    """A run of an experiment: ``with repo.run(params, config) as run:``.

    It begins with a note in the repository and ends with another: which code, which data, which parameters and
    settings, which steps were computed, how it went. The data are the commits that were opened in the block, or that
    its steps were given; the one that was there when it began, if nothing is known of any. What is put into `results`,
    plain data by name, is recorded too. An exception that leaves the block is noted, and passes on.
    """

    def __init__(
        self, repo: Repository, params: ExperimentParameters | None = None, config: Config | None = None
    ) -> None:
        """Without a `config` the default one is used. Raises `ConfigurationError` for other types."""
        if params is not None and not isinstance(params, ExperimentParameters):
            raise ConfigurationError(f"params are ExperimentParameters, not {type(params).__name__}.")
        if config is not None and not isinstance(config, Config):
            raise ConfigurationError(f"config is a Config, not {type(config).__name__}.")
        self.repo = repo
        self.params = params
        if config is None:  # made here, the warning would point to us
            config = Config(experiment_id=code_head_or_warning(stacklevel=2) or NO_CODE)
        self.config = config
        self.results: dict[str, Any] = {}
        self.workspace = RepositoryWorkspace(repo)
        self.steps: list[StepNote] = []
        self._begun: set[str] = set()
        self._facts: dict[str, Any] = {}
        self._reads: list[str] = []
        self._tokens: tuple[Any, Any] | None = None

    @property
    def run_id(self) -> str:
        """The id of the run: that of its configuration."""
        return str(self.config["run_id"])

    def result(self, step: Step[T]) -> T:
        """Return the result of a step, kept in the repository.

        With parameters that say `overwrite`, what is kept of it from before this run is forgotten first; not of the
        steps that it depends on.
        """
        from hangar_steps.step import Step

        check(step, Step, "What a run computes", "a step (a derived arrayset has `update`)")
        overwrite = self.params is not None and self.params.overwrite and step.unique_id not in self._begun
        self._begun.add(step.unique_id)
        if overwrite and step.cache_results:
            with suppress(StepNotFound):
                self.workspace.remove(step.unique_id)
        return step.result(self.workspace)

    def __enter__(self) -> Self:
        if self._tokens is not None:
            raise StepError("This run has begun already; make another one.")
        self._facts = {"version": NOTE_VERSION, "key": uuid.uuid4().hex, "started": time.time(), **self._inputs()}
        self.repo.note_run({**self._facts, "event": "start"})
        self._tokens = open_notes.set(self.steps), commits_read.set(self._reads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tokens is not None
        open_notes.reset(self._tokens[0])
        commits_read.reset(self._tokens[1])
        head, reads = self._head(), list(dict.fromkeys(self._reads))
        self.repo.note_run({
            **self._facts,
            "event": "end",
            "read": reads[0] if reads else self._facts["read"],
            "reads": reads,
            "ended": time.time(),
            "status": "completed" if value is None else "failed",
            "error": None if value is None else f"{type(value).__name__}: {value}",
            "wrote": head if head != self._facts["read"] else None,
            "steps": [step._asdict() for step in self.steps],
            "results": plain_data(self.results, "results") if value is None else _shown(self.results),
        })  # fmt: skip

    def _inputs(self) -> dict[str, Any]:
        """Return what is known before anything has run; from here on the hash of the parameters stays."""
        head = code_head()  # what the settings say of it may be from another day
        return {
            "run_id": self.run_id,
            "run_uuid": str(self.config.run_uuid),
            "experiment_id": head,
            "dirty": is_dirty() if head is not None else None,
            "read": self._head(),
            "params": None if self.params is None else _params(self.params),
            "config": plain_data(self.config, ""),
            "host": socket.gethostname(),
            "user": self.repo.user.name,
            "versions": _versions(),
        }

    def _head(self) -> str | None:
        try:
            return digests.text(self.repo.resolve())
        except NoCommits:
            return None


def _params(params: ExperimentParameters) -> dict[str, Any]:
    if params.hash is None:
        params.hash = params.params_hash()
    counted, ignored = params.values()
    return {
        "class": f"{type(params).__module__}.{type(params).__qualname__}",
        "name": params.name,
        "hash": params.hash,
        "counted": _shown(counted),
        "ignored": _shown(ignored),
    }


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain data for a record; of what is none, its type and hash, so that two of them can be compared."""
    shown: dict[str, Any] = {}
    for name, value in values.items():
        try:
            shown[name] = plain_data(value, name)
        except TypeError:
            try:
                shown[name] = f"<{type(value).__qualname__} {det_hash(value)[:16]}>"
            except (TypeError, ValueError):
                shown[name] = f"<{type(value).__qualname__}>"
    return shown


def _versions() -> dict[str, str]:
    """Return the versions of Python, hangar, and what is installed as a plugin."""
    from importlib import metadata

    found = {"python": platform.python_version(), "hangar-core": hangar_core.__version__}
    for point in metadata.entry_points(group="hangar.external.plugins"):
        if point.dist is not None:
            found[point.dist.name] = point.dist.version
    numpy = sys.modules.get("numpy")
    return found if numpy is None else found | {"numpy": str(numpy.__version__)}
