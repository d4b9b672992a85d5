"""What derivations have computed before: digest of the input -> digest of the output, for each step.

A cache beside the results of steps: it decides nothing alone, since the data must be here too. One that is damaged is
begun anew. Format: docs/formats/steps.md.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from hangar_core.model import Digest

_VERSION: Final = 1
_AT_ONCE: Final = 500
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS memo (
    step TEXT NOT NULL, input BLOB NOT NULL, output BLOB NOT NULL, form TEXT NOT NULL, PRIMARY KEY (step, input)
) WITHOUT ROWID"""
_log = logging.getLogger(__name__)


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
        if not self._path.exists():
            return {}
        found: dict[bytes, Known] = {}
        with self._open() as database:
            for start in range(0, len(inputs), _AT_ONCE):
                some = inputs[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT input, output, form FROM memo WHERE step = ? AND input IN ({marks})"  # noqa: S608 - marks
                rows = database.execute(query, (step, *some))
                found.update((key, Known(Digest(value), form)) for key, value, form in rows)
        return found

    def remember(self, step: str, results: Iterable[tuple[bytes, Digest, str]]) -> None:
        """Keep what was computed, as (input, output, form)."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.executemany("INSERT OR REPLACE INTO memo VALUES (?, ?, ?, ?)", ((step, *one) for one in results))

    def counts(self) -> dict[str, int]:
        """Return how many samples are known of each step."""
        if not self._path.exists():
            return {}
        with self._open() as database:
            return dict(database.execute("SELECT step, COUNT(*) FROM memo GROUP BY step ORDER BY step"))

    def forget(self, step: str) -> int:
        """Forget a step and return how many samples were known of it."""
        if not self._path.exists():
            return 0
        with self._open() as database:
            return database.execute("DELETE FROM memo WHERE step = ?", (step,)).rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Yield the database inside a transaction; a damaged one is replaced by an empty one first."""
        try:
            database = self._connect()
        except sqlite3.DatabaseError as why:
            _log.warning("the memory of derivations `%s` is damaged (%s) and begun anew", self._path, why)
            self._path.unlink(missing_ok=True)
            database = self._connect()
        try:
            with database:
                yield database
        finally:
            database.close()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=60)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in {0, _VERSION}:
                raise sqlite3.DatabaseError(f"it has version {version}")
            database.execute(_TABLE)
            database.execute(f"PRAGMA user_version = {_VERSION}")
            return database
        except sqlite3.DatabaseError:
            database.close()
            raise
