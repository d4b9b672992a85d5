"""`hangar fetch-data`."""

from __future__ import annotations

import re

import click

from hangar_cli.describe import plural, size_text
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import json_option, wait_option
from hangar_cli.remotes import repository_for, short, transferring

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)(i?)b?\s*", re.IGNORECASE)
_STEPS = " kmgtp"


def parse_size(text: str) -> int:
    """Return bytes: ``3Kb`` is 3,000, ``3KiB`` 3,072. Raises `click.BadParameter`."""
    found = _SIZE.fullmatch(text)
    if found is None or (found[3] and not found[2]):
        raise click.BadParameter(f"'{printable(text)}' is no size. Write 300Mb, 20GiB or a number of bytes.")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _STEPS.index(found[2].lower() or " "))


def as_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Callback of a size."""
    return None if value is None else parse_size(value)


@click.command("fetch-data")
@click.argument("remote")
@click.argument("startpoint")
@click.option("-a", "--aset", "--column", multiple=True, metavar="NAME", help="Only this arrayset. Repeatable.")
@click.option("--keys", multiple=True, metavar="GLOB", help="Only samples with such names. Repeatable.")
@click.option("--where", metavar="CONDITION", help="Only samples of which this holds: \"label == 'night'\".")
@click.option(
    "-n", "--nbytes", "--max-bytes", callback=as_size, metavar="SIZE", help="Stop before more than this: 20GiB, 300Mb."
)
@click.option("--all-history", is_flag=True, help="The data of all commits behind STARTPOINT too.")
@click.option("--verify", is_flag=True, help="Read what is here too, and fetch anew what is damaged.")
@json_option
@wait_option
def fetch_data(
    remote: str,
    startpoint: str,
    aset: tuple[str, ...],
    keys: tuple[str, ...],
    where: str | None,
    nbytes: int | None,
    all_history: bool,
    verify: bool,
    as_json: bool,
    wait: float,
) -> None:
    """Get data from REMOTE referenced by STARTPOINT (short-commit or branch).

    CONDITION compares arraysets of text or of one number with values, and needs none of their data: ==, !=, in, not in,
    and, or. Data that are here are not fetched again: after an interruption, or with --nbytes, the same command goes
    on.

    \b
    Example:
      hangar fetch-data origin master --aset pictures --keys "cat/*" --nbytes 20GiB
    """
    repo = repository_for(remote)
    tracking = f"{remote}/{startpoint}"
    names = {head.name for head in repo.branch_heads() if head.digest}
    start = startpoint if startpoint in names else tracking if tracking in names else None
    with transferring("Fetch data") as progress:
        commits, done = repo.remote.bring_data(
            remote,
            branch=start,
            commit=startpoint if start is None else None,
            arrayset_names=aset or None,
            keys=keys,
            where=where,
            max_num_bytes=nbytes,
            retrieve_all_history=all_history,
            verify=verify,
            progress=progress,
            wait=wait,
        )
    if as_json:
        facts = {
            "remote": remote,
            "commits": [one.hex() for one in commits],
            "samples": done.samples,
            "bytes": done.nbytes,
            "stopped": done.stopped,
        }
        result_json("hangar.fetch-data/1", facts)
    else:
        where = short(commits[0]) if len(commits) == 1 else plural(len(commits), "commit")
        more = " (stopped by --nbytes; the same command goes on)" if done.stopped else ""
        result(f"Fetched {plural(done.samples, 'sample')} of {where}, {size_text(done.nbytes)}{more}")
