"""Tables of many rows: rows that are alike are taken many at once, and nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from hangar_core import Repository, external
from hangar_core.errors import FilesRejected
from hangar_core.external import BasePlugin
from hangar_core.hashing.digests import ARRAY
from hangar_core.ingest.answers import Done, read_answer, written_answer
from hangar_core.ingest.decoding import Outcome, Part, Read
from hangar_core.ingest.options import Limits
from hangar_core.ingest.wire import BadLineError, stack_line, stack_of
from hangar_core.ingest.works import Stamp, Work

ROWS = 5_000  # more than are taken at once


class Listed(BasePlugin):
    """Yields what its test has put in `pairs`, always in the same memory if it can."""

    pairs: ClassVar[list[tuple[Any, Any]]] = []

    def __init__(self) -> None:
        super().__init__(provides=["load"], accepts=["listed"])

    def load(self, fpath: Any, **options: Any) -> Iterator[tuple[Any, Any]]:
        buffer = np.empty(3, "<i8")
        for data, name in self.pairs:
            if isinstance(data, np.ndarray) and data.dtype == buffer.dtype and data.shape == buffer.shape:
                buffer[:] = data
                yield buffer, name
            else:
                yield data, name


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[Path]:
    manager = external.plugin_manager()
    manager.register("listed", Listed())
    (tmp_path / "a.listed").write_text("x")
    yield tmp_path / "a.listed"
    manager.unregister("listed")


def _table(path: Path, start: int = 0) -> np.ndarray:
    rows = np.arange(start, start + 2 * ROWS).reshape(ROWS, 2)
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows.tolist()))
    return rows


def _samples(repo: Repository, name: str = "x") -> dict[Any, np.ndarray]:
    with closing(repo.checkout(write=True)) as checkout:
        return dict(checkout.arraysets[name].items())


@pytest.mark.parametrize("source_bytes", [1, 1 << 30], ids=["in a process", "here"])
def test_every_row_is_there_in_order_with_its_source(repo: Repository, tmp_path: Path, source_bytes: int) -> None:
    rows = _table(tmp_path / "t.csv")
    limits = Limits(source_bytes=source_bytes)
    receipt = repo.ingest("x", tmp_path / "t.csv", commit="rows", limits=limits, jobs=2)
    assert (receipt.added, receipt.bytes, receipt.rejects) == (ROWS, rows.nbytes, ())
    found = _samples(repo)
    assert list(found) == [*range(ROWS)]
    assert np.array_equal(np.stack(list(found.values())), rows)
    assert "t.csv" in repr(repo.why("x", ROWS - 1))
    again = repo.ingest("x", tmp_path / "t.csv", verify=True, limits=limits, jobs=2)
    assert (again.added, again.unchanged) == (0, ROWS)


def test_rows_that_exist_are_kept_or_replaced_one_by_one(repo: Repository, tmp_path: Path) -> None:
    rows = _table(tmp_path / "t.csv")
    repo.ingest("x", tmp_path / "t.csv")
    rows[17] = 7, 7
    rows[4_500] = 8, 8
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows.tolist()) + "1,2\n")
    kept = repo.ingest("x", tmp_path / "t.csv")
    assert (kept.added, kept.updated, kept.unchanged, len(kept.kept)) == (1, 0, ROWS - 2, 2)
    replaced = repo.ingest("x", tmp_path / "t.csv", overwrite=True, verify=True)
    assert (replaced.added, replaced.updated, replaced.unchanged) == (0, 2, ROWS - 1)
    assert _samples(repo)[4_500].tolist() == [8, 8]


def test_two_tables_that_number_their_rows_alike_collide(repo: Repository, tmp_path: Path) -> None:
    _table(tmp_path / "t.csv")
    _table(tmp_path / "u.csv", 3)
    with pytest.raises(FilesRejected) as refused:
        repo.ingest("x", [tmp_path / "t.csv", tmp_path / "u.csv"])
    assert {one.code for one in refused.value.rejects} == {"collision"}


def test_a_later_table_of_decimals_makes_rows_of_integers_wider(repo: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    rows = _table(folder / "a.csv")
    (folder / "b.csv").write_text("a,b\n" + "1.5,2\n" * 20)
    repo.ingest("x", folder)
    found = _samples(repo)
    assert {value.dtype for value in found.values()} == {np.dtype("f8")}
    assert np.array_equal(np.stack([found[f"a/{number:09}"] for number in range(ROWS)]), rows)
    assert len(found) == ROWS + 20


def test_samples_keep_their_order_and_values_whatever_lies_between(repo: Repository, listed: Path) -> None:
    """Small arrays that are alike, others, another byte order and a large one, from memory that is used again."""
    alike = [(np.full(3, number, "<i8"), f"n{number}") for number in range(40)]
    others = [
        (np.arange(3, dtype=">i8"), "swapped"),
        (np.full(3, 9, "<i4"), "narrow"),
        (np.zeros((0,), "<i8"), "empty"),
        (np.arange(5_000), "large"),
    ]
    Listed.pairs = [*alike[:20], *others, *alike[20:]]
    repo.ingest("x", listed, plugin="listed")
    found = _samples(repo)
    assert list(found) == [name for _, name in Listed.pairs]
    for data, name in Listed.pairs:
        assert found[name].dtype == np.dtype("i8")
        assert np.array_equal(found[name], data)


@pytest.mark.parametrize("name", ["n3", "", "a/../b", -1, True, None])
def test_a_name_that_cannot_be_or_is_taken_rejects_the_file(repo: Repository, listed: Path, name: Any) -> None:
    Listed.pairs = [(np.full(3, number, "<i8"), f"n{number}") for number in range(40)]
    Listed.pairs[30] = (Listed.pairs[30][0], name)
    with pytest.raises(FilesRejected) as refused:
        repo.ingest("x", listed, plugin="listed")
    assert len(refused.value.rejects) == 1
    with closing(repo.checkout(write=True)) as checkout:
        assert list(checkout.arraysets.keys()) == []


def test_one_row_may_be_called_like_its_file(repo: Repository, listed: Path) -> None:
    Listed.pairs = [(np.full(3, number, "<i8"), "a" if number == 5 else f"n{number}") for number in range(40)]
    repo.ingest("x", listed, plugin="listed")
    assert len(_samples(repo)) == 40


def test_the_same_table_twice_is_one_by_its_bytes(repo: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    _table(folder / "a.csv")
    _table(folder / "b.csv")
    assert repo.ingest("x", folder, key="sha").added == ROWS


GOOD = [0, None, "<i8", [3], "00" * 32 + f"{ARRAY:02x}"]
LINES = [
    [*GOOD[:4], "zz"],
    [*GOOD[:4], ""],
    [*GOOD[:4], GOOD[4] + "00"],
    [*GOOD[:2], ">i8", *GOOD[3:]],
    [*GOOD[:2], "object", *GOOD[3:]],
    [*GOOD[:3], [-1], GOOD[4]],
    [*GOOD[:3], [True], GOOD[4]],
    [-1, *GOOD[1:]],
    [True, *GOOD[1:]],
    [2**64 - 1, None, "<i8", [3], GOOD[4] * 2],
    [None, *GOOD[1:]],
    [None, ["a", "b"], *GOOD[2:]],
    [None, ["../a\n\0"], *GOOD[2:]],
    [0, ["a"], *GOOD[2:]],
    GOOD[:4],
]


@pytest.mark.parametrize("line", LINES)
def test_what_a_process_may_not_say_of_a_stack(line: list[Any]) -> None:
    with pytest.raises(BadLineError):
        stack_of(line)


def test_a_stack_is_sent_whole() -> None:
    code = f"{ARRAY:02x}"
    for words in ([7, None, "<i8", (3,), ("11" * 32 + code) * 3], [None, ["a", 5], "<f4", (), ("22" * 32 + code) * 2]):
        assert stack_line(stack_of(words)) == ["stack", *words]


@pytest.mark.parametrize("times", [1, 3_000])
def test_an_answer_says_stacks_and_rows_in_their_order(tmp_path: Path, times: int) -> None:
    """As it comes back whole from another machine; of many, most are not held."""
    stack = stack_of([7, None, "<i8", [3], GOOD[4] * 2])
    row = Read("one", (Part("", "<i8", (3,), stack.batch.digests[0], None),))
    (tmp_path / "a.csv").write_text("1")
    stamp = Stamp.of((tmp_path / "a.csv").stat())
    work = Work(str(tmp_path / "a.csv"), "a.csv", "", True, "csv", "csv", "a", None, "a.csv", stamp)
    reads = [row, row, stack, stack, row] * times
    lines = iter(written_answer(Done([Outcome(work, reads, b"x" * 32)], [])).splitlines(keepends=True))
    (outcome,) = read_answer(lambda: next(lines), [work], "x", tmp_path).outcomes
    assert list(outcome.reads) == reads
    assert list(outcome.reads) == reads, "they can be read twice"
