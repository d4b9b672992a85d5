"""Folders and tables in: keys, schema, what a second import does, what is recorded for the way out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hangar_core.errors import FilesRejected, InvalidInput, InvalidName, NoPluginFor, PluginNotFound
from hangar_core.model import Schema


def _values(repo, arrayset):
    writer = repo.checkout(write=True)
    found = dict(writer.arraysets[arrayset].items())
    writer.close()
    return found


def test_folder_becomes_samples_named_by_their_path(repo, pictures, pixels):
    receipt = repo.ingest("photos", pictures)
    assert (receipt.added, receipt.updated, receipt.unchanged, receipt.files) == (4, 0, 0, 4)
    assert receipt.schema_created
    assert receipt.schema == Schema("|u1", (12, 7, 3), variable=True)
    assert receipt.plugins == {"image": 4}
    found = _values(repo, "photos")
    assert found.keys() == pixels.keys()
    assert all(np.array_equal(found[key], pixels[key]) for key in pixels)


def test_samples_are_staged_until_committed(repo, pictures):
    repo.ingest("photos", pictures)
    assert [(change.name, change.added) for change in repo.status().arraysets] == [("photos", 4)]
    repo.commit("first")
    assert repo.status().clean
    assert repo.summarize().arraysets[0].count == 4


def test_equal_sizes_make_a_fixed_shape(repo, tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((2, 2), number, np.int16))
    receipt = repo.ingest("x", [tmp_path / f"{number}.npy" for number in range(3)])
    assert receipt.schema == Schema("<i2", (2, 2))


def test_importing_the_same_again_changes_nothing(repo, pictures):
    repo.ingest("photos", pictures)
    repo.commit("first")
    before = sum(path.stat().st_size for path in (repo._context.layout.data / "20").iterdir())
    receipt = repo.ingest("photos", pictures)
    assert (receipt.added, receipt.updated, receipt.unchanged, receipt.kept) == (0, 0, 4, ())
    assert repo.status().clean
    assert sum(path.stat().st_size for path in (repo._context.layout.data / "20").iterdir()) == before


def test_samples_with_other_content_are_kept_and_said_unless_overwritten(repo, pictures, pixels):
    repo.ingest("photos", pictures)
    repo.commit("first")
    changed = pixels["cat/001"] ^ 255
    Image.fromarray(changed).save(pictures / "cat" / "001.png")
    receipt = repo.ingest("photos", pictures)
    assert (receipt.updated, receipt.unchanged) == (0, 3)
    assert [(reject.code, "cat/001" in reject.message) for reject in receipt.kept] == [("exists", True)]
    assert repo.status().clean
    receipt = repo.ingest("photos", pictures, overwrite=True)
    assert (receipt.updated, receipt.unchanged, receipt.kept) == (1, 3, ())
    assert np.array_equal(_values(repo, "photos")["cat/001"], changed)


def test_lone_files_are_named_by_their_stem(repo, pictures):
    receipt = repo.ingest("photos", [pictures / "cat" / "001.png", pictures / "dog" / "ünï.png"])
    assert receipt.added == 2
    assert _values(repo, "photos").keys() == {"001", "ünï"}


def test_names_keep_inner_dots_and_lose_only_the_extension(repo, tmp_path):
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "img.v1.JPG", format="JPEG")
    repo.ingest("x", tmp_path / "img.v1.JPG")
    assert _values(repo, "x").keys() == {"img.v1"}


def test_rows_of_a_lone_table_are_numbered(repo, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    receipt = repo.ingest("rows", tmp_path / "t.csv")
    assert receipt.schema == Schema("<i8", (2,))
    assert {key: row.tolist() for key, row in _values(repo, "rows").items()} == {0: [1, 2], 1: [3, 4], 2: [5, 6]}


def test_rows_of_tables_in_a_folder_are_numbered_below_their_file(repo, tmp_path):
    folder = tmp_path / "tables"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.csv").write_text("1,2\n3,4\n")
    (folder / "deep" / "two.csv").write_text("5,6\n")
    repo.ingest("rows", folder)
    assert _values(repo, "rows").keys() == {"one/000000000", "one/000000001", "deep/two/000000000"}


def test_wider_numbers_win_where_nothing_is_lost(repo, tmp_path):
    np.save(tmp_path / "narrow.npy", np.array([1, 2], np.uint8))
    np.save(tmp_path / "wide.npy", np.array([1, 70_000], np.int32))
    receipt = repo.ingest("x", [tmp_path / "narrow.npy", tmp_path / "wide.npy"])
    assert receipt.schema.dtype == "<i4"
    assert _values(repo, "x")["narrow"].tolist() == [1, 2]


def test_numbers_that_no_common_dtype_holds_are_refused(repo, tmp_path):
    np.save(tmp_path / "big.npy", np.array([2**63 + 1], np.uint64))
    np.save(tmp_path / "float.npy", np.array([0.5]))
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("x", [tmp_path / "big.npy", tmp_path / "float.npy"])
    assert [reject.code for reject in caught.value.rejects] == ["dtype"]
    assert repo.status().clean


def test_other_byte_order_and_layout_lose_nothing(repo, tmp_path):
    array = np.arange(6, dtype=">f8").reshape(2, 3)
    np.save(tmp_path / "big.npy", array)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(array))
    repo.ingest("x", [tmp_path / "big.npy", tmp_path / "fortran.npy"])
    found = _values(repo, "x")
    assert found["big"].tolist() == found["fortran"].tolist() == array.tolist()
    assert found["big"].dtype == np.dtype("<f8")


def test_scalars_and_empty_arrays_are_stored(repo, tmp_path):
    np.save(tmp_path / "s.npy", np.float32(2.5))
    repo.ingest("scalars", tmp_path / "s.npy")
    assert _values(repo, "scalars")["s"].shape == ()
    np.save(tmp_path / "e.npy", np.zeros((0, 3)))
    repo.ingest("empties", tmp_path / "e.npy")
    assert _values(repo, "empties")["e"].shape == (0, 3)


def test_hidden_files_are_passed_over_and_said(repo, pictures):
    (pictures / ".DS_Store").write_bytes(b"x")
    (pictures / ".git").mkdir()
    receipt = repo.ingest("photos", pictures)
    assert receipt.added == 4
    assert {reject.code for reject in receipt.ignored} == {"hidden"}
    assert len(receipt.ignored) == 2


def test_import_goes_to_the_branch_named(repo, pictures):
    repo.ingest("photos", pictures)
    repo.commit("first")
    repo.create_branch("dev")
    receipt = repo.ingest("more", pictures, branch="dev")
    assert receipt.branch == repo.staging_branch == repo.status().branch == "dev"


def test_progress_is_told_and_ends_at_the_total(repo, pictures):
    told = []
    repo.ingest("photos", pictures, progress=told.append)
    assert (told[-1].done, told[-1].total, told[-1].what) == (4, 4, "files")
    assert [one.done for one in told if one.total is None] == [1, 2, 3, 4]


def test_impossible_requests_are_typed_errors_and_change_nothing(repo, pictures, tmp_path):
    (tmp_path / "a.xyz").write_text("?")
    (tmp_path / "nothing").mkdir()
    for arguments, error in (
        (("photos", tmp_path / "missing"), InvalidInput),
        (("photos", tmp_path / "nothing"), InvalidInput),
        (("photos", tmp_path / "a.xyz"), NoPluginFor),
        (("no good", pictures), InvalidName),
    ):
        with pytest.raises(error):
            repo.ingest(*arguments)
    with pytest.raises(PluginNotFound, match="Plugin nope not found"):
        repo.ingest("photos", pictures, plugin="nope")
    with pytest.raises(InvalidInput, match="mood"):
        repo.ingest("photos", pictures, plugin_options={"mood": "RGB"})
    assert repo.status().clean
    repo.checkout(write=True).close()
