"""What is found below a folder, how samples are named, and what the plan says before anything is written."""

from __future__ import annotations

import os
import random
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core.errors import FilesRejected, InvalidInput, InvalidName
from hangar_core.external import BasePlugin, plugin_manager
from hangar_core.ingest.listing import entries_of
from hangar_core.ingest.taken import TakenNames
from hangar_core.model import Schema
from hangar_core.records.keys import encode_keys


def _tree(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.array([number]))
    return folder


def _samples(repo, arrayset="x") -> dict:
    with closing(repo.checkout(write=True)) as writer:
        return dict(writer.arraysets[arrayset].items())


# --- which files ----------------------------------------------------------------------------------------------------


def test_names_are_sorted_however_many_there_are(tmp_path):
    names = [f"{number * 7919 % 1000:03}\n{number}" if number % 5 else f"ü{number}" for number in range(500)]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    expected = sorted([*((name, "f") for name in names), ("folder", "d"), ("link", "l")])
    assert list(entries_of(str(tmp_path), run=64)) == list(entries_of(str(tmp_path))) == expected


def test_taken_names_are_exactly_those_that_were_added():
    taken = TakenNames()
    names = [f"sample {number}".encode() for number in range(20_000)]
    assert all(taken.add(name) for name in names)
    assert not any(taken.add(name) for name in names)
    assert len(names) == 20_000


def test_taken_numbers_are_the_same_in_ranges_and_one_by_one():
    """Against a set, with ranges that touch, overlap and contain each other, and numbers between them."""
    draw = random.Random(5)
    taken, known = TakenNames(), set()
    for _ in range(400):
        first, count = draw.randrange(500), draw.choice([1, 1, 2, 20, 60])
        numbers = range(first, first + count)
        names = encode_keys(numbers)
        again = [place for place, number in enumerate(numbers) if number in known]
        if draw.random() < 0.1:
            assert [place for place, name in enumerate(names) if not taken.add(name)] == again
        else:
            assert taken.add_many(names, first) == again
        known.update(numbers)
        assert len(taken) == len(known)


def test_patterns_choose_files_and_folders(repo, tmp_path):
    folder = _tree(tmp_path / "f", "a.npy", "b.npy", "deep/a.npy", "deep/c.npy", "raw/d.npy", "deep/raw/e.npy")
    repo.ingest("x", folder, include=["a.npy", "deep/*"], exclude=["raw/"])
    assert set(_samples(repo)) == {"a", "deep/a", "deep/c"}
    receipt = repo.ingest("y", folder, exclude=["*.npy", "!c.npy"])
    assert set(_samples(repo, "y")) == {"deep/c"}
    assert (receipt.files, receipt.ignored) == (1, ())  # what was asked for is not mentioned


def test_a_file_named_itself_is_taken_whatever_the_patterns(repo, tmp_path):
    folder = _tree(tmp_path / "f", "a.npy")
    assert repo.ingest("x", folder / "a.npy", include=["*.png"]).added == 1


