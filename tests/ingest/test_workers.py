"""Many files at once: the same result whatever the number and kind of workers; one that dies costs its file only."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository
from hangar_core.errors import FilesRejected, InvalidInput, StorageFailed
from hangar_core.external import plugin_manager
from hangar_core.ingest import Limits

ALWAYS = Limits(files=1, seconds=60.0)

STRANGER = '''
import os, shutil, signal, sys, time
import numpy as np
from hangar_core.external import BasePlugin

class Plugin(BasePlugin):
    """Does what the file says."""
    ISOLATED = RELEASES_GIL = False

    def __init__(self):
        super().__init__(provides=["load"], accepts=["deed"])

    def load(self, fpath, *, mood="calm"):
        with self.open_file(fpath) as file:
            word = file.read().decode()
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "exit":
            os._exit(3)
        if word == "sleep":
            time.sleep(600)
        if word == "slow rows":
            return ((time.sleep(0.7), np.full(3, row))[1:] + (row,) for row in range(5))
        if word == "eat":
            bytearray(1 << 40)
        if word == "raise":
            raise ZeroDivisionError("by design")
        if word == "exit at once":
            os._exit(1)
        if word == "tidy":
            for folder in os.listdir(mood):
                shutil.rmtree(os.path.join(mood, folder))
        if word == "print":
            print("[\\"end\\"]", flush=True)
            os.write(1, b"garbage\\n")
            sys.stdin.read()
        if word == "rows":
            return ((np.full(3, row), row) for row in range(2500))
        if word == "cut rows":
            def rows():
                yield np.zeros(3), 0
                raise self.bad_file(fpath, code="truncated", reason="cut short", fix="get it again")
            return rows()
        if word == "parts":
            return {"left": np.zeros(2), "note": "text", "raw": b"bytes"}, self.sample_name(fpath)
        return np.full(3, float(len(word))), self.sample_name(fpath)
'''


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An installed plugin for .deed files."""
    place = tmp_path / "packages"
    facts = place / "hangar_deed-1.0.dist-info"
    facts.mkdir(parents=True)
    (place / "hangar_deed.py").write_text(STRANGER)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: hangar-deed\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[hangar.external.plugins]\ndeed = hangar_deed:Plugin\n")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plugin_manager().refresh()
    yield
    sys.modules.pop("hangar_deed", None)
    monkeypatch.undo()
    plugin_manager().refresh()


@pytest.fixture
def deeds(tmp_path: Path) -> Path:
    """Forty files that are good."""
    folder = tmp_path / "deeds"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.deed").write_text("x" * (number + 1))
    return folder


def _content(repo: Repository, arrayset: str = "x") -> dict:
    writer = repo.checkout(write=True)
    found = {key: value.tolist() for key, value in writer.arraysets[arrayset].items()}
    writer.close()
    return found


