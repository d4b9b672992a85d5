"""`@derive`: an arrayset computed from others, sample by sample, and only where something has changed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from types import CellType, MethodType
from typing import TYPE_CHECKING, Any

from hangar_core.names import check_plain
from hangar_steps.errors import ConfigurationError
from hangar_steps.hash_places import hash_at, placed
from hangar_steps.step_arguments import check, check_function
from hangar_steps.step_names import check_version, step_id

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.reports import ProgressReporter
    from hangar_steps.derive_plan import DerivePlan, DeriveReceipt


class Derived:
    """An arrayset computed from others: what `derive` makes of a function.

    Called with keywords it returns one with other options; `function` is the function itself. A step like any other, it
    is named by function, version and options; the output remembers that name and the content of the inputs.
    """

    def __init__(
        self, function: Callable[..., Any], inputs: Sequence[str], output: str, version: str, options: dict[str, Any]
    ) -> None:
        self.function = function
        self.inputs = tuple(inputs)
        self.output = output
        self.version = version
        self.options = options
        self.__doc__ = function.__doc__

    def __call__(self, **options: Any) -> Derived:
        """Return the same with these options. Raises `ConfigurationError` for one that the function does not have."""
        unknown = sorted(options.keys() - self.options.keys())
        if unknown:
            raise ConfigurationError(
                f"{self.function.__name__} has no option `{unknown[0]}`; it has: {', '.join(self.options) or 'none'}."
            )
        return Derived(self.function, self.inputs, self.output, self.version, {**self.options, **options})

    @cached_property
    def unique_id(self) -> str:
        """``function-VERSION-fingerprint``, of module and name of the function, the options and the number of inputs.

        A function that its name does not tell from others counts with what it holds. Raises `NotHashable`.
        """
        function = self.function
        named = (function.__module__, function.__qualname__, *_beside_its_name(function))
        content = ("derive", *named, len(self.inputs), self.options)
        with placed(self.options, f"{function.__name__}.options"):
            return step_id(function.__name__, self.version, content)

    def __repr__(self) -> str:
        return f"<derived {self.output} from {', '.join(self.inputs)} by {self.unique_id}>"

    def plan(self, repo: Repository, *, force: bool = False) -> DerivePlan:
        """Return what `update` would do at the present head. Computes nothing and reads no data.

        Raises `ArraysetNotFound`, `InvalidInput` for inputs that cannot be read sample by sample, `NoCommits`.
        """
        from hangar_steps.derive_plan import plan

        _check_repo(repo)
        return plan(self, repo, force=force)

    def update(
        self,
        repo: Repository,
        *,
        jobs: int = 1,
        force: bool = False,
        commit: str = "",
        wait: float = 0.0,
        progress: ProgressReporter | None = None,
    ) -> DeriveReceipt:
        """Stage the output as it follows from the inputs at the present head, and commit it if there is a message.

        Only what is not known already is computed, in as many processes as there are `jobs`; the writer lock is taken
        in the end. What was computed before an interruption is not computed again. Raises what the function raises,
        with the name of the sample as a note; `InvalidData` for results of different kinds; `AlreadyExists` if there is
        an arrayset of that name that nobody has derived; `PendingChanges` if there is something else to be committed.
        """
        from hangar_steps.derive_publishing import update

        _check_repo(repo)
        check(jobs, int, "jobs", "the number of processes")
        check(commit, str, "commit", "the message of a commit, or empty")
        return update(self, repo, jobs=jobs, force=force, commit=commit, wait=wait, progress=progress)


def _beside_its_name(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return what tells a function from others of its module and name; empty if there can be no others.

    A version is raised when code changes, but functions that a loop or a function makes have one version: there, a
    needless computation is safe and a result of the other is not. Raises `NotHashable`, `ContainsItself`.
    """
    name = function.__name__
    if isinstance(function, MethodType) or "<" in function.__qualname__:
        return (hash_at(function, f"{name}.function"),)
    cells = getattr(function, "__closure__", None)
    if not cells:
        return ()
    variables: tuple[str, ...] = function.__code__.co_freevars
    held = {one: cell.cell_contents for one, cell in zip(variables, cells, strict=True) if cell != CellType()}
    return (hash_at(held, f"{name}.closure"),)


def _check_repo(repo: object) -> None:
    from hangar_core import Repository

    check(repo, Repository, "repo", "a Repository")


def derive(
    *,
    input: str | Sequence[str],  # noqa: A002 - the documented word
    output: str,
    version: str,
) -> Callable[[Callable[..., Any]], Derived]:
    """Return a decorator that makes a derived arrayset of a function: one sample in, one array, text or bytes out.

    With several inputs samples are joined by name and handed over in the order of the inputs. All parameters behind the
    samples are options, and need defaults. `version` is to be raised when the function does something else: its code
    does not count, its name and module do; of lambdas and functions made in functions, which may share a name, code
    and what they close over count as well. Raises `ConfigurationError`, `InvalidName`.
    """
    check(input, (str, list, tuple), "input", "the name of an arrayset, or a list of names")
    inputs = (input,) if isinstance(input, str) else tuple(input)
    for name in (*inputs, output):
        check_plain(name, "Arrayset")
    if not inputs or output in inputs:
        raise ConfigurationError(f"`{output}` cannot be derived from itself or from nothing.")
    check_version(version, f"The version of `{output}`")

    def make(function: Callable[..., Any]) -> Derived:
        check_function(function, f"`{output}` is derived with")
        parameters = list(inspect.signature(function).parameters.values())
        options = parameters[len(inputs) :]
        without = [one.name for one in options if one.default is inspect.Parameter.empty]
        if len(parameters) < len(inputs) or without:
            raise ConfigurationError(
                f"{function.__name__} must take {len(inputs)} sample(s) and, behind them, options with defaults."
            )
        return Derived(function, inputs, output, version, {one.name: one.default for one in options})

    return make
