"""`ShellStep`: a command and what it prints. The command comes from the user's own Python code and nowhere else."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hangar_steps.errors import StepError
from hangar_steps.registry import register
from hangar_steps.step import Step


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
        raising. Raises `StepError` (a `RuntimeError`) with stderr if the command fails, `FileNotFoundError`.
        """
        taken = sorted({"capture_output", "stdout"} & kwargs.keys())
        if taken:
            raise TypeError(f"ShellStep keeps what the command prints: `{taken[0]}` cannot be given.")
        command: str | list[str] = shell_command
        if kwargs.get("shell"):
            command = shell_command if isinstance(shell_command, str) else shlex.join(shell_command)
        elif isinstance(shell_command, str):
            command = shlex.split(shell_command)
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


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
