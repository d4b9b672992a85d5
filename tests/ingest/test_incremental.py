"""Files that have not changed are not read again; what the arrayset holds decides, never the cache alone."""

from __future__ import annotations

import os
import shutil
from contextlib import closing

import numpy as np
import pytest

from hangar_core.external import BasePlugin, plugin_manager
from hangar_core.ingest.index import Row, SourceIndex
from hangar_core.ingest.works import Stamp


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
    assert _reads(plugin, repo, numbers) == []  # provenance knows them all the same
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM sources").fetchone() == (10,)


def test_rows_of_a_table_are_known_again(repo, tmp_path):
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    os.utime(tmp_path / "t.csv", ns=(10**18 + 7, 10**18 + 7))
    assert repo.ingest("rows", tmp_path / "t.csv").added == 2
    receipt = repo.ingest("rows", tmp_path / "t.csv")
    assert (receipt.unchanged, receipt.bytes) == (2, 0)


# --- without the cache: by provenance ---------------------------------------------------------------------------------


def _forget(repo) -> None:
    shutil.rmtree(os.path.join(repo.path, ".hangar", "cache"), ignore_errors=True)


@pytest.mark.parametrize("what", ["moved", "touched", "forgotten", "copied"])
def test_files_of_equal_bytes_are_not_decoded_wherever_they_lie(repo, numbers, plugin, tmp_path, what):
    _reads(plugin, repo, numbers, commit="first")
    if what == "moved":
        numbers = numbers.rename(tmp_path / "elsewhere")
    elif what == "copied":
        numbers = shutil.copytree(numbers, tmp_path / "copy")
    elif what == "touched":
        for path in numbers.iterdir():
            path.touch()
    _forget(repo)
    for _ in "ab":
        plugin.loaded.clear()
        receipt = repo.ingest("x", numbers, commit="again")
        assert (receipt.unchanged, receipt.added, receipt.commit, plugin.loaded) == (10, 0, None, [])


def test_without_the_cache_other_bytes_versions_and_samples_are_read(repo, numbers, plugin, monkeypatch):
    _reads(plugin, repo, numbers, commit="first")
    (numbers / "3.num").write_text("7")  # of the same size
    (numbers / "4.num").write_text("44")
    with closing(repo.checkout(write=True)) as checkout:
        del checkout.arraysets["x"]["5"]
        checkout.arraysets["x"]["6"] = np.array([-1.0])
        checkout.commit("by hand")
    _forget(repo)
    assert _reads(plugin, repo, numbers, overwrite=True) == ["3.num", "4.num", "5.num", "6.num"]
    monkeypatch.setattr(Counting, "VERSION", "2")
    _forget(repo)
    assert len(_reads(plugin, repo, numbers)) == 10


def test_labels_count_without_the_cache_too(repo, numbers, plugin):
    _reads(plugin, repo, numbers, labels_from_parent=True, commit="first")
    _forget(repo)
    assert _reads(plugin, repo, numbers, labels_from_parent=True) == []
    elsewhere = numbers.rename(numbers.parent / "digits")
    assert len(_reads(plugin, repo, elsewhere, labels_from_parent=True)) == 10


def test_pictures_that_were_kept_are_known_again_unless_they_are_to_be_stored_otherwise(repo, pictures, tmp_path):
    repo.ingest("pets", pictures, check=False, commit="first")
    moved = pictures.rename(tmp_path / "moved")
    assert repo.ingest("pets", moved, check=False).unchanged == 4
    _forget(repo)
    assert len(repo.ingest("pets", moved).kept) == 4  # decoded this time, which nobody had done
    assert repo.ingest("pets", moved, overwrite=True, commit="checked").updated == 4
    _forget(repo)
    assert repo.ingest("pets", moved).unchanged == 4
    assert len(repo.ingest("pets", moved, store="pixels").kept) == 4


def test_a_member_of_a_file_is_not_taken_for_the_file(repo, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros(2), y=np.ones(2))
    repo.ingest("a", tmp_path / "x.npz", commit="first")
    with closing(repo.checkout(write=True)) as checkout:
        del checkout.arraysets["a"]["x/y"]
        checkout.commit("less")
    _forget(repo)
    assert repo.ingest("a", tmp_path / "x.npz").added == 1


@pytest.mark.parametrize("between", [0, 5, 50])
def test_files_are_found_in_the_cache_whatever_lies_between_them(tmp_path, between):
    rows = {f"/p/{name}": Row(Stamp(1, 2, 3), b"r" * 16, bytes([7]) * 32, b"s") for name in ("a", "c", "é", "z")}
    others = {f"/p/m{number}": Row(Stamp(4, 5, 6), b"r" * 16, b"x" * 32, b"s") for number in range(between)}
    with closing(SourceIndex(tmp_path / "cache" / "x.sqlite")) as index:
        index.enter("x", (rows | others).items())
        index.enter("y", others.items())
        assert index.lookup("x", ["/p/z", "/p/a", "/p/no", "/p/é", "/p/c"]) == rows
        assert index.lookup("x", ["/p/c"]) == {"/p/c": rows["/p/c"]}
        assert index.lookup("x", []) == {}


def test_the_cache_knows_paths_of_any_characters_together(tmp_path):
    """Bytes that are no text, and objects of a store with a NUL in their name, among others."""
    paths = ["/a/b.jpg", "/a/\udcff.jpg", "/a/\u00fc.jpg", "s3://bucket/a\0b.jpg"]
    rows = {path: Row(Stamp(number, 1, 2), b"r", b"s", b"x") for number, path in enumerate(paths)}
    with closing(SourceIndex(tmp_path / "cache" / "x.sqlite")) as index:
        index.enter("x", rows.items())
        for wanted in (paths, paths[:3], paths[3:], [*paths, "/a/none.jpg"]):
            assert index.lookup("x", wanted) == {path: rows[path] for path in wanted if path in rows}
        assert index.lookup("x", []) == {}
