"""`hangar repair`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hangar_cli.current import current_repository
from hangar_cli.output import printable, result_json, result_lines
from hangar_cli.parameters import json_option
from hangar_core.errors import DataMissing

if TYPE_CHECKING:
    from hangar_core.history.repairing import Repair


@click.command()
@json_option
def repair(as_json: bool) -> None:
    """Find data again of which the database has lost the place.

    Reads every sample that a commit names. What is missing or damaged is looked for in all packs, and entered again
    where it lies whole. Nothing is removed. Exits with 6 if data are missing afterwards.

    \b
    Example:
      hangar repair
    """
    from hangar_core.hashing import digests

    found = current_repository().repair()
    missing = [digests.text(digest) for digest in found.missing]
    if as_json:
        damaged = [{"file": str(path), "start": at, "end": end, "reason": why} for path, at, end, why in found.damaged]
        facts = {"named": found.named, "whole": found.whole, "restored": found.restored, "missing": missing}
        facts["elsewhere"] = found.elsewhere
        result_json("hangar.repair/1", {**facts, "damaged": damaged, "unreadable": list(found.unreadable)})
    else:
        result_lines(_lines(found, missing))
    if missing:
        raise DataMissing(
            f"The data of {len(missing)} samples are missing or damaged, the first of them {missing[0]}.",
            hint="add the same data again, or restore `.hangar/data` from a copy of the repository",
            digest=missing[0],
        )


def _lines(found: Repair, missing: list[str]) -> Iterator[str]:
    yield f"Data that commits name: {found.named}; in order: {found.whole}; found again: {found.restored}."
    if found.elsewhere:
        yield f"On a remote only: {found.elsewhere}; `hangar fetch-data` brings them."
    for path, start, end, reason in found.damaged:
        yield f"damaged: {printable(path)}, bytes {start} to {end}: {printable(reason)}"
    for text in found.unreadable:
        yield f"unreadable: {printable(text)}"
    for digest in missing:
        yield f"missing: {digest}"
