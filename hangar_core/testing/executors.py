"""The contract of executors: what every one of them has to do for an import.

An executor's own test file is a subclass::

    class TestMine(ExecutorContract):
        @pytest.fixture
        def address(self):
            return "mine://host:port"

Its machines have to see the folders of the tests; for most, they are other processes of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hangar_core.ingest.answers import words_of
from hangar_core.ingest.executors import Executor, open_executor
from hangar_core.repository import Repository


class ExecutorContract:
    """What an executor promises. Subclasses have a fixture `address`: of one that is at work."""

    @pytest.fixture
    def address(self) -> str:
        """Where the machines are."""
        raise NotImplementedError

    @pytest.fixture
    def executor(self, address: str) -> Iterator[Executor]:
        """An open executor."""
        with closing(open_executor(address)) as executor:
            yield executor

    @pytest.fixture
    def home(self, tmp_path: Path) -> Repository:
        """An empty repository."""
        (tmp_path / "home").mkdir()
        repo = Repository(tmp_path / "home", exists=False)
        repo.init("Ada", "ada@example.org")
        return repo

    def test_it_says_how_many_jobs_it_takes(self, executor: Executor) -> None:
        assert executor.slots >= 1

    def test_answers_come_whatever_the_order_in_which_they_are_waited_for(self, executor: Executor) -> None:
        job = b'["0", {}]\n["x", {}, false, "", 0, "pixels", true, 1, 1, "/nowhere"]\n[]\n'
        waiting = [executor.submit(job) for _ in range(5)]
        # No machine has that version, and says so.
        assert {words_of(answer())[0] for answer in reversed(waiting)} == {"refused"}

    def test_closing_twice_is_fine(self, executor: Executor) -> None:
        executor.close()

    def test_what_is_imported_is_what_was_in_the_files(self, address: str, home: Repository, tmp_path: Path) -> None:
        arrays = {f"{number:03}": np.full((2, number % 3 + 1), number, np.float32) for number in range(300)}
        folder = tmp_path / "files"
        folder.mkdir()
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        receipt = home.ingest("numbers", folder, executor=address, commit="all")
        assert (receipt.added, receipt.commit is not None) == (300, True)
        checkout = home.checkout()
        try:
            found = dict(checkout.arraysets["numbers"].items())
        finally:
            checkout.close()
        assert list(found) == list(arrays)
        assert all(np.array_equal(found[name], array) for name, array in arrays.items())
        assert not home.repair().missing
