"""Files that were rejected under the policy `quarantine`: a list of them, so that they are tried again on request only.

The files stay where they are. An entry holds as long as file and recipe are the same; then the file is left out, and
counted. Format: docs/formats/repository.md.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hangar_core import files
from hangar_core.ingest.report import Reject
from hangar_core.ingest.works import Recipe, Work

_VERSION = 2
_log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """One file that was rejected: why, and how it was tried."""

    arrayset: str
    work: Work
    recipe: Recipe
    reject: Reject


class Quarantine:
    """The list of one repository, held in memory while an import runs. Written under the writer lock only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[tuple[str, str], dict[str, Any]] = {}
        self._changed = False
        try:
            document = json.loads(path.read_text("ascii"))
            if document["version"] == _VERSION:
                self._entries = {_place_of(one): one for one in document["files"]}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, IndexError) as why:
            # Nothing of the data is lost with it: the files are tried again.
            _log.warning("the list of quarantined files `%s` cannot be read and is begun anew: %s", path, why)

    def __len__(self) -> int:
        return len(self._entries)

    def holds(self, arrayset: str, work: Work, recipe: Recipe) -> bool:
        """Whether this very file was rejected by this very recipe."""
        there = self._entries.get((arrayset, work.path)) if self._entries else None
        return there is not None and there["work"][-1] == [*work.stamp] and there["recipe"] == recipe.digest.hex()

    def works(self, arrayset: str, below: Sequence[str]) -> Iterator[Work]:
        """Yield the files of one arrayset, with `below` those among these paths or in one of these folders."""
        for (name, path), entry in sorted(self._entries.items()):
            if name == arrayset and (not below or any(_is_in(path, one) for one in below)):
                yield Work.from_json(entry["work"])

    def add(self, entry: Entry) -> None:
        """Note a file that was rejected."""
        code, message, fix = entry.reject.code, entry.reject.message, entry.reject.fix
        self._entries[entry.arrayset, entry.work.path] = {
            "arrayset": entry.arrayset,
            "source": entry.work.path,
            "code": code,
            "message": message,
            "fix": fix,
            "plugin": entry.recipe.plugin,
            "plugin_version": entry.recipe.version,
            "options": dict(entry.recipe.options),
            "recipe": entry.recipe.digest.hex(),
            "work": json.loads(json.dumps(entry.work.to_json())),
        }
        self._changed = True

    def remove(self, arrayset: str, path: str) -> None:
        """Take a file off the list, if it is there."""
        if self._entries and self._entries.pop((arrayset, path), None) is not None:
            self._changed = True

    def write(self) -> None:
        """Make the list durable, if it has changed. Raises `StorageFailed`."""
        if not self._changed:
            return
        if self._entries:
            document = {"version": _VERSION, "files": [one for _, one in sorted(self._entries.items())]}
            files.write_file(self._path, json.dumps(document, indent=1).encode("ascii"))
        else:
            files.remove(self._path)
        self._changed = False


def _place_of(entry: Any) -> tuple[str, str]:
    """Return arrayset and path of an entry. Raises `ValueError` for one that is none."""
    match entry:
        case {
            "arrayset": str(arrayset),
            "recipe": str(),
            "work": [
                str(path), str(), str(), bool(), str(), str(), str(), str() | None, str(), [int(), int(), int()],
            ],
        }:  # fmt: skip
            return arrayset, path
    raise ValueError("an entry is not what it should be")


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))
