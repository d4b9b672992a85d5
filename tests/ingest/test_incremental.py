"""Files that have not changed are not read again; what the arrayset holds decides, never the cache alone."""

from __future__ import annotations

import os
from contextlib import closing

import numpy as np
import pytest

from hangar_core.external import BasePlugin, plugin_manager


class Counting(BasePlugin):
    """Counts what it loads."""

    VERSION = "1"
    loaded: list[str]

    def __init__(self) -> None:
        super().__init__(provides=["load"], accepts=["num"])
        self.loaded = []

    def load(self, fpath, *args, **options):
        self.loaded.append(os.path.basename(fpath))
        with self.open_file(fpath) as file:
            return np.array([float(file.read())]), self.sample_name(fpath)


@pytest.fixture
def plugin():
    made = Counting()
    plugin_manager().register("counting", made)
    yield made
    plugin_manager().unregister("counting")


@pytest.fixture
def numbers(tmp_path, plugin):
    folder = tmp_path / "numbers"
    folder.mkdir()
    for number in range(10):
        path = folder / f"{number}.num"
        path.write_text(str(number))
        os.utime(path, ns=(10**18 + 7, 10**18 + 7))
    return folder


def _reads(plugin, repo, folder, **choices) -> list[str]:
    plugin.loaded.clear()
    repo.ingest("x", folder, **choices)
    return sorted(plugin.loaded)


def test_an_unchanged_tree_is_not_decoded_and_nothing_is_committed(repo, numbers, plugin):
    assert len(_reads(plugin, repo, numbers, commit="first")) == 10
    plugin.loaded.clear()
    receipt = repo.ingest("x", numbers, commit="second")
    assert (receipt.unchanged, receipt.commit, plugin.loaded) == (10, None, [])


def test_staged_samples_count_as_much_as_committed_ones(repo, numbers, plugin):
    _reads(plugin, repo, numbers)
    assert _reads(plugin, repo, numbers) == []


def test_only_what_has_changed_is_read(repo, numbers, plugin):
    _reads(plugin, repo, numbers)
    (numbers / "3.num").write_text("33")
    (numbers / "new.num").write_text("1")
    assert _reads(plugin, repo, numbers, overwrite=True) == ["3.num", "new.num"]
    assert _reads(plugin, repo, numbers) == []


def test_a_file_that_was_only_touched_is_not_decoded(repo, numbers, plugin):
    _reads(plugin, repo, numbers)
    os.utime(numbers / "4.num", ns=(10**18 + 9, 10**18 + 9))
    assert _reads(plugin, repo, numbers) == []


def test_a_file_written_a_moment_ago_is_known_by_its_bytes(repo, numbers, plugin):
    """Its time stamp may not tell it from a version written within the same tick of the clock."""
    now = (numbers / "5.num").stat()
    (numbers / "5.num").write_text("6")
    _reads(plugin, repo, numbers)
    after = (numbers / "5.num").stat()
    (numbers / "5.num").write_text("7")
    os.utime(numbers / "5.num", ns=(after.st_atime_ns, after.st_mtime_ns))
    assert now.st_size == after.st_size
    assert _reads(plugin, repo, numbers, overwrite=True) == ["5.num"]


def test_verify_finds_what_hides_behind_the_same_stamp(repo, numbers, plugin):
    _reads(plugin, repo, numbers)
    before = (numbers / "5.num").stat()
    with open(numbers / "5.num", "r+") as file:
        file.write("8")
    os.utime(numbers / "5.num", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _reads(plugin, repo, numbers) == []
    assert _reads(plugin, repo, numbers, verify=True, overwrite=True) == ["5.num"]
    assert _reads(plugin, repo, numbers, verify=True) == []


def test_another_version_of_the_plugin_or_another_choice_reads_again(repo, numbers, plugin):
    _reads(plugin, repo, numbers)
    plugin.VERSION = "2"
    assert len(_reads(plugin, repo, numbers)) == 10
    assert _reads(plugin, repo, numbers) == []
    assert len(_reads(plugin, repo, numbers, labels_from_parent=True)) == 10
    assert len(_reads(plugin, repo, numbers, plugin_options={"mood": "wild"})) == 10


def test_a_sample_that_is_not_what_the_cache_says_is_read_again(repo, numbers, plugin):
    repo.ingest("x", numbers)
    with closing(repo.checkout(write=True)) as writer:
        del writer.arraysets["x"]["2"]
        writer["x", "3"] = np.array([99.0])
    assert _reads(plugin, repo, numbers, overwrite=True) == ["2.num", "3.num"]
    repo.reset(hard=True)
    assert len(_reads(plugin, repo, numbers)) == 10


def test_the_cache_is_of_an_arrayset_not_of_a_file(repo, numbers, plugin):
    _reads(plugin, repo, numbers)
    plugin.loaded.clear()
    repo.ingest("y", numbers)
    assert len(plugin.loaded) == 10


@pytest.mark.parametrize("damage", ["garbage", "empty", "gone", "other version"])
def test_a_damaged_cache_is_begun_anew(repo, numbers, plugin, damage):
    import sqlite3

    _reads(plugin, repo, numbers)
    path = repo._context.layout.import_index
    if damage == "garbage":
        path.write_bytes(b"garbage" * 1000)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "gone":
        path.unlink()
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 99")
            db.commit()
    assert len(_reads(plugin, repo, numbers)) == 10
    assert _reads(plugin, repo, numbers) == []


def test_rows_of_a_table_are_known_again(repo, tmp_path):
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    os.utime(tmp_path / "t.csv", ns=(10**18 + 7, 10**18 + 7))
    assert repo.ingest("rows", tmp_path / "t.csv").added == 2
    receipt = repo.ingest("rows", tmp_path / "t.csv")
    assert (receipt.unchanged, receipt.bytes) == (2, 0)