def _imported(home: Path, paths, **choices) -> list:
    """Return what a fresh repository has for these files, in the order in which it was staged."""
    home.mkdir()
    repo = Repository(home, exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("x", paths, **choices)
    return list(_content(repo).items())


def test_the_result_is_the_same_whoever_reads(tmp_path, stranger, deeds):
    for number in range(30):
        Image.fromarray(np.full((4 + number % 3, 5, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    pictures = sorted(tmp_path.glob("*.png"))
    ways = {"alone": {"jobs": 1}, "threads": {"jobs": 4}, "processes": {"jobs": 2, "limits": ALWAYS}}
    for paths in (deeds, pictures):
        kind = "deeds" if paths is deeds else "pictures"
        alone, threads, processes = (_imported(tmp_path / f"{kind}-{name}", paths, **ways[name]) for name in ways)
        assert alone == threads == processes


def test_data_of_processes_are_stored_once_and_whole(repo, stranger, deeds):
    (deeds / "twin.deed").write_text("x")
    receipt = repo.ingest("x", deeds, jobs=2, limits=ALWAYS)
    assert receipt.added == 41
    repo.commit("all")
    assert _content(repo)["07"] == [8.0, 8.0, 8.0]
    assert not repo.repair().missing
    assert list((repo._context.layout.temporary).iterdir()) == []


def test_rows_and_parts_come_from_processes_too(repo, stranger, deeds):
    (deeds / "table.deed").write_text("rows")
    assert repo.ingest("x", deeds, jobs=2, limits=ALWAYS).added == 2540
    assert _content(repo)["table/000002499"] == [2499.0] * 3
    (deeds / "parts.deed").write_text("parts")
    receipt = repo.ingest("y", deeds / "parts.deed", jobs=2, limits=ALWAYS)
    assert {name: schema.kind for name, schema in receipt.arraysets.items()} == {
        "y.left": "array",
        "y.note": "text",
        "y.raw": "bytes",
    }
    assert receipt.schema is None


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("kill", "worker-crashed"),
        ("exit", "worker-crashed"),
        ("exit at once", "worker-crashed"),
        ("raise", "plugin-failed"),
        ("cut rows", "truncated"),
        pytest.param("eat", "out-of-memory", marks=pytest.mark.skipif(sys.platform != "linux", reason="no such limit")),
    ],
)
def test_a_file_that_brings_its_reader_down_costs_that_file_only(repo, stranger, deeds, word, code):
    (deeds / "20b.deed").write_text(word)
    receipt = repo.ingest("x", deeds, jobs=2, limits=ALWAYS, on_error="skip")
    assert [(Path(one.source).name, one.code) for one in receipt.rejects] == [("20b.deed", code)]
    assert receipt.added == 40
    assert "20b" not in _content(repo)


@pytest.mark.skipif(sys.platform == "win32", reason="no such timer")
def test_a_file_that_takes_too_long_is_given_up(repo, stranger, tmp_path):
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "a.deed").write_text("x")
    (folder / "b.deed").write_text("sleep")
    receipt = repo.ingest("x", folder, jobs=2, limits=Limits(files=1, seconds=0.5), on_error="skip")
    assert [(Path(one.source).name, one.code) for one in receipt.rejects] == [("b.deed", "timed-out")]
    assert receipt.added == 1


def test_what_a_plugin_prints_does_not_disturb(repo, stranger, deeds):
    (deeds / "20b.deed").write_text("print")
    assert repo.ingest("x", deeds, jobs=2, limits=ALWAYS).added == 41


def test_options_reach_the_processes_and_wrong_ones_are_refused(repo, stranger, deeds):
    assert repo.ingest("x", deeds, jobs=2, limits=ALWAYS, plugin_options={"mood": "wild"}).added == 40
    with pytest.raises(InvalidInput, match="moody"):
        repo.ingest("y", deeds, jobs=2, limits=ALWAYS, plugin_options={"moody": "wild"})


def test_the_first_file_may_be_the_one_that_brings_its_reader_down(repo, stranger, deeds):
    (deeds / "+.deed").write_text("exit at once")
    receipt = repo.ingest("x", deeds, jobs=2, limits=ALWAYS, on_error="skip")
    assert [one.code for one in receipt.rejects] == ["worker-crashed"]
    assert receipt.added == 40


def test_a_process_that_cannot_store_its_data_is_no_fault_of_the_file(repo, stranger, deeds):
    (deeds / "00.deed").write_text("tidy")
    temporary = str(repo._context.layout.temporary)
    with pytest.raises(StorageFailed):
        repo.ingest("x", deeds, jobs=2, limits=ALWAYS, on_error="skip", plugin_options={"mood": temporary})
    assert repo.status().clean


def test_nothing_is_staged_when_a_process_finds_a_bad_file(repo, stranger, deeds):
    (deeds / "20b.deed").write_text("kill")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("x", deeds, jobs=2, limits=ALWAYS)
    assert [one.code for one in caught.value.rejects] == ["worker-crashed"]
    assert repo.status().clean
    assert list((repo._context.layout.temporary).iterdir()) == []


@pytest.fixture
def saying(monkeypatch, stranger):
    """A function that has the installed plugin say something of itself, here and in other processes."""
    import hangar_deed

    def said(word):
        file = Path(hangar_deed.__file__)
        file.write_text(file.read_text().replace("ISOLATED = RELEASES_GIL = False", f"{word} = True"))
        sys.modules.pop("hangar_deed")
        plugin_manager().refresh()

    return said


@pytest.mark.parametrize("word", ["kill", "exit", "eat"])
def test_an_isolated_plugin_reads_even_one_file_in_another_process(repo, saying, tmp_path, word):
    saying("ISOLATED")
    (tmp_path / "a.deed").write_text(word)
    code = "out-of-memory" if word == "eat" else "worker-crashed"
    assert [one.code for one in repo.plan_ingest("x", tmp_path / "a.deed").rejects] == [code]
    with pytest.raises(FilesRejected) as refused:
        repo.ingest("x", tmp_path / "a.deed")
    assert [one.code for one in refused.value.rejects] == [code]


def test_a_plan_reads_only_the_first_rows_of_a_large_file(repo, saying, tmp_path):
    saying("ISOLATED")
    (tmp_path / "a.deed").write_text("rows")
    plan = repo.plan_ingest("x", tmp_path / "a.deed")
    assert plan.arraysets["x"].shape == (3,)
    assert plan.rejects == ()


def test_a_long_file_may_take_the_time_again_for_each_sample(repo, saying, tmp_path):
    saying("ISOLATED")
    (tmp_path / "a.deed").write_text("slow rows")
    assert repo.ingest("x", tmp_path / "a.deed", limits=Limits(seconds=2.5)).added == 5


def test_a_thread_that_does_not_come_back_costs_its_file_only(repo, saying, deeds):
    saying("RELEASES_GIL")
    (deeds / "20.deed").write_text("sleep")
    receipt = repo.ingest("x", deeds, on_error="skip", jobs=2, limits=Limits(seconds=1.5))
    assert [(one.code, Path(one.source).name) for one in receipt.rejects] == [("timed-out", "20.deed")]
    assert receipt.added == 39
    assert list(_content(repo)) == [f"{number:02}" for number in range(40) if number != 20]
