"""Prints JSON lines of benchmarks as a table: `python -m benchmarks w1_small | python -m benchmarks.table`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable


def rows(lines: Iterable[str]) -> list[str]:
    """Return the rows of a table in Markdown, one for each line."""
    table = ["| | n | figure | value | floor | ratio |", "|---|---|---|---|---|---|"]
    for line in lines:
        one = json.loads(line)
        value = f"{_short(one['value'])} {one['unit']}"
        floor = "" if one["floor"] is None else f"{_short(one['floor'])} {one['unit']}"
        ratio = "" if one["ratio"] is None else f"{one['ratio']:.2f}"
        table.append(f"| {one['workload']} | {one['n']:,} | {one['figure']} | {value} | {floor} | {ratio} |")
    return table


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print("\n".join(rows(sys.stdin)))
