"""`hangar summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import commit_json, schema_json
from hangar_cli.output import printable_lines, result, result_json
from hangar_cli.parameters import json_option

if TYPE_CHECKING:
    from hangar_core.reports import Summary


@click.command()
@click.argument("startpoint", required=False)
@json_option
def summary(startpoint: str | None, as_json: bool) -> None:
    """Display content summary at STARTPOINT (short-digest or branch).

    Without STARTPOINT the head of the staging area's branch is shown.

    \b
    Example:
      hangar summary master
    """
    repo = current_repository()
    if as_json:
        result_json("hangar.summary/1", _summary_json(repo.summarize(startpoint)))
    else:
        result(printable_lines(repo.summary_text(startpoint)))


def _summary_json(contents: Summary) -> dict[str, Any]:
    return {
        "path": contents.path,
        "disk_usage": contents.disk_usage,
        "commit": commit_json(contents.commit),
        "arraysets": [
            {
                "name": arrayset.name,
                "schema": schema_json(arrayset.schema),
                "schema_digest": arrayset.schema_digest,
                "count": arrayset.count,
                "options": dict(arrayset.options),
            }
            for arrayset in contents.arraysets
        ],
        "metadata_count": contents.metadata_count,
    }
