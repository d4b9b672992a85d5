"""`hangar history`."""

from __future__ import annotations

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import commit_json, time_text
from hangar_cli.output import columns, printable, result_json, result_lines
from hangar_cli.parameters import as_optional_sample, as_sample, json_option, key_text
from hangar_core.errors import NotFound
from hangar_core.model import NestedKey, SampleKey


@click.command()
@click.argument("arrayset")
@click.argument("sample", callback=as_sample)
@click.argument("startpoint", required=False)
@click.option(
    "--subsample", callback=as_optional_sample, metavar="NAME", help="The subsample, where samples are nested."
)
@json_option
def history(
    arrayset: str, sample: SampleKey, startpoint: str | None, subsample: SampleKey | None, as_json: bool
) -> None:
    """List the commits that changed SAMPLE of ARRAYSET.

    Newest first, in the history behind STARTPOINT, by default that of the staging branch. SAMPLE and NAME are names, or
    int:NUMBER for a number.

    \b
    Example:
      hangar history pictures cat/001
    """
    from hangar_core.hashing import digests

    key: SampleKey | NestedKey = sample if subsample is None else (sample, subsample)
    events = current_repository().history(arrayset, key, startpoint)
    if not events:
        raise NotFound(
            f"No commit of this history has a sample `{key_text(key)}` in an arrayset `{printable(arrayset)}`.",
            hint="`hangar summary` shows the arraysets; int:NUMBER means a number",
        )
    if as_json:
        changes = [
            {
                "kind": event.kind,
                "digest": digests.text(event.digest) if event.digest else None,
                "commit": commit_json(event.entry),
            }
            for event in events
        ]
        facts = {"arrayset": arrayset, "sample": sample, "subsample": subsample, "changes": changes}
        result_json("hangar.history/1", facts)
        return
    rows = [
        (
            digests.short(event.entry.id),
            time_text(event.entry.commit.time)[:19],
            printable(event.entry.commit.user),
            event.kind,
            digests.short(event.digest) if event.digest else "-",
            printable(event.entry.commit.message.partition("\n")[0]),
        )
        for event in events
    ]
    result_lines(columns([("COMMIT", "TIME (UTC)", "AUTHOR", "CHANGE", "DATA", "MESSAGE"), *rows]))
