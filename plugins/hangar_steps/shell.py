"""`ShellStep`: a command and what it prints. The command comes from the user's own Python code and nowhere else."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hangar_core.errors import WrongType
from hangar_steps.errors import ConfigurationError, StepError
from hangar_steps.registry import register
from hangar_steps.step import Step
from hangar_steps.step_arguments import shown


def exists(path: str | os.PathLike[str]) -> None:
    """Raise `AssertionError` unless there is something at a path."""
    if not Path(path).exists():
        raise AssertionError(f"The command was to make `{path}`, and there is nothing.")


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
        raising. Raises `StepError` (a `RuntimeError`) with stderr if the command fails, `FileNotFoundError`,
        `ConfigurationError` for what is no command.
        """
        taken = sorted({"capture_output", "stdout"} & kwargs.keys())
        if taken:
            raise WrongType(f"ShellStep keeps what the command prints: `{taken[0]}` cannot be given.")
        if not callable(validate_output):
            raise WrongType(f"validate_output is a function of output_path, not {shown(validate_output)}.")
        command = _command(shell_command, shell=bool(kwargs.get("shell")))
        self.logger.info("command: %s", command)
        options = {"stderr": subprocess.PIPE, **kwargs, "check": False}
        done = subprocess.run(command, stdout=subprocess.PIPE, **options)  # noqa: S603 - the user's own command
        if done.returncode:
            raise StepError(f"The command {command!r} ended with {done.returncode}: {_text(done.stderr).strip()}")
        printed = _text(done.stdout)
        self.logger.info("output: %s", printed)
        if output_path is not None:
            self.logger.info("path: %s", output_path)
            validate_output(output_path)
        return printed


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
