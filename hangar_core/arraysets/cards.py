"""How repositories, checkouts, arraysets and metadata show themselves at a prompt: a title, and one fact to a line.

::

    Hangar ArraysetDataReader
        Arrayset Name     : pictures
        Number of Samples : 3
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def card(title: str, facts: Mapping[str, object], heading: str = "", entries: Iterable[str] = ()) -> str:
    """Return the facts below the title and, with a `heading`, a list of entries below that."""
    width = max(map(len, facts), default=0)
    lines = [f"Hangar {title}", *(f"    {name:<{width}} : {value}" for name, value in facts.items())]
    if heading:
        lines += [f"    {heading}:", *(f"      - {entry}" for entry in list(entries) or [""])]
    return "\n".join(line.rstrip() for line in lines)
