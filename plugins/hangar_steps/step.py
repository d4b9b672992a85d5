"""`Step`: a computation with a name made of its class, its version and its inputs."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from hangar_steps.errors import ConfigurationError, StepError, StepWarning
from hangar_steps.formats.auto import AutoFormat
from hangar_steps.formats.base import Format
from hangar_steps.hash_places import hash_at, placed
from hangar_steps.resolving import steps_in
from hangar_steps.resources import StepResources
from hangar_steps.step_arguments import (
    as_config,
    check,
    check_attributes,
    check_run,
    check_workspace,
    chosen_format,
    extra_dependencies,
    joined_metadata,
    massaged,
)
from hangar_steps.step_names import check_step_id, check_version, step_id

if TYPE_CHECKING:
    from hangar_steps.workspaces.base import Workspace

T = TypeVar("T")


class Step(Generic[T]):
    """One step of an experiment: subclass it and write `run`.

    All keywords that are not among the eight of the constructor are arguments of `run`. Steps among them are replaced
    by their results. Two steps with the same id are equal, and with a workspace the second is never computed.
    """

    DETERMINISTIC: ClassVar[bool] = True
    """Whether the same inputs give the same result."""
    CACHEABLE: ClassVar[bool | None] = None
    """Whether results are kept; None: if the step is deterministic."""
    VERSION: ClassVar[str | None] = None
    """Letters and digits. To be changed when `run` does something else: its code does not count."""
    FORMAT: ClassVar[Format | type[Format]] = AutoFormat()
    """How results are stored."""
    SKIP_ID_ARGUMENTS: ClassVar[set[str]] = set()
    """Arguments that do not influence the result."""
    SKIP_DEFAULT_ARGUMENTS: ClassVar[dict[str, Any]] = {}
    """Arguments that do not count while they have this value: for those that were added later."""
    METADATA: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_run(cls)

    def __init__(
        self,
        step_name: str | None = None,
        cache_results: bool | None = None,
        step_format: Format | None = None,
        step_config: Any = None,
        step_unique_id_override: str | None = None,
        step_resources: StepResources | None = None,
        step_metadata: Mapping[str, Any] | None = None,
        step_extra_dependencies: Iterable[Step[Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """`kwargs` are not checked before `run` is called. Raises `ConfigurationError`."""
        cls = type(self)
        check_attributes(cls)
        if self.VERSION is not None:
            check_version(self.VERSION, f"{cls.__name__}.VERSION")
        if step_name is not None:
            check(step_name, str, "step_name", "text (all other arguments of a step are given by name)")
        self.kwargs: dict[str, Any] = massaged(cls, kwargs)
        self.format: Format = (
            chosen_format(self.FORMAT, f"{cls.__name__}.FORMAT")
            if step_format is None
            else chosen_format(step_format, "step_format")
        )
        if step_unique_id_override is not None:
            self.__dict__["unique_id"] = check_step_id(step_unique_id_override)
        self._name = step_name
        self.cache_results = self._decide_caching(cache_results)
        self.metadata: dict[str, Any] = joined_metadata(cls, step_metadata)
        if step_resources is not None:
            check(step_resources, StepResources, "step_resources", "a StepResources")
        self._resources = step_resources
        self.extra_dependencies = extra_dependencies(() if step_extra_dependencies is None else step_extra_dependencies)
        self._config = None if step_config is None else as_config(step_config)
        self._running_in: tuple[Workspace, Path] | None = None

    def _decide_caching(self, asked: Any) -> bool:
        if asked is not None and asked is not True and asked is not False:
            raise ConfigurationError(f"cache_results is None, True or False, not {asked!r}.")
        if self.CACHEABLE is False:
            if asked:
                raise ConfigurationError(f"{type(self).__name__} is not cacheable: its results cannot be kept.")
            return False
        wanted = (self.DETERMINISTIC if self.CACHEABLE is None else True) if asked is None else bool(asked)
        if wanted and not self.DETERMINISTIC:
            warnings.warn(
                f"The results of {type(self).__name__} are kept although it is not deterministic.",
                StepWarning,
                stacklevel=3,
            )
        return wanted

    # --- to be written by subclasses --------------------------------------------------------------------------------

    @classmethod
    def massage_kwargs(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments as they are to count and to be used; steps among them are still steps."""
        return kwargs

    def run(self, *args: Any, **kwargs: Any) -> T:
        """Compute the result. To be written by subclasses; users call `result`."""
        raise NotImplementedError(f"{type(self).__qualname__} does not define run()")

    # --- identity ---------------------------------------------------------------------------------------------------

    @cached_property
    def unique_id(self) -> str:
        """``Class-VERSION-fingerprint``: of a deterministic step made of format and arguments, else drawn at random.

        Raises `NotHashable` with the place of an argument that has no hash.
        """
        name = type(self).__name__
        if not self.DETERMINISTIC:
            return step_id(name, self.VERSION, (os.urandom(32),))
        counted = self._counted()
        with placed(counted, f"{name}.arguments"):
            return step_id(name, self.VERSION, (*self.format.identity, counted))

    def _counted(self) -> dict[str, Any]:
        """Return the arguments that enter the id."""
        kwargs = {name: value for name, value in self.kwargs.items() if name not in self.SKIP_ID_ARGUMENTS}
        cls = type(self).__name__
        for name, default in self.SKIP_DEFAULT_ARGUMENTS.items():
            if name in kwargs:
                given = hash_at(kwargs[name], f'{cls}.arguments["{name}"]')
                if given == hash_at(default, f'{cls}.SKIP_DEFAULT_ARGUMENTS["{name}"]'):
                    del kwargs[name]
        return kwargs

    def __det_digest__(self) -> tuple[str, bytes]:
        """A step among the arguments of another counts by its id."""
        return "step", self.unique_id.encode()

    @property
    def name(self) -> str:
        """The name that was given, else the id. It influences nothing."""
        return self.unique_id if self._name is None else self._name

    def __str__(self) -> str:
        return self.unique_id

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __hash__(self) -> int:
        return hash(self.unique_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.unique_id == other.unique_id

    # --- facts ------------------------------------------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """`step_config` as a dict; steps in it are written ``{"type": "ref", "ref": name}``. Raises without one."""
        if self._config is None:
            raise ConfigurationError(f"The step {self.name} was made without step_config.")
        return self._config

    @property
    def resources(self) -> StepResources:
        """What the step needs to run."""
        return StepResources() if self._resources is None else self._resources

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the class."""
        return logging.getLogger(type(self).__name__)

    @property
    def dependencies(self) -> set[Step[Any]]:
        """The steps in the arguments, and the extra ones."""
        return {*steps_in(self.kwargs), *self.extra_dependencies}

    @property
    def recursive_dependencies(self) -> set[Step[Any]]:
        """All steps that must be computed before this one."""
        found: set[Step[Any]] = set()
        left = [self]
        while left:
            new = left.pop().dependencies - found
            found |= new
            left.extend(new)
        return found

    @property
    def work_dir(self) -> Path:
        """A directory for `run`, there while it runs. It may hold what an attempt that was ended has left there.

        Raises `StepError` outside of `result`.
        """
        return self._place()[1]

    @property
    def workspace(self) -> Workspace:
        """The workspace in which the step runs. Raises `StepError` outside of `result`."""
        return self._place()[0]

    def _place(self) -> tuple[Workspace, Path]:
        if self._running_in is None:
            raise StepError(f"The step {self.name} has a work_dir and a workspace only while result() runs it.")
        return self._running_in

    # --- results ----------------------------------------------------------------------------------------------------

    def result(self, workspace: Workspace | None = None, needed_by: Step[Any] | None = None) -> T:
        """Return the result: the stored one if there is one, else that of `run`, with all that it depends on.

        The workspace is by default in memory, one for the process. Raises what `run` raises, `StepError` for a step
        that asks for itself.
        """
        from hangar_steps.running import Running, default_workspace

        chosen = default_workspace() if workspace is None else check_workspace(workspace)
        made: T = Running(chosen).result(self, needed_by)
        return made

    def ensure_result(self, workspace: Workspace | None = None) -> None:
        """Have the result in the workspace, without reading one that is there.

        Raises `StepError` for a step that does not keep results.
        """
        from hangar_steps.running import Running, default_workspace

        chosen = default_workspace() if workspace is None else check_workspace(workspace)
        if not self.cache_results:
            raise StepError(f"The step {self.name} does not keep results: there is nothing to ensure.")
        Running(chosen).ensure(self)
