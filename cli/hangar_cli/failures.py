"""How a command ends when it does not succeed: the one place where errors become text and exit codes.

    Error: TEXT        what happened, on stderr
    Hint: TEXT         what to type next

Each function prints and returns the exception that ends the process, to be raised by the caller.
"""

from __future__ import annotations

from click.exceptions import Exit

from hangar_cli.output import on_terminal, printable, talk
from hangar_core.errors import BranchNotFound, HangarError, NoPluginFor, NothingToCommit, PluginNotFound

_INTERRUPTED = 130

# The documented output of these ends with the error's text, so scripts get nothing behind it; people get the hint.
_HINT_FOR_PEOPLE_ONLY = (BranchNotFound, NoPluginFor, NothingToCommit, PluginNotFound)


def failed(error: HangarError) -> Exit:
    """End with an error that hangar foresees: its message, its hint, its exit code."""
    talk(f"Error: {printable(error.message)}")
    if error.hint and (on_terminal(err=True) or not isinstance(error, _HINT_FOR_PEOPLE_ONLY)):
        talk(f"Hint: {printable(error.hint)}")
    return Exit(error.exit_code)


def refused_by_system(error: OSError) -> Exit:
    """End because the operating system refused something: a directory that may not be read, a full disk."""
    where = f": '{printable(error.filename)}'" if error.filename is not None else ""
    talk(f"Error: {error.strerror or printable(error)}{where}")
    return Exit(1)


def stopped(message: str, exit_code: int = 1) -> Exit:
    """End at the wish of the user: the message stands alone, without "Error:"."""
    talk(message)
    return Exit(exit_code)


def interrupted(message: str = "Interrupted.") -> Exit:
    """End after Ctrl-C."""
    return stopped(message, _INTERRUPTED)
