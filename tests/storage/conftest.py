"""Storage: the floor on which every promise about bytes stands."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangar_core.model import User
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.datawriter import DataWriter
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables, forget_tables, open_tables

# What several files need beside fixtures is a package; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parent))

Run = Callable[..., str]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The paths of a fresh repository with nothing in its tables."""
    layout = Layout(tmp_path / ".hangar")
    layout.create(User("Ana Lopez", "ana@example.org"))
    return layout


@pytest.fixture
def tables(layout: Layout) -> Iterator[Tables]:
    """Its database."""
    yield open_tables(layout.records)
    forget_tables(layout.records)


@pytest.fixture
def writer(layout: Layout, tables: Tables) -> Iterator[DataWriter]:
    """The one who may store."""
    writer = DataWriter(layout, tables)
    yield writer
    writer.close()


@pytest.fixture
def readers(layout: Layout, tables: Tables) -> Iterator[Callable[[], DataReader]]:
    """As many fresh readers as wanted."""
    made: list[DataReader] = []

    def fresh() -> DataReader:
        made.append(DataReader(layout, tables))
        return made[-1]

    yield fresh
    for reader in made:
        reader.close()


def _command(script: str, *words: object) -> list[str]:
    return [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *map(str, words)]


@pytest.fixture
def run() -> Run:
    """Run a script in another process to its end and return what it printed; it must not fail."""

    def run(script: str, *words: object) -> str:
        done = subprocess.run(_command(script, *words), capture_output=True, encoding="utf-8", timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a script in another process, to be talked to through its pipes; it ends with the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            _command(script, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", bufsize=1
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(30)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def damaged(path: Path, offset: int, flip: int = 0x01) -> Iterator[None]:
    """Have bits of one byte of a file flipped for a while."""
    _flip(path, offset, flip)
    try:
        yield
    finally:
        _flip(path, offset, flip)


def _flip(path: Path, offset: int, flip: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= flip
    path.write_bytes(data)


@pytest.fixture
def damage() -> Callable[..., object]:
    """See `damaged`."""
    return damaged
