"""`ArraysetFormat`: arraysets of commits as references. No sample is copied; the repository is where the data are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Final

from hangar_core.errors import HangarError
from hangar_core.hashing import digests
from hangar_core.model import CommitId
from hangar_steps.errors import BadResult
from hangar_steps.formats.base import Format, read_document

_FILE: Final = "result.json"
_HEADER: Final = "hangar.step-arraysets/1"


class ArraysetFormat(Format):
    """One arrayset of a commit, or a `DatasetDict` whose splits are such arraysets.

    The path of the repository is kept relative to the result, so that both can move together.
    """

    NAME: ClassVar[str] = "arrayset"

    def write(self, value: Any, directory: Path) -> None:
        """Raises `NoFormatFor` for anything else, and for what is only staged."""
        from hangar_steps.datasets import DatasetDict

        if type(value) is DatasetDict:
            splits = {name: self._reference(split, directory, f"$[{name!a}]") for name, split in value.items()}
            document = {"version": _HEADER, "splits": splits, "metadata": self._metadata(value.metadata)}
        else:
            document = {"version": _HEADER, "arrayset": self._reference(value, directory, "$")}
        (directory / _FILE).write_text(json.dumps(document), "ascii")

    def read(self, directory: Path) -> Any:
        """Return the arraysets, opened for reading. Raises `BadResult`."""
        from hangar_steps.datasets import DatasetDict
        from hangar_steps.formats.jsons import decode_json

        document = read_document(directory / _FILE, _HEADER)
        try:
            if "arrayset" in document:
                return _opened(document["arrayset"], directory)
            splits = {name: _opened(one, directory) for name, one in document["splits"].items()}
            return DatasetDict(splits, decode_json(document["metadata"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, HangarError) as why:
            raise BadResult(step=directory.name, reason=f"{type(why).__name__}: {why}") from why

    def _reference(self, value: Any, directory: Path, place: str) -> list[str]:
        if not fits(value):
            raise self.refuse(value, place)
        where, commit, name = value.place()
        return [os.path.relpath(where, directory), digests.text(commit), name]

    def _metadata(self, metadata: Any) -> Any:
        from hangar_steps.formats.jsons import JsonFormat

        return JsonFormat().encode(dict(metadata), "$.metadata")


def fits(value: Any) -> bool:
    """Whether a value is an arrayset of a commit."""
    from hangar_core.arraysets.reader import ArraysetDataReader

    return isinstance(value, ArraysetDataReader) and not value.iswriteable


def _opened(reference: list[str], directory: Path) -> Any:
    from hangar_core.arraysets.reopening import reopen_arrayset

    where, commit, name = reference
    known = digests.from_text(commit)
    if known is None:
        raise ValueError(f"{commit!a} is no commit")
    return reopen_arrayset(os.path.normpath(directory / where), CommitId(known), name)
