"""`ShellStep`: a command and what it prints. The command comes from the user's own Python code and nowhere else."""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from hangar_core.errors import NotFound, WrongType
from hangar_steps.errors import ConfigurationError, StepError
from hangar_steps.registry import register
from hangar_steps.step import Step
from hangar_steps.step_arguments import check, shown

_RESERVED: Final = frozenset({"capture_output", "stdout"})
# What `subprocess.run` takes; the command is the first of them.
_TAKEN: Final = {"input", "timeout", "check", *list(inspect.signature(subprocess.Popen).parameters)[1:]} - _RESERVED


class CommandNotFound(NotFound, FileNotFoundError):
    """There is no such program, or no such directory for it to run in."""

    template = "The command cannot be started: there is no {what} `{name}`."


class CommandTimedOut(StepError, subprocess.TimeoutExpired):
    """The command took longer than `timeout` seconds, and was ended."""

    template = "The command {cmd!r} took more than {timeout} seconds."


class OutputMissing(StepError, AssertionError):
    """The command ended well, and has not made what it was to make."""

    template = "The command was to make `{path}`, and there is nothing."


def exists(path: str | os.PathLike[str]) -> None:
    """Raise `OutputMissing` (an `AssertionError`) unless there is something at a path, `WrongType` for what is none."""
    check(path, (str, os.PathLike), "output_path", "a path", WrongType)
    if not Path(path).exists():
        raise OutputMissing(path=path)


@register("shell_step")
class ShellStep(Step[str]):
    """Runs a command; the result is what it printed. A second step with the same command is not run but looked up."""

    def run(
        self,
        shell_command: str | list[str],
        output_path: str | os.PathLike[str] | None = None,
        validate_output: Callable[[Any], Any] = exists,
        **kwargs: Any,
    ) -> str:
        """Return stdout, in UTF-8. Other keywords go to `subprocess.run`.

        Without ``shell=True`` a text is split into words and nothing is expanded; with it a list is quoted, a text is
        the shell's. If `output_path` is given, `validate_output` is called with it in the end, and fails the step by
        raising. Raises `StepError` (a `RuntimeError`) with stderr if the command fails, `CommandNotFound` (a
        `FileNotFoundError`), `CommandTimedOut` (a `TimeoutExpired`), `ConfigurationError` for what is no command,
        `WrongType` for other keywords.
        """
        for name in sorted(kwargs):
            if name in _RESERVED:
                raise WrongType(f"ShellStep keeps what the command prints: `{name}` cannot be given.")
            if name not in _TAKEN:
                raise WrongType(f"ShellStep has no argument `{name}`, and subprocess.run takes none of that name.")
        if not callable(validate_output):
            raise WrongType(f"validate_output is a function of output_path, not {shown(validate_output)}.")
        command = _command(shell_command, shell=bool(kwargs.get("shell")))
        self.logger.info("command: %s", command)
        done = _done(command, kwargs)
        if done.returncode:
            raise StepError(f"The command {command!r} ended with {done.returncode}: {_text(done.stderr).strip()}")
        printed = _text(done.stdout)
        self.logger.info("output: %s", printed)
        if output_path is not None:
            self.logger.info("path: %s", output_path)
            validate_output(output_path)
        return printed


def _done(command: str | list[str], options: Mapping[str, Any]) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end. Raises typed errors for what does not start, takes too long, or has wrong options."""
    fixed: dict[str, Any] = {"stderr": subprocess.PIPE, **options, "stdout": subprocess.PIPE, "check": False}
    said = ", ".join(f"{name}={shown(value)}" for name, value in options.items())
    try:
        return subprocess.run(command, **fixed)  # noqa: S603 - the user's own command
    except subprocess.TimeoutExpired as why:
        facts = {"cmd": why.cmd, "timeout": why.timeout, "output": why.output, "stderr": why.stderr}
        raise CommandTimedOut(**facts) from why
    except FileNotFoundError as why:
        what = "directory" if why.filename == options.get("cwd") else "program"
        raise CommandNotFound(what=what, name=why.filename) from why
    except OSError as why:
        raise StepError(f"The command {command!r} cannot be started: {why.strerror or why}.") from why
    except TypeError as why:
        raise WrongType(f"The command {command!r} cannot be run with {said}: {why}.") from why
    except (ValueError, LookupError, subprocess.SubprocessError) as why:
        raise ConfigurationError(f"The command {command!r} cannot be run with {said}: {why}.") from why


def _command(given: Any, *, shell: bool) -> str | list[str]:
    """Return what `subprocess` is to run: one text for the shell, else words. Raises `ConfigurationError`."""
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list | tuple) or not all(isinstance(word, str | os.PathLike) for word in words):
        raise ConfigurationError(f"shell_command is text or a list of texts, not {shown(given)}.")
    if any("\0" in os.fsdecode(word) for word in words):
        raise ConfigurationError("shell_command has a character that no command can have: \\x00.")
    if shell:
        return given if isinstance(given, str) else shlex.join(map(os.fsdecode, words))
    try:
        split = shlex.split(given) if isinstance(given, str) else [os.fsdecode(word) for word in words]
    except ValueError as why:
        raise ConfigurationError(f"shell_command {shown(given)} cannot be split into words: {why}.") from why
    if not split:
        raise ConfigurationError("shell_command is empty: it is a program and its arguments, such as `ls -l`.")
    return split


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
