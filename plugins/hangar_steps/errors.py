"""What can go wrong with steps, parameters and runs, beside what the library itself raises."""

from __future__ import annotations

from hangar_core.errors import Corrupt, HangarError, HangarWarning, NotFound, WrongType


class StepError(HangarError, RuntimeError):
    """A step was used in a way that its state forbids, or cannot be computed."""


class StepWarning(HangarWarning):
    """Something about steps that ought to be known, and does not keep them from being computed."""


class ConfigurationError(HangarError, ValueError):
    """A step, a parameter or a configuration that cannot be made like that."""


class NoFormatFor(WrongType):
    """A result that the format of its step cannot store. `place` says which part of it."""

    template = "{place}: the format {format} cannot store an object of type {type}."
    default_hint = "return numbers, text, lists, dicts or arrays, or give the step FORMAT = PickleFormat()"

    def of_step(self, step_id: str) -> NoFormatFor:
        """Return the same with the step whose result it is."""
        return NoFormatFor(f"The result of {step_id} cannot be kept: {self.message}", hint=self.hint, **self.facts)


class BadResult(Corrupt, ValueError):
    """A stored result that is damaged, or that nobody here may read."""

    template = "The stored result of {step} cannot be used: {reason}."


class StepNotFound(NotFound, ValueError):
    """No step, or no run, of that name."""

    template = "There is no {what} `{name}` here."


class TargetFailed(StepError):
    """The user's own code raised: `where` says at which line."""

    template = "{target} failed: {reason}{where}"


class TargetNotFound(NotFound, ValueError):
    """What `hangar run` was to run cannot be found or used."""

    template = "Cannot run `{target}`: {reason}"
