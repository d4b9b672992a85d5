"""How results of steps lie on disk. Reading them runs no code, but for pickles that this machine has signed itself."""

from __future__ import annotations

from hangar_steps.formats.arrayset import ArraysetFormat
from hangar_steps.formats.auto import AutoFormat
from hangar_steps.formats.base import Format
from hangar_steps.formats.jsons import JsonFormat, result_class
from hangar_steps.formats.npz import NumpyFormat
from hangar_steps.formats.pickles import PickleFormat
from hangar_steps.formats.text import TextFormat

__all__ = [
    "ArraysetFormat",
    "AutoFormat",
    "Format",
    "JsonFormat",
    "NumpyFormat",
    "PickleFormat",
    "TextFormat",
    "result_class",
]
