"""`hangar runs`: which runs there were, and what made two of them different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.command_table import Section
from hangar_cli.current import current_repository
from hangar_cli.output import columns, printable, result, result_json, talk
from hangar_cli.parameters import json_option

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_steps.run_records import RunRecord


class _Runs(Section):
    """Alone it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return click.Group.parse_args(self, ctx, args)


@click.group(cls=_Runs, invoke_without_command=True)
@click.option("--commit", metavar="COMMIT", help="Only runs that read or wrote COMMIT.")
@click.option("--params", metavar="NAME", help="Only runs with parameters of this name.")
@json_option
@click.pass_context
def runs(ctx: click.Context, commit: str | None, params: str | None, as_json: bool) -> None:
    """List runs, show one, and compare two.

    Without a command it lists them, newest first. Runs of one id are attempts of it: `ID#2` is the second.

    \b
    Example:
      hangar runs --params base
    """
    if ctx.invoked_subcommand is not None:
        if commit is not None or params is not None or as_json:
            raise click.UsageError("--commit, --params and --json of `hangar runs` are for the list.")
        return
    from hangar_core.hashing import digests

    repo = current_repository()
    found: list[RunRecord] = repo.runs
    if commit is not None:
        wanted = digests.text(repo.resolve(commit))
        found = [run for run in found if wanted in {*run.reads, run.wrote}]
    if params is not None:
        found = [run for run in found if run.params.get("name") == params]
    if as_json:
        result_json("hangar.runs/1", {"runs": [run_json(run) for run in found]})
        return
    if not found:
        talk("There are no such runs." if commit or params else "There are no runs.")
        return
    heading = ("RUN", "STARTED", "STATUS", "SECONDS", "PARAMS", "DATA", "STEPS")
    for line in columns([heading, *map(_row, found)]):
        result(line)


@runs.command()
@click.argument("run_id", metavar="ID")
@json_option
def show(run_id: str, as_json: bool) -> None:
    """Show all that is known of one run.

    ID is its id or the beginning of it, with #N for an attempt other than the last.

    \b
    Example:
      hangar runs show 3f2a
    """
    from hangar_steps.run_records import find_run

    run = find_run(current_repository().runs, run_id)
    if as_json:
        result_json("hangar.run-record/1", run_json(run))
        return
    for name, value in _lines(run_json(run)):
        result(f"{printable(name)}: {printable(value)}")


@runs.command()
@click.argument("a")
@click.argument("b")
@json_option
def diff(a: str, b: str, as_json: bool) -> None:
    """Show what differs between two runs: parameters, settings, code, steps, results, and the data they read.

    \b
    Example:
      hangar runs diff 3f2a 9c41
    """
    from hangar_steps.run_records import find_run

    repo = current_repository()
    known = repo.runs
    one, two = find_run(known, a), find_run(known, b)
    changes = _changes(one, two)
    data = _data_changes(repo, one, two)
    if as_json:
        rows = [{"what": what, "a": before, "b": after} for what, before, after in changes]
        result_json("hangar.runs-diff/1", {"a": one.id, "b": two.id, "changes": rows, "data": data})
        return
    result(f"a: {printable(one.id)}  {_moment(one.started)}")
    result(f"b: {printable(two.id)}  {_moment(two.started)}")
    if not changes and not data:
        result("Nothing differs.")
    for line in _explained(changes):
        result(printable(line))
    for row in data:
        result(f"data {printable(row['arrayset'])}: {_counted(row)}")
    if all(run.facts.get("dirty") for run in (one, two)):
        talk("Both ran with changes of the code that nobody had committed: these may differ too.")


def run_json(run: RunRecord) -> dict[str, Any]:
    """Return a run for scripts."""
    hidden = {"version", "key", "event", "previous", "run_id", "status", "started", "ended"}
    facts = {name: value for name, value in sorted(run.facts.items()) if name not in hidden}
    return {
        "id": run.id, "run_id": run.run_id, "attempt": run.attempt, "status": run.status,
        "started": run.started, "ended": run.ended, **facts,
    }  # fmt: skip


def _row(run: RunRecord) -> tuple[str, ...]:
    seconds = "" if run.ended is None else f"{run.ended - run.started:.1f}"
    params = f"{run.params['name']} ({run.params['class'].rpartition('.')[2]})" if run.params else ""
    steps = [step["status"] for step in run.facts.get("steps") or ()]
    counts = ", ".join(f"{steps.count(one)} {one}" for one in ("ran", "hit", "failed") if one in steps)
    return (
        printable(run.short),
        _moment(run.started),
        printable(run.status),
        seconds,
        printable(params),
        printable(", ".join(commit[:12] for commit in run.reads)),
        counts,
    )


def _lines(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if name == "steps" and isinstance(value, list):
            yield from ((f"step {step['id']}", f"{step['status']}, {step['seconds']} s") for step in value)
        elif name == "reads" and isinstance(value, list):
            yield name, ", ".join(map(str, value))
        elif isinstance(value, Mapping):
            yield from _lines(value, f"{before}{name}.")
        elif value is not None:
            yield f"{before}{name}", _moment(value) if name in {"started", "ended"} else value


def _changes(one: RunRecord, two: RunRecord) -> list[tuple[str, Any, Any]]:
    """Return (what, before, after) of all that could have made a difference, or is one."""
    sides = []
    for run in (one, two):
        side: dict[str, Any] = {
            "code": run.facts.get("experiment_id"),
            "data": ", ".join(run.reads) or None,
            "status": run.status,
        }
        side |= {"code.dirty": run.facts.get("dirty"), "error": run.facts.get("error")}
        side |= {f"params.{name}": value for name, value in run.params.items() if name in {"class", "name"}}
        for kind in ("counted", "ignored"):
            side |= {f"params.{name}": value for name, value in (run.params.get(kind) or {}).items()}
        for part in ("config", "results", "versions"):
            side |= dict(_lines(run.facts.get(part) or {}, f"{part}."))
        side |= {f"step {step['id']}": "used" for step in run.facts.get("steps") or ()}
        sides.append(side)
    # What follows from the rest would only repeat it.
    names = [name for name in {**sides[0], **sides[1]} if name not in {"config.run_id", "config.experiment_id"}]
    return [
        (name, sides[0].get(name), sides[1].get(name)) for name in names if sides[0].get(name) != sides[1].get(name)
    ]


def _explained(changes: list[tuple[str, Any, Any]]) -> Iterator[str]:
    for what, before, after in changes:
        if what.startswith("step "):
            yield f"{what}: only {'a' if after is None else 'b'}"
        elif what in {"code", "data"}:  # commits
            yield f"{what}: {_shortened(before)} -> {_shortened(after)}"
        else:
            yield f"{what}: {before} -> {after}"


def _shortened(commits: str | None) -> str:
    return "none" if commits is None else ", ".join(commit[:12] for commit in commits.split(", "))


def _data_changes(repo: Repository, one: RunRecord, two: RunRecord) -> list[dict[str, Any]]:
    """Return how many samples of each arrayset differ between the commits that two runs have read."""
    if one.read is None or two.read is None or one.read == two.read:
        return []
    counts: dict[str, dict[str, Any]] = {}
    for row in repo.diff(one.read, two.read).rows():
        if row.what == "sample":
            kinds = counts.setdefault(row.arrayset, {"arrayset": row.arrayset, "added": 0, "deleted": 0, "mutated": 0})
            kinds[row.kind] += 1
    return [counts[name] for name in sorted(counts)]


def _counted(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{row[kind]:,} {kind}" for kind in ("added", "deleted", "mutated") if row[kind])


def _moment(seconds: Any) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