def test_hangarignore_leaves_out_what_it_says_below_its_folder(repo, tmp_path):
    folder = _tree(tmp_path / "f", "a.npy", "tmp/b.npy", "deep/a.npy", "deep/keep.npy", "deep/er/a.npy")
    (folder / ".hangarignore").write_text("# not yet\ntmp/\nkeep.npy\n")
    (folder / "deep" / ".hangarignore").write_text("/a.npy\n!keep.npy\n")
    receipt = repo.ingest("x", folder)
    assert set(_samples(repo)) == {"a", "deep/keep", "deep/er/a"}
    left_out = {(os.path.relpath(one.source, folder), one.code) for one in receipt.ignored}
    assert left_out == {("tmp", "ignored"), ("deep/a.npy", "ignored")}
    assert receipt.ignored_count == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a[\n!"])
def test_a_hangarignore_that_cannot_be_understood_is_an_error_not_a_guess(repo, tmp_path, content):
    folder = _tree(tmp_path / "f", "a.npy")
    (folder / ".hangarignore").write_bytes(content)
    with pytest.raises(InvalidInput, match="hangarignore"):
        repo.ingest("x", folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_a_pipe_called_hangarignore_is_not_waited_for(repo, tmp_path):
    folder = _tree(tmp_path / "f", "a.npy")
    os.mkfifo(folder / ".hangarignore")
    with pytest.raises(InvalidInput, match="is no file"):
        repo.ingest("x", folder)


def test_a_deep_tree_is_no_deeper_than_calls_can_be(repo, tmp_path):
    deep = tmp_path / "f"
    deep.mkdir()
    here = os.getcwd()
    os.chdir(deep)
    try:
        for _ in range(100):
            os.mkdir("d")
            os.chdir("d")
        np.save("a.npy", np.zeros(1))
    finally:
        os.chdir(here)
    assert repo.ingest("x", deep).added == 1
    assert set(_samples(repo)) == {"d/" * 100 + "a"}


# --- names ----------------------------------------------------------------------------------------------------------


def test_samples_may_be_named_by_their_file_alone(repo, tmp_path):
    folder = _tree(tmp_path / "f", "one/a.npy", "two/b.npy")
    repo.ingest("x", folder, key="stem")
    assert set(_samples(repo)) == {"a", "b"}
    _tree(folder, "three/a.npy")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("y", folder, key="stem")
    (reject,) = caught.value.rejects
    assert reject.code == "collision"
    assert "one/a.npy" in reject.message


def test_samples_may_be_named_by_their_bytes_and_equal_files_are_one(repo, tmp_path):
    import hashlib

    folder = _tree(tmp_path / "f", "a.npy", "b.npy")
    (folder / "twin.npy").write_bytes((folder / "a.npy").read_bytes())
    receipt = repo.ingest("x", folder, key="sha")
    names = {hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("a.npy", "b.npy")}
    assert set(_samples(repo)) == names
    assert receipt.added == 2
    assert repo.ingest("x", folder, key="sha").added == 0


def test_names_that_differ_in_case_are_different_names(repo, tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "probe").touch()
    if (folder / "PROBE").exists():
        pytest.skip("this file system does not tell them apart")
    (folder / "probe").unlink()
    _tree(folder, "a.npy", "A.npy")
    assert repo.ingest("x", folder).added == 2


def test_labels_come_from_the_folder_a_file_is_in(repo, pictures):
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(pictures / "top.png")
    receipt = repo.ingest("photos", pictures, labels_from_parent=True)
    assert receipt.added == 5
    assert receipt.arraysets["photos.label"] == Schema("text", (), variable=True, kind="text")
    assert _samples(repo, "photos.label") == {
        "cat/001": "cat",
        "cat/with space": "cat",
        "dog/001": "dog",
        "dog/ünï": "dog",
        "top": "pictures",
    }
    repo.commit("labelled")
    assert repo.ingest("photos", pictures, labels_from_parent=True).unchanged == 5


def test_a_name_too_long_for_the_labels_is_refused_before_anything_is_read(repo, pictures):
    with pytest.raises(InvalidName):
        repo.ingest("p" * 60, pictures, labels_from_parent=True)


# --- several arraysets, text and bytes ------------------------------------------------------------------------------


class _Fields(BasePlugin):
    def __init__(self) -> None:
        super().__init__(provides=["load"], accepts=["fields"])

    def load(self, fpath, *args, **options):
        with self.open_file(fpath) as file:
            rows = file.read().decode().split("\n")
        return (({"open": np.float64(row), "note": f"row {row}", "raw": row.encode()}, int(row)) for row in rows)


@pytest.fixture
def fields():
    plugin_manager().register("fields", _Fields)
    yield
    plugin_manager().unregister("fields")


def test_a_mapping_feeds_several_arraysets(repo, tmp_path, fields):
    (tmp_path / "p.fields").write_text("1\n2\n3")
    receipt = repo.ingest("prices", tmp_path / "p.fields")
    assert receipt.added == 3
    assert {name: schema.kind for name, schema in receipt.arraysets.items()} == {
        "prices.note": "text",
        "prices.open": "array",
        "prices.raw": "bytes",
    }
    assert _samples(repo, "prices.note") == {1: "row 1", 2: "row 2", 3: "row 3"}
    assert _samples(repo, "prices.raw")[2] == b"2"
    assert repo.ingest("prices", tmp_path / "p.fields").unchanged == 3


def test_a_field_that_cannot_name_an_arrayset_is_said(repo, tmp_path, fields):
    (tmp_path / "p.fields").write_text("1")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("p" * 62, tmp_path / "p.fields")
    (reject,) = caught.value.rejects
    assert (reject.code, ".open" in reject.message, reject.fix) == ("bad-name", True, "rename the field")


def test_parts_of_a_sample_are_replaced_together_or_not_at_all(repo, tmp_path, fields):
    (tmp_path / "p.fields").write_text("1\n2")
    repo.ingest("prices", tmp_path / "p.fields")
    with closing(repo.checkout(write=True)) as writer:
        writer["prices.note", 1] = "by hand"
        del writer.arraysets["prices.open"][1]
    receipt = repo.ingest("prices", tmp_path / "p.fields")
    assert ([one.code for one in receipt.kept], receipt.unchanged) == (["exists"], 1)
    assert set(_samples(repo, "prices.open")) == {2}
    assert repo.ingest("prices", tmp_path / "p.fields", overwrite=True).updated == 1
    assert _samples(repo, "prices.note")[1] == "row 1"
    assert set(_samples(repo, "prices.open")) == {1, 2}


# --- the plan -------------------------------------------------------------------------------------------------------


def _everything(repo) -> dict[str, bytes]:
    root = repo._context.layout.root
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "lock.mdb"}


def test_the_plan_says_what_an_import_would_do_and_writes_nothing(repo, pictures):
    (pictures / "notes.xyz").write_text("hello")
    (pictures / "cut.png").write_bytes(b"\x89PNG")
    before = _everything(repo)
    plan = repo.plan_ingest("photos", pictures, labels_from_parent=True)
    assert _everything(repo) == before
    assert (plan.files, plan.unchanged, plan.sampled) == (5, 0, 5)
    assert plan.extensions == {"png": 5}
    assert plan.labels == {"cat": 2, "dog": 2, "pictures": 1}
    assert plan.arraysets["photos"] == Schema("|u1", (12, 7, 3), variable=True)
    assert plan.created == ("photos", "photos.label")
    assert {os.path.basename(one.source): one.code for one in plan.rejects} == {
        "notes.xyz": "no-plugin",
        "cut.png": "truncated",
    } or {one.code for one in plan.rejects} == {"no-plugin", "wrong-format"}


def test_the_plan_knows_what_is_there_and_needs_no_lock(repo, pictures):
    repo.ingest("photos", pictures)
    with closing(repo.checkout(write=True)):
        plan = repo.plan_ingest("photos", pictures)
        assert (plan.files, plan.unchanged, plan.created) == (0, 4, ())
        Image.fromarray(np.zeros((50, 7), np.uint8)).save(pictures / "odd.png")
        (reject,) = repo.plan_ingest("photos", pictures).rejects
        assert reject.code == "shape"


def test_the_plan_of_another_branch_is_that_of_its_head(repo, pictures):
    repo.ingest("photos", pictures, commit="first")
    repo.create_branch("dev")
    repo.ingest("more", pictures)
    assert repo.plan_ingest("more", pictures, branch="dev").created == ("more",)
    assert repo.plan_ingest("photos", pictures, branch="dev").unchanged == 4


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_a_tree_is_scanned_alike_whether_or_not_something_may_leave_files_out(tmp_path):
    """Where neither patterns nor rules are, files are not asked for one by one."""
    from hangar_core.ingest.ignoring import Patterns
    from hangar_core.ingest.walking import walk

    names = ("b.npy", "a/c.npy", "a/line\nbreak.npy", "bell\a/x.npy", "bell\a/y.txt", ".hidden", "a/.hidden.npy")
    _tree(tmp_path, *(name if name.endswith(".npy") else f"{name}.npy" for name in names))
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "a" / "pipe")
    plain = list(walk([tmp_path], Patterns((), ())))
    assert list(walk([tmp_path], Patterns(("*", "**/*"), ()))) == plain
    assert list(walk([tmp_path], Patterns((), ("nothing",)))) == plain
    shown = [item.shown for item in plain if hasattr(item, "shown")]
    assert [Path(one).relative_to(tmp_path).as_posix() for one in shown] == [
        "a/c.npy",
        "a/line\\nbreak.npy",
        "b.npy",
        "bell\\x07/x.npy",
        "bell\\x07/y.txt.npy",
    ]
    assert sorted(item.reject.code for item in plain if not hasattr(item, "shown")) == [
        "hidden",
        "hidden",
        "link",
        "not-a-file",
    ]
