"""The corpus of bad files under each policy: none stops the others, none is silent, the good ones are stored all."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository
from hangar_core.errors import FilesRejected
from hangar_core.ingest import Limits

from .corpus import fill

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="such names and kinds of files do not exist there")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "files"
    return (folder, *fill(folder))


def _check_rejects(rejects, folder: Path, bad: dict[str, set[str]]) -> None:
    shown = {_escaped(name): codes for name, codes in bad.items()}
    found = {os.path.relpath(one.source, folder): one.code for one in rejects}
    assert found.keys() == shown.keys()
    wrong = {name: (code, shown[name]) for name, code in found.items() if code not in shown[name]}
    assert wrong == {}
    assert all(one.message.isprintable() and one.message and one.fix for one in rejects)


def _escaped(name: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)


def test_the_corpus_is_large_enough(corpus):
    assert len(corpus[1]) >= 60


@pytest.mark.parametrize("policy", ["skip", "quarantine"])
@pytest.mark.parametrize("limits", [Limits(), Limits(files=1)], ids=["threads", "processes"])
def test_good_neighbours_are_stored_all_and_every_bad_file_is_named(repo, corpus, policy, limits):
    folder, bad, good = corpus
    receipt = repo.ingest("x", folder, on_error=policy, jobs=2, limits=limits)
    _check_rejects(receipt.rejects, folder, bad)
    with closing(repo.checkout(write=True)) as writer:
        samples = writer.arraysets["x"]
        assert set(samples.keys()) == good.keys()
        for key, path in good.items():
            with Image.open(path) as image:
                assert np.array_equal(samples[key], np.asarray(image.convert("RGB")))
    again = repo.ingest("x", folder, on_error=policy, jobs=2)
    assert (again.added, again.unchanged) == (0, len(good))
    assert len(again.rejects) + again.quarantined == len(bad)


def test_nothing_is_staged_and_all_are_named_under_the_policy_error(repo, corpus):
    folder, bad, _ = corpus
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("x", folder, exclude=["names/"])
    # Whether a sample is like the others is a question for later: first all files have to be readable.
    files = {name: codes for name, codes in bad.items() if not name.startswith("names/")}
    _check_rejects(caught.value.rejects, folder, files)
    assert repo.status().clean


# --- many files, and a kill -------------------------------------------------------------------------------------------


def _many(folder: Path, count: int) -> tuple[set[str], set[str]]:
    """Make a folder of pictures and arrays, of which every fiftieth is bad; return good keys and names of bad files."""
    good, bad = set(), set()
    for number in range(count):
        place = folder / f"{number % 20:02}"
        place.mkdir(parents=True, exist_ok=True)
        name = f"{number:05}.{'png' if number % 2 else 'npy'}"
        array = np.full((4 + number % 3, 5, 3), number % 256, np.uint8)
        if number % 50 == 7:
            (place / name).write_bytes(b"" if number % 100 == 7 else b"\x89PNG cut")
            bad.add(name)
            continue
        if number % 2:
            Image.fromarray(array).save(place / name, compress_level=1)
        else:
            np.save(place / name, array)
        good.add(f"{place.name}/{number:05}")
    return good, bad


_IMPORT = """
import sys
from hangar_core import Repository
from hangar_core.ingest import Limits
def told(progress):
    if progress.what == "files":
        print(progress.done, flush=True)
if __name__ == "__main__":
    Repository(sys.argv[1]).ingest(
        "x", sys.argv[2], on_error=sys.argv[3], jobs=2, limits=Limits(files=10), progress=told
    )
"""


def _kill_at(repo: Repository, folder: Path, policy: str, files: int) -> None:
    """Import in another process and kill that when it has read so many files."""
    words = [sys.executable, "-c", _IMPORT, str(repo.path), str(folder), policy]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= files:
            process.kill()
            break
    process.wait()
    process.stdout.close()


def _import_killed_and_again(repo: Repository, folder: Path, count: int, policy: str) -> None:
    good, bad = _many(folder, count)
    _kill_at(repo, folder, policy, count * 2 // 3)
    with closing(repo.checkout(write=True)) as writer:
        there = set(writer.arraysets["x"].keys()) if "x" in writer.arraysets else set()
        assert there <= good
        for key in sorted(there)[:20]:
            assert writer["x", key].shape[1:] == (5, 3)
    receipt = repo.ingest("x", folder, on_error=policy, jobs=2, commit="all")
    assert receipt.unchanged == len(there)
    assert receipt.added == len(good) - len(there)
    assert {os.path.basename(one.source) for one in receipt.rejects} <= bad
    assert len(receipt.rejects) + receipt.quarantined == len(bad)
    with closing(repo.checkout()) as reader:
        samples = reader.arraysets["x"]
        assert set(samples.keys()) == good
        assert all(samples[key].max() == int(key[3:]) % 256 for key in good)
    assert not repo.repair().missing
    again = repo.ingest("x", folder, on_error=policy, commit="nothing new")
    assert (again.added, again.unchanged, again.commit) == (0, len(good), None)


@pytest.mark.parametrize("policy", ["skip", "quarantine"])
def test_two_thousand_files_with_a_kill_in_the_middle(repo, tmp_path, policy):
    _import_killed_and_again(repo, tmp_path / "many", 2_000, policy)


@pytest.mark.slow
def test_twenty_thousand_files_with_a_kill_in_the_middle(repo, tmp_path):
    _import_killed_and_again(repo, tmp_path / "many", 20_000, "quarantine")
