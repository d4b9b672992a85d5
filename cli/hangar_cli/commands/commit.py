"""`hangar commit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.commands.status import status_lines
from hangar_cli.current import current_repository
from hangar_cli.failures import stopped
from hangar_cli.output import printable_lines, result, result_json, talk
from hangar_cli.parameters import json_option, message_option, wait_option
from hangar_core.errors import HangarError, NothingToCommit, UnresolvedConflicts

if TYPE_CHECKING:
    from hangar_core.reports import Status

MARKER = "# Everything below this line is ignored."


@click.command()
@message_option("The commit message.")
@json_option
@wait_option
def commit(message: str | None, as_json: bool, wait: float) -> None:
    """Commits outstanding changes.

    Without -m an editor opens ($VISUAL or $EDITOR); the message is what you write above the marker line. An empty
    message stops the commit. A merge in progress is committed as a merge, once its conflicts are resolved.

    \b
    Example:
      hangar commit -m "first pets"
    """
    repo = current_repository()
    staged = repo.status()
    if staged.clean and message is None and not wait:
        raise NothingToCommit  # before the editor opens, not after
    if staged.merging is not None and (conflicts := repo.merging.conflicts()):
        raise UnresolvedConflicts(count=len(conflicts))
    text = _ask_editor(staged) if message is None else message
    if not text.strip():
        raise stopped("Aborted! Empty commit message")
    try:
        digest = repo.commit(text, wait=wait)
    except HangarError:
        if message is None:
            talk(f"Your message was:\n{printable_lines(text)}")  # it cost thought, and lives nowhere else
        raise
    if as_json:
        result_json("hangar.commit/1", {"digest": digest, "branch": staged.branch, "message": text})
    else:
        result(f"Commit message:\n{printable_lines(text)}\nCommit Successful. Digest: {digest}")


def _ask_editor(staged: Status) -> str:
    """Return what the user wrote above the marker, without blanks around it."""
    below = [
        MARKER,
        "# Write the message of the commit above it; an empty message stops the commit.",
        "#",
        *(f"# {line}".rstrip() for line in status_lines(staged) if not line.startswith(("Next:", "Then:"))),
    ]
    # What a merge would be called anyway is there to be kept or changed.
    proposed = staged.merging.message if staged.merging is not None else ""
    text = click.edit(f"{proposed}\n\n" + "\n".join(below) + "\n", extension=".txt")
    if text is None:
        raise stopped("Aborted!")
    return text.partition(MARKER)[0].strip()
