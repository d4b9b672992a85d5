"""Results that wait to be published: files in the working directory of a step, so that a kill loses little.

A piece is written aside and renamed, so it is there whole or not at all; one that is damaged is computed again.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from hangar_steps.errors import BadResult
from hangar_steps.formats.auto import AutoFormat

_NAMES: Final = "inputs.json"


class Piece(NamedTuple):
    """Some results: where they lie, the digests of what each was made of, and its form (see `sample_forms`)."""

    path: Path
    sources: list[bytes]
    forms: list[str]

    def values(self) -> list[Any]:
        """Return the results. Raises `BadResult`."""
        return list(AutoFormat().read(self.path))


class Spool:
    """The pieces in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, sources: Sequence[bytes], values: Sequence[Any], forms: Sequence[str]) -> None:
        """Keep results, each with the digests of what it was made of, and its form."""
        fresh = self.directory / f"new-{uuid.uuid4().hex}"
        fresh.mkdir(parents=True)
        # One array is far quicker to write than many.
        AutoFormat().write(_stacked(values) if len(set(forms)) == 1 else list(values), fresh)
        document = {"sources": [source.hex() for source in sources], "forms": list(forms)}
        (fresh / _NAMES).write_text(json.dumps(document), "ascii")
        fresh.rename(fresh.with_name(f"piece-{uuid.uuid4().hex}"))

    def pieces(self) -> Iterator[Piece]:
        """Yield what is there."""
        for path in sorted(self.directory.glob("piece-*")):
            document = json.loads((path / _NAMES).read_bytes())
            yield Piece(path, [bytes.fromhex(text) for text in document["sources"]], document["forms"])

    def sources(self) -> frozenset[bytes]:
        """Return of what there are results, as the pieces say; reads no result, and changes nothing."""
        found: set[bytes] = set()
        for path in self.directory.glob("piece-*"):
            with suppress(OSError, ValueError, KeyError, TypeError):  # damaged: `check` will see to it
                document = json.loads((path / _NAMES).read_bytes())
                found.update(map(bytes.fromhex, document["sources"]))
        return frozenset(found)

    def check(self) -> set[bytes]:
        """Return of what results are here; what cannot be read is removed."""
        found: set[bytes] = set()
        for path in self.directory.glob("*"):
            try:
                document = json.loads((path / _NAMES).read_bytes())
                sources = [bytes.fromhex(text) for text in document["sources"]]
                whole = len(AutoFormat().read(path)) == len(sources) == len(document["forms"])
            except (BadResult, OSError, ValueError, KeyError, TypeError):
                whole, sources = False, []
            if whole and path.name.startswith("piece-"):
                found.update(sources)
            else:
                shutil.rmtree(path, ignore_errors=True)
        return found

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _stacked(values: Sequence[Any]) -> Any:
    import numpy as np

    return np.stack(values) if isinstance(values[0], np.ndarray) else list(values)
