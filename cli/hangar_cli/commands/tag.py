"""`hangar tag`: create, list, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hangar_cli.command_table import Section
from hangar_cli.current import current_repository
from hangar_cli.describe import time_text
from hangar_cli.output import columns, printable, result, result_json, talk
from hangar_cli.parameters import json_option, message_option

if TYPE_CHECKING:
    from hangar_core.reports import Tag


@click.group(cls=Section)
def tag() -> None:
    """Give commits names that stay.

    \b
    Example:
      hangar tag list
    """


@tag.command()
@click.argument("name")
@click.argument("commit", required=False)
@message_option("What the tag stands for.")
@json_option
def create(name: str, commit: str | None, message: str | None, as_json: bool) -> None:
    """Name COMMIT, by default the head of the staging branch.

    A tag cannot be moved. NAME contains only ASCII letters, digits, '.', '_' and '-'.

    \b
    Example:
      hangar tag create v1.0 -m "as published"
    """
    from hangar_core.hashing import digests

    made = current_repository().tags.create(name, commit, message or "")
    if as_json:
        result_json("hangar.tag-create/1", _tag_json(made))
    else:
        result(f"Created TAG: {printable(made.name)} COMMIT: {digests.text(made.commit)}")


@tag.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all tags by name.

    \b
    Example:
      hangar tag list --json
    """
    from hangar_core.hashing import digests

    tags = current_repository().tags.all()
    if as_json:
        result_json("hangar.tag/1", {"tags": [_tag_json(one) for one in tags]})
        return
    rows = [(printable(one.name), digests.short(one.commit), printable(one.message.partition("\n")[0])) for one in tags]
    if rows:
        for line in columns([("NAME", "COMMIT", "MESSAGE"), *rows]):
            result(line)
    else:
        talk("There are no tags.")


@tag.command()
@click.argument("name")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Remove the tag NAME; its commit stays.

    \b
    Example:
      hangar tag delete v0.9
    """
    from hangar_core.hashing import digests

    removed = current_repository().tags.remove(name)
    if as_json:
        result_json("hangar.tag-delete/1", _tag_json(removed))
    else:
        result(f"Deleted TAG: {printable(removed.name)} COMMIT: {digests.text(removed.commit)}")


def _tag_json(one: Tag) -> dict[str, Any]:
    from hangar_core.hashing import digests

    return {
        "name": one.name,
        "commit": digests.text(one.commit),
        "time": time_text(one.time),
        "user": one.user,
        "message": one.message,
    }
