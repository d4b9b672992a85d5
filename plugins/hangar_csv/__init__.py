"""Tables of numbers as text: .csv and .tsv, one sample per row, the same values out as in."""

from hangar_csv.plugin import HangarCsv

__all__ = ["HangarCsv"]
