"""`hangar why`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import provenance_json, size_text
from hangar_cli.output import columns, printable, result_json, result_lines
from hangar_cli.parameters import as_sample, json_option, key_text
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from hangar_core.repository.reasons import Reason


@click.command()
@click.argument("arrayset")
@click.argument("sample", callback=as_sample)
@click.argument("startpoint", required=False)
@json_option
def why(arrayset: str, sample: SampleKey, startpoint: str | None, as_json: bool) -> None:
    """Tell which file SAMPLE of ARRAYSET came from, and how it was read.

    It is known of what an import has set and nobody has changed since. SAMPLE is a name, or int:NUMBER for a number.
    STARTPOINT is a branch or a short digest; without it the last commit of the staging branch is meant.

    \b
    Example:
      hangar why pictures cat/001
    """
    found = current_repository().why(arrayset, sample, startpoint)
    if as_json:
        known = found.provenance
        facts: dict[str, Any] = {"arrayset": arrayset, "sample": sample, "commit": found.commit}
        facts |= {"digest": found.digest, "provenance": None if known is None else provenance_json(known)}
        result_json("hangar.why/1", facts)
        return
    result_lines(_lines(found, f"{printable(arrayset)} {key_text(sample)}"))


def _lines(found: Reason, name: str) -> list[str]:
    from hangar_core.hashing.digests import SHORT_SIZE

    rows = [("sample", name), ("digest", found.digest[:SHORT_SIZE])]
    known = found.provenance
    if known is None:
        rows.append(("source", "not known: no import has set it, or it was changed since"))
    else:
        among = f"   one of its {known.samples:,} samples" if known.samples > 1 else ""
        rows.append(("source", f"{printable(known.source)}   {size_text(known.size)}{among}"))
        rows.append(("blake3", known.blake3))
        rows.append(("plugin", printable(f"{known.plugin} {known.version}")))
        rows += [("option", printable(f"{name} {value}")) for name, value in sorted(known.options.items())]
    return columns(rows)
