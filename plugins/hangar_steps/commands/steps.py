"""`hangar steps`: what is kept of steps in the repository."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.command_table import Section
from hangar_cli.current import current_repository
from hangar_cli.output import columns, printable, result, result_json, talk
from hangar_cli.parameters import json_option

if TYPE_CHECKING:
    from hangar_steps.workspaces import StepState


@click.group(cls=Section)
def steps() -> None:
    """Show and forget results of steps that are kept here.

    \b
    Example:
      hangar steps ls
    """


@steps.command("ls")
@json_option
def ls(as_json: bool) -> None:
    """List steps whose results, or whose failures, are known here.

    Of a derived arrayset the number of samples that are known is shown.

    \b
    Example:
      hangar steps ls --json
    """
    from hangar_steps.derive_plan import memo_of
    from hangar_steps.workspaces import RepositoryWorkspace

    repo = current_repository()
    states = RepositoryWorkspace(repo).states()
    derived = memo_of(repo).counts()
    if as_json:
        rows = [state._asdict() for state in states]
        result_json("hangar.steps/1", {"steps": rows, "derived": [{"id": n, "samples": c} for n, c in derived.items()]})
        return
    table: list[tuple[str, ...]] = [
        (printable(state.id), state.status, f"{state.nbytes:,} bytes", _moment(state.started)) for state in states
    ]
    table += [(printable(name), "derived", f"{count:,} samples", "") for name, count in derived.items()]
    if not table:
        talk("Nothing is kept of any step.")
        return
    for line in columns([("STEP", "STATUS", "KEPT", "STARTED"), *table]):
        result(line)
    for state in states:
        if state.error:
            talk(f"{printable(state.id)}: {printable(state.error)}")


@steps.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Those that ended longer ago than this.")
@json_option
def rm(ids: tuple[str, ...], older_than: float | None, as_json: bool) -> None:
    """Forget steps: their results and working directories, or what is known of derived samples.

    Steps are named by their ids or the beginnings of these, or chosen by age. Arraysets are not touched. What is needed
    again is computed again.

    \b
    Example:
      hangar steps rm train-001-2vVf
    """
    from hangar_steps.derive_plan import memo_of
    from hangar_steps.errors import StepNotFound
    from hangar_steps.workspaces import RepositoryWorkspace

    if not ids and older_than is None:
        raise click.UsageError("Say which: by ID, or with --older-than DAYS.")
    repo = current_repository()
    workspace, memo = RepositoryWorkspace(repo), memo_of(repo)
    states = workspace.states()
    known = {state.id for state in states} | set(memo.counts())
    names = [_resolved(text, known) for text in ids]  # all are looked for before one is removed
    if older_than is not None:
        names += [state.id for state in states if _ended_before(state, time() - older_than * 86_400)]
    names = list(dict.fromkeys(names))
    for name in names:
        try:
            workspace.remove(name)
        except StepNotFound:
            pass  # it is known of a derivation alone
        memo.forget(name)
    if as_json:
        result_json("hangar.steps-rm/1", {"removed": names})
        return
    for name in names:
        result(f"Forgotten: {printable(name)}")
    if not names:
        talk("No step is as old as that.")


def _ended_before(state: StepState, moment: float) -> bool:
    """Whether a step has ended by then; one that was killed ended when it began, as far as anybody knows."""
    return state.status != "running" and (state.started if state.ended is None else state.ended) < moment


def _resolved(text: str, known: set[str]) -> str:
    """Return the id that begins like `text`. Raises `StepNotFound` if there is none, or more than one."""
    from hangar_steps.errors import StepNotFound

    found = [text] if text in known else sorted(name for name in known if text and name.startswith(text))
    if len(found) > 1:
        raise StepNotFound(what="single step", name=text, hint=f"say which: {', '.join(found)}")
    if not found:
        raise StepNotFound(what="step", name=text, hint="`hangar steps ls` shows what there is")
    return found[0]


def _moment(seconds: Any) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
