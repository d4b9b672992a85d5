"""What derivations have computed before: digest of the input -> digest of the output, for each step.

A cache beside the results of steps: it decides nothing alone, since the data must be here too. What it says of an input
never changes, so an old page of it is as true as a new one, and it is not synced. A damaged one is begun anew.
Format: docs/formats/steps.md.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from hangar_core.errors import StorageFailed
from hangar_core.model import Digest
from hangar_steps.errors import StepWarning

_VERSION: Final = 1
_AT_ONCE: Final = 500
# Each statement costs; SQLite takes some hundred values in one.
_ROWS: Final = 100
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS memo (
    step TEXT NOT NULL, input BLOB NOT NULL, output BLOB NOT NULL, form TEXT NOT NULL, PRIMARY KEY (step, input)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (step TEXT PRIMARY KEY NOT NULL, source TEXT NOT NULL) WITHOUT ROWID;
"""
T = TypeVar("T")


class Known(NamedTuple):
    """One result: the digest of its data, and what they are like (see `sample_forms`)."""

    digest: Digest
    form: str


class Memo:
    """The memory of one folder of steps."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, step: str, inputs: Sequence[bytes]) -> dict[bytes, Known]:
        """Return input -> output for those inputs that are known."""

        def look(database: sqlite3.Connection) -> dict[bytes, Known]:
            found: dict[bytes, Known] = {}
            for start in range(0, len(inputs), _AT_ONCE):
                some = inputs[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT input, output, form FROM memo WHERE step = ? AND input IN ({marks})"  # noqa: S608 - marks
                rows = database.execute(query, (step, *some))
                found.update((key, Known(Digest(value), form)) for key, value, form in rows)
            return found

        return self._do(look) if self._path.exists() else {}

    def source(self, step: str) -> str | None:
        """Return the digest of the source of the function that has computed what is known of a step."""
        query = "SELECT source FROM sources WHERE step = ?"
        row = self._do(lambda database: database.execute(query, (step,)).fetchone()) if self._path.exists() else None
        return None if row is None else str(row[0])

    def remember(self, step: str, results: Iterable[tuple[bytes, Digest, str]], source: str) -> None:
        """Keep what was computed, as (input, output, form), and the digest of the source of what computed it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = sorted(results)  # in the order of the table each page is written once

        def write(database: sqlite3.Connection) -> None:
            database.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (step, source))
            for start in range(0, len(rows), _ROWS):
                some = rows[start : start + _ROWS]
                marks = ",".join(["(?1,?,?,?)"] * len(some))
                database.execute(f"INSERT OR REPLACE INTO memo VALUES {marks}", (step, *chain.from_iterable(some)))  # noqa: S608 - marks

        self._do(write)

    def counts(self) -> dict[str, int]:
        """Return how many samples are known of each step."""
        if not self._path.exists():
            return {}
        query = "SELECT step, COUNT(*) FROM memo GROUP BY step ORDER BY step"
        return self._do(lambda database: dict(database.execute(query)))

    def forget(self, step: str) -> int:
        """Forget a step and return how many samples were known of it."""
        if not self._path.exists():
            return 0

        def delete(database: sqlite3.Connection) -> int:
            database.execute("DELETE FROM sources WHERE step = ?", (step,))
            return database.execute("DELETE FROM memo WHERE step = ?", (step,)).rowcount

        return self._do(delete)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the database in a transaction; if it turns out damaged, with an empty one in its place.

        Raises `StorageFailed` if the system refuses.
        """
        try:
            return self._try(work)
        except sqlite3.OperationalError as why:  # locked for a minute, the disk is full, no right to write
            raise StorageFailed(path=str(self._path), reason=str(why)) from why
        except sqlite3.DatabaseError as why:
            warnings.warn(
                f"The memory of derivations `{self._path}` is damaged ({why}) and begun anew.",
                StepWarning,
                stacklevel=4,
            )
            for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                path.unlink(missing_ok=True)
            return self._try(work)

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T:
        database = self._connect()
        try:
            with database:
                return work(database)
        finally:
            database.close()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=60)
        try:
            database.execute("PRAGMA synchronous = OFF")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in {0, _VERSION}:
                raise sqlite3.DatabaseError(f"it has version {version}")
            database.executescript(_TABLES)
            database.execute(f"PRAGMA user_version = {_VERSION}")
            return database
        except sqlite3.DatabaseError:
            database.close()
            raise
