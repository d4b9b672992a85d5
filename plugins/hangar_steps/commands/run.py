"""`hangar run`."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.current import current_repository
from hangar_cli.output import columns, printable, result, result_json, talk
from hangar_cli.parameters import json_option, wait_option

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_steps.noting import StepNote
    from hangar_steps.targets import Runnable


def _as_settings(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    from hangar_steps.targets import parse_setting

    try:
        return dict(map(parse_setting, values))
    except ValueError as why:
        raise click.BadParameter(f"'{printable(why)}' is not NAME=VALUE.") from why


@click.command()
@click.argument("target")
@click.option(
    "--set", "settings", multiple=True, callback=_as_settings, metavar="NAME=VALUE",
    help="An argument or option for TARGET, JSON or text. May be repeated.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the plan and compute nothing.")
@click.option("--force", multiple=True, metavar="ID", help="Compute the step or arrayset of this name again.")
@click.option("--commit", metavar="MESSAGE", help="Commit each derived arrayset with this message.")
@click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help="Processes that compute samples; 1.")
@json_option
@wait_option
def run(
    target: str,
    settings: dict[str, Any],
    dry_run: bool,
    force: tuple[str, ...],
    commit: str | None,
    jobs: int,
    as_json: bool,
    wait: float,
) -> None:
    """Compute steps and derived arraysets named by TARGET.

    TARGET is MODULE:OBJECT: a step, a derived arrayset, a list of these, or a function that returns them. MODULE is
    looked for in the current directory first. What is known already is not computed again. Derived arraysets read the
    head of the staging branch, and are staged; with --commit they are committed one by one, so that one may be made of
    another.

    \b
    Example:
      hangar run pipeline:thumbnails --dry-run
    """
    from hangar_steps.targets import load_target

    repo = current_repository()
    rows: list[dict[str, Any]] = []
    # Outputs that are not as they will be, at the commit that is read.
    pending: set[str] = set()
    # What the user's own code prints is not part of the document.
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), _warnings_told():
        runnables = load_target(target, settings)
        to_force = {_forced(name, runnables) for name in force}
        for one in runnables:
            forced = one.unique_id in to_force
            row = _plan_row(repo, one, forced, pending)
            if not dry_run:
                row |= _carry_out(repo, one, row["plan"], forced, commit or "", jobs, wait)
            if row["plan"] != "hit" and not row.get("commit"):
                pending.add(row["output"] or "")
            rows.append(row)
    if as_json:
        result_json("hangar.run/1", {"target": target, "dry_run": dry_run, "steps": rows})
        return
    if not rows:
        talk(f"`{printable(target)}` is empty: there is nothing to run.")
        return
    heading = ("STEP", "PLAN", "SAMPLES") if dry_run else ("STEP", "DONE", "SECONDS")
    last = "samples" if dry_run else "seconds"
    done = "plan" if dry_run else "done"
    for line in columns([heading, *((printable(row["id"]), row[done], str(row[last])) for row in rows)]):
        result(line)
    staged = [row["output"] for row in rows if row.get("done") == "ran" and row["output"] and not row["commit"]]
    if staged:
        talk(f'Staged: {", ".join(map(printable, staged))}. Next: hangar commit -m "MESSAGE"')
    if any(row.get("done") == "waits" for row in rows):
        talk("What waits is made of what is only staged: commit that and run again, or use --commit MESSAGE.")


@contextmanager
def _warnings_told() -> Iterator[None]:
    """Tell what hangar warns of as other remarks are told, once; warnings of the user's own code stay as they are."""
    from hangar_core.errors import HangarWarning

    told: set[str] = set()
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, HangarWarning):
                if str(message) not in told:
                    talk(f"Warning: {printable(message)}")
                told.add(str(message))
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = tell
        yield


def _forced(name: str, runnables: list[Runnable]) -> str:
    """Return the id of what is called like that: by its id, the beginning of it, or the arrayset that it makes."""
    found = [one.unique_id for one in runnables if name in {one.unique_id, getattr(one, "output", None)}]
    found = found or [one.unique_id for one in runnables if name and one.unique_id.startswith(name)]
    if len(set(found)) != 1:
        listed = printable(", ".join(found or [one.unique_id for one in runnables]))
        what = "could be any" if found else "is none"
        raise click.BadParameter(f"'{printable(name)}' {what} of: {listed}.", param_hint="'--force'")
    return found[0]


def _plan_row(repo: Repository, one: Runnable, forced: bool, pending: set[str]) -> dict[str, Any]:
    """Return what would be done: hit, run, stale (its inputs have changed), or waits (for them to be committed)."""
    from hangar_steps.deriving import Derived
    from hangar_steps.workspaces import RepositoryWorkspace

    if isinstance(one, Derived):
        if not pending.isdisjoint(one.inputs):
            return {"id": one.unique_id, "output": one.output, "plan": "waits", "samples": "?"}
        plan = one.plan(repo, force=forced)
        samples = f"{len(plan.to_compute):,} of {plan.total:,}"
        made = any(row.name == one.output for row in repo.derived(plan.commit))
        planned = "hit" if plan.fresh else "stale" if made and not forced else "run"
        return {"id": one.unique_id, "output": one.output, "plan": planned, "samples": samples}
    kept = one.cache_results and not forced and RepositoryWorkspace(repo).has(one.unique_id)
    return {"id": one.unique_id, "output": None, "plan": "hit" if kept else "run", "samples": ""}


def _carry_out(
    repo: Repository, one: Runnable, planned: str, forced: bool, commit: str, jobs: int, wait: float
) -> dict[str, Any]:
    """Compute, and return what was done: that of a step which was known may turn out damaged."""
    from hangar_cli.progress import reported_progress
    from hangar_steps.deriving import Derived
    from hangar_steps.errors import StepNotFound
    from hangar_steps.noting import noted
    from hangar_steps.targets import own_code
    from hangar_steps.workspaces import RepositoryWorkspace

    begun = time.monotonic()
    facts: dict[str, Any] = {"done": planned, "commit": None}
    if planned == "waits":
        return facts | {"seconds": 0.0}
    notes: list[StepNote] = []
    if isinstance(one, Derived):
        with reported_progress(f"Derive {one.output}") as progress, own_code(one.unique_id), noted(notes):
            receipt = one.update(repo, jobs=jobs, force=forced, commit=commit, wait=wait, progress=progress)
        facts |= {"computed": receipt.computed, "reused": receipt.reused, "dropped": receipt.dropped}
        facts["commit"] = receipt.commit or None
        if planned != "hit":
            talk(f"{one.output}: {receipt.computed:,} computed, {receipt.reused:,} known, {receipt.dropped:,} dropped.")
    else:
        workspace = RepositoryWorkspace(repo)
        if forced:
            try:
                workspace.remove(one.unique_id)
            except StepNotFound:
                pass  # it was not there: nothing to forget
        with own_code(one.unique_id), noted(notes):
            if one.cache_results:
                one.ensure_result(workspace)
            else:
                one.result(workspace)
    facts["done"] = notes[-1].status
    return facts | {"seconds": round(time.monotonic() - begun, 2)}
