"""What becomes of bad files under each policy, and that an import which was stopped goes on where it was."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository
from hangar_core.errors import FilesRejected, InvalidInput, TooManyRejected
from hangar_core.external import BasePlugin, plugin_manager
from hangar_core.ingest import publishing
from hangar_core.model import Schema


@pytest.fixture
def mixed(pictures: Path) -> Path:
    """Four good pictures and two bad ones."""
    (pictures / "cat" / "empty.png").write_bytes(b"")
    (pictures / "dog" / "text.png").write_bytes(b"no picture")
    return pictures


def _keys(repo: Repository, arrayset: str) -> list:
    with closing(repo.checkout(write=True)) as writer:
        return sorted(writer.arraysets[arrayset].keys())


def _codes(rejects) -> dict[str, str]:
    return {os.path.basename(one.source): one.code for one in rejects}


BAD = {"empty.png": "empty", "text.png": "wrong-format"}


def test_skipped_files_are_listed_and_the_rest_is_staged(repo, mixed):
    receipt = repo.ingest("photos", mixed, on_error="skip")
    assert _codes(receipt.rejects) == BAD
    assert (receipt.added, receipt.files) == (4, 6)
    assert len(_keys(repo, "photos")) == 4
    again = repo.ingest("photos", mixed, on_error="skip")  # a skipped file is tried each time
    assert (again.unchanged, _codes(again.rejects)) == (4, BAD)


def test_quarantined_files_are_not_tried_again_until_they_change(repo, mixed):
    first = repo.ingest("photos", mixed, on_error="quarantine")
    assert _codes(first.rejects) == BAD
    for policy in ("quarantine", "skip", "error"):
        again = repo.ingest("photos", mixed, on_error=policy)
        assert (again.added, again.unchanged, again.rejects, again.quarantined) == (0, 4, (), 2)
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(mixed / "cat" / "empty.png")
    mended = repo.ingest("photos", mixed)
    assert (mended.added, mended.unchanged, mended.quarantined) == (1, 4, 1)
    assert repo.ingest("photos", mixed).quarantined == 1


def test_quarantine_is_retried_on_request_and_forgets_what_is_mended(repo, mixed):
    repo.ingest("photos", mixed, on_error="quarantine", labels_from_parent=True)
    (mixed / "dog" / "text.png").unlink()
    good = mixed / "cat" / "empty.png"
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(good)
    receipt = repo.ingest("photos", [], retry_quarantined=True, labels_from_parent=True)
    assert (receipt.added, receipt.files, receipt.rejects) == (1, 2, ())
    assert [one.code for one in receipt.ignored] == ["vanished"]
    with closing(repo.checkout(write=True)) as writer:
        assert writer["photos.label", "cat/empty"] == "cat"
    assert repo.ingest("photos", [], retry_quarantined=True).files == 0
    assert not repo._context.layout.quarantine.exists()


def test_quarantine_can_be_retried_below_a_folder(repo, mixed):
    repo.ingest("photos", mixed, on_error="quarantine")
    receipt = repo.ingest("photos", mixed / "cat", retry_quarantined=True, on_error="quarantine")
    assert _codes(receipt.rejects) == {"empty.png": "empty"}
    assert repo.ingest("photos", mixed).quarantined == 2


def test_another_recipe_tries_quarantined_files_again(repo, mixed):
    repo.ingest("photos", mixed, on_error="quarantine")
    again = repo.ingest("photos", mixed, on_error="skip", plugin_options={"mode": "RGB"})
    assert (_codes(again.rejects), again.quarantined) == (BAD, 0)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 1, "files": [{}]}', b"\xff"])
def test_a_damaged_list_of_quarantined_files_is_begun_anew(repo, mixed, damage):
    repo.ingest("photos", mixed, on_error="quarantine")
    repo._context.layout.quarantine.write_bytes(damage)
    assert _codes(repo.ingest("photos", mixed, on_error="quarantine").rejects) == BAD
    assert repo.ingest("photos", mixed).quarantined == 2


@pytest.mark.parametrize("policy", ["error", "skip", "quarantine"])
def test_too_many_bad_files_stop_the_import(repo, mixed, policy):
    with pytest.raises(TooManyRejected) as caught:
        repo.ingest("photos", mixed, on_error=policy, max_errors=1)
    assert (caught.value.limit, caught.value.exit_code) == (1, 1)
    assert len(caught.value.rejects) == 2
    if policy == "error":
        assert repo.status().clean
        with pytest.raises(FilesRejected):
            repo.ingest("photos", mixed, on_error=policy, max_errors=2)
    else:
        receipt = repo.ingest("photos", mixed, on_error=policy, max_errors=2)
        assert receipt.added + receipt.unchanged == 4


def test_names_that_meet_cost_the_second_file_only(repo, mixed):
    (mixed / "cat" / "001.gif").write_bytes(b"GIF89a")
    receipt = repo.ingest("photos", mixed, on_error="skip")
    found = _codes(receipt.rejects)
    assert found.pop("001.png") == "collision"  # 001.gif comes first
    assert found == BAD | {"001.gif": "truncated"} or found == BAD | {"001.gif": "wrong-format"}
    assert _keys(repo, "photos") == ["cat/with space", "dog/001", "dog/ünï"]


def test_other_shapes_are_skipped_by_majority(repo, pictures):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(pictures / "grey.png")
    receipt = repo.ingest("photos", pictures, on_error="skip")
    assert (receipt.added, _codes(receipt.rejects)) == (4, {"grey.png": "shape"})


# --- a schema that grows ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(publishing, "BATCH", 3)


def _arrays(folder: Path, arrays) -> Path:
    folder.mkdir()
    for number, array in enumerate(arrays):
        np.save(folder / f"{number:02}.npy", array)
    return folder


def test_a_wider_value_in_a_later_batch_promotes_the_arrayset(repo, tmp_path, small_batches):
    arrays = [np.full((2, 2), number, np.uint8) for number in range(5)]
    arrays += [np.full((3, 2), 300, np.int16), np.full((1, 2), 2.5, np.float32), np.zeros((2, 2), np.uint8)]
    receipt = repo.ingest("x", _arrays(tmp_path / "a", arrays), on_error="skip", jobs=1)
    assert receipt.rejects == ()
    assert receipt.schema == Schema("<f4", (3, 2), variable=True)
    with closing(repo.checkout(write=True)) as writer:
        found = writer.arraysets["x"]
        for number, array in enumerate(arrays):
            assert found[f"{number:02}"].tolist() == array.tolist()
            assert found[f"{number:02}"].dtype == np.float32
    repo.commit("all")
    assert repo.ingest("x", tmp_path / "a", on_error="skip").added == 0


@pytest.mark.parametrize("overwrite", [False, True])
def test_promotion_changes_no_value_and_keeps_none_as_other_content(repo, tmp_path, overwrite):
    folder = _arrays(tmp_path / "a", [np.full((2,), 1, np.uint8), np.full((2,), 2, np.uint8)])
    repo.ingest("x", folder)
    repo._context.layout.import_index.unlink()
    np.save(folder / "01.npy", np.full((2,), 7, np.uint8))
    np.save(folder / "02.npy", np.full((2,), 300, np.int16))
    receipt = repo.ingest("x", folder, overwrite=overwrite)
    assert (receipt.added, receipt.unchanged, receipt.updated) == (1, 1, int(overwrite))
    assert [one.source[-6:] for one in receipt.kept] == ([] if overwrite else ["01.npy"])
    with closing(repo.checkout(write=True)) as writer:
        found = {key: value.tolist() for key, value in writer.arraysets["x"].items()}
        assert found == {"00": [1, 1], "01": [7, 7] if overwrite else [2, 2], "02": [300, 300]}
        writer.commit("promoted")
    assert repo.summarize().arraysets[0].schema.dtype == "<i2"


def test_what_could_not_become_wider_without_loss_stays(repo, tmp_path, small_batches):
    big = np.full((2,), 2**53 + 1, np.int64)
    arrays = [big, big + 1, big + 2, np.full((2,), 0.5), big + 3]
    receipt = repo.ingest("x", _arrays(tmp_path / "a", arrays), on_error="skip", jobs=1)
    assert _codes(receipt.rejects) == {"03.npy": "dtype"}
    assert receipt.schema == Schema("<i8", (2,))
    assert receipt.added == 4


def test_an_arrayset_that_was_committed_keeps_its_schema(repo, tmp_path):
    repo.ingest("x", _arrays(tmp_path / "a", [np.zeros((2, 2), np.uint8)]))
    repo.ingest("x", _arrays(tmp_path / "b", [np.zeros((2, 2), np.uint8)] * 2 + [np.zeros((3, 2), np.uint8)]))
    repo.commit("grown until here")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("x", _arrays(tmp_path / "c", [np.zeros((9, 2), np.uint8)]), overwrite=True)
    assert _codes(caught.value.rejects) == {"00.npy": "shape"}


# --- stopped and continued --------------------------------------------------------------------------------------------


def test_an_import_that_is_stopped_keeps_whole_batches_and_goes_on(repo, tmp_path, small_batches):
    folder = _arrays(tmp_path / "a", [np.full((2,), number) for number in range(20)])

    def stop(progress):
        if progress.what == "files" and progress.done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repo.ingest("x", folder, on_error="skip", progress=stop, labels_from_parent=True)
    staged = _keys(repo, "x")
    assert staged == [f"{number:02}" for number in range(9)]
    assert _keys(repo, "x.label") == staged
    receipt = repo.ingest("x", folder, on_error="skip", labels_from_parent=True)
    assert (receipt.added, receipt.unchanged) == (11, 9)


def test_commit_at_the_end_if_anything_changed(repo, pictures):
    receipt = repo.ingest("photos", pictures, commit="nightly {date}")
    entry = repo.log_entries()[0]
    assert receipt.commit == entry.id.hex()
    assert entry.commit.message.startswith("nightly 2")
    assert entry.commit.message.count("-") == 2
    assert repo.ingest("photos", pictures, commit="nightly {date}").commit is None
    assert len(repo.log_entries()) == 1


def test_commit_takes_what_an_interrupted_import_has_staged(repo, pictures):
    repo.ingest("photos", pictures, on_error="skip")
    assert repo.ingest("photos", pictures, on_error="skip", commit="all").commit is not None
    assert repo.status().clean


@pytest.mark.parametrize(
    "choices",
    [{"key": "name"}, {"on_error": "ignore"}, {"jobs": 0}, {"max_errors": -1}],
    ids=lambda choices: next(iter(choices)),
)
def test_impossible_choices_are_refused(repo, pictures, choices):
    with pytest.raises(InvalidInput):
        repo.ingest("photos", pictures, **choices)


# --- files that do not stand still ------------------------------------------------------------------------------------


class _Meddling(BasePlugin):
    """Does to files, while it loads one, what its content says."""

    def __init__(self) -> None:
        super().__init__(provides=["load"], accepts=["deed"])

    def load(self, fpath, *args, **options):
        path = Path(fpath)
        with self.open_file(path) as file:
            word, _, other = file.read().decode().partition(" ")
        if word == "remove":
            (path.parent / other).unlink()
        if word == "grow":
            (path.parent / other).write_text("grown since")
        return np.zeros(2), self.sample_name(path)


@pytest.fixture
def meddling():
    plugin_manager().register("meddling", _Meddling)
    yield
    plugin_manager().unregister("meddling")


def test_files_that_vanish_or_grow_while_they_are_read_are_rejected(repo, tmp_path, meddling):
    folder = tmp_path / "deeds"
    folder.mkdir()
    for name, word in {"a": "remove b.deed", "b": "x", "c": "grow c.deed", "d": "remove d.deed", "e": "x"}.items():
        (folder / f"{name}.deed").write_text(word)
    receipt = repo.ingest("x", folder, on_error="skip")
    found = _codes(receipt.rejects)
    assert found == {"b.deed": "unreadable", "c.deed": "changed", "d.deed": "changed"}
    assert _keys(repo, "x") == ["a", "e"]


def test_a_folder_that_vanishes_is_said(repo, pictures, monkeypatch):
    from hangar_core.ingest import walking

    real = walking.entries_of

    def gone(directory: str):
        if directory.endswith("dog/"):
            raise FileNotFoundError(2, "No such file or directory", directory)
        return real(directory)

    monkeypatch.setattr(walking, "entries_of", lambda directory: _late(gone, directory))
    receipt = repo.ingest("photos", pictures, on_error="skip")
    assert _codes(receipt.rejects) == {"dog": "unreadable"}
    assert receipt.added == 2


def _late(function, argument):
    """Call a function when the first item of what it returns is asked for."""
    yield from function(argument)
