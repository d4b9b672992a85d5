"""Samples out: the same layout, the same values, never outside the target, never silently over other content."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core.errors import (
    AlreadyExists,
    ArraysetNotFound,
    InvalidData,
    InvalidInput,
    NoCommits,
    NoPluginFor,
    PluginNotFound,
    SampleNotFound,
)


@pytest.fixture
def photos(repo, pictures):
    repo.ingest("photos", pictures)
    repo.commit("first")
    return repo


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def _files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_pictures_come_out_as_they_went_in(photos, out, pixels):
    receipt = photos.export("photos", out)
    assert (receipt.written, receipt.unchanged, receipt.samples) == (4, 0, 4)
    assert _files(out) == sorted(f"{name}.png" for name in pixels)
    for name, array in pixels.items():
        with Image.open(out / f"{name}.png") as image:
            assert np.array_equal(np.asarray(image), array)


def test_exporting_again_changes_nothing(photos, out):
    photos.export("photos", out)
    times = {path: (out / path).stat().st_mtime_ns for path in _files(out)}
    receipt = photos.export("photos", out)
    assert (receipt.written, receipt.unchanged) == (0, 4)
    assert {path: (out / path).stat().st_mtime_ns for path in _files(out)} == times


def test_other_content_in_the_way_stops_everything_unless_overwritten(photos, out, pixels):
    (out / "dog").mkdir()
    (out / "dog" / "001.png").write_bytes(b"mine")
    with pytest.raises(AlreadyExists, match=r"001\.png"):
        photos.export("photos", out)
    assert _files(out) == ["dog/001.png"]
    assert (out / "dog" / "001.png").read_bytes() == b"mine"
    assert photos.export("photos", out, overwrite=True).written == 4
    with Image.open(out / "dog" / "001.png") as image:
        assert np.array_equal(np.asarray(image), pixels["dog/001"])


def test_a_folder_in_the_way_is_never_replaced(photos, out):
    (out / "cat" / "001.png").mkdir(parents=True)
    with pytest.raises(AlreadyExists):
        photos.export("photos", out, overwrite=True)
    assert _files(out) == []


def test_links_never_lead_outside(photos, out, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (out / "cat").symlink_to(outside)
    with pytest.raises(InvalidInput, match="outside"):
        photos.export("photos", out, overwrite=True)
    assert list(outside.iterdir()) == []
    (outside / "file").write_bytes(b"precious")
    (out / "cat").unlink()
    (out / "cat").mkdir()
    (out / "cat" / "001.png").symlink_to(outside / "file")
    photos.export("photos", out, overwrite=True)
    assert (outside / "file").read_bytes() == b"precious"
    assert not (out / "cat" / "001.png").is_symlink()


def test_what_appears_after_we_looked_is_not_replaced(photos, out, monkeypatch):
    """Somebody else writes a file while we compare another one, which is the last that we look at."""
    photos.export("photos", out, samples=["dog/\u00fcn\u00ef"])
    compare = filecmp.cmp

    def meanwhile(*arguments, **options):
        (out / "cat").mkdir()
        (out / "cat" / "001.png").write_bytes(b"theirs")
        return compare(*arguments, **options)

    monkeypatch.setattr(filecmp, "cmp", meanwhile)
    with pytest.raises(AlreadyExists, match=r"001\.png"):
        photos.export("photos", out)
    assert (out / "cat" / "001.png").read_bytes() == b"theirs"


def test_as_many_jobs_as_asked_for_write_the_same_files(photos, out, pixels):
    for jobs in (1, 3):
        receipt = photos.export("photos", out, jobs=jobs, verify=True)
        assert receipt.samples == len(pixels)
        assert receipt.verified.identical == len(pixels)
    assert receipt.unchanged == len(pixels)
    with pytest.raises(InvalidInput, match="jobs"):
        photos.export("photos", out, jobs=0)


def test_some_samples_are_enough(photos, out):
    assert photos.export("photos", out, samples=["cat/001", "cat/001"]).written == 1
    assert _files(out) == ["cat/001.png"]


def test_unknown_names_write_nothing(photos, out):
    for arguments, error in (
        ({"samples": ["cat/001", "nope"]}, SampleNotFound),
        ({"format": "xyz"}, NoPluginFor),
        ({"plugin": "nope"}, PluginNotFound),
        ({"start": "nope"}, LookupError),
    ):
        with pytest.raises(error):
            photos.export("photos", out, **arguments)
    with pytest.raises(ArraysetNotFound):
        photos.export("nope", out)
    with pytest.raises(InvalidInput):
        photos.export("photos", out / "missing")
    assert list(out.iterdir()) == []


def test_nothing_committed_is_said(repo, pictures, out):
    repo.ingest("photos", pictures)
    with pytest.raises(NoCommits):
        repo.export("photos", out)


def test_a_format_that_cannot_hold_the_data_is_refused_whole(repo, tmp_path, out):
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 2, 2)))
    repo.ingest("x", tmp_path / "a.npy")
    repo.commit("first")
    with pytest.raises(InvalidData):
        repo.export("x", out, format="png")
    assert list(out.iterdir()) == []
    assert repo.export("x", out).paths == (str(out / "a.npy"),)


def test_lossy_sources_come_out_in_a_format_that_keeps_every_bit(repo, tmp_path, out, pixels):
    Image.fromarray(pixels["cat/001"]).save(tmp_path / "a.jpg")
    repo.ingest("x", tmp_path / "a.jpg", store="pixels")
    repo.commit("first")
    (path,) = repo.export("x", out).paths
    assert path.endswith("a.png")
    with Image.open(path) as back, Image.open(tmp_path / "a.jpg") as source:
        assert np.array_equal(np.asarray(back), np.asarray(source))


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n3,4\n", "1;2\n3;4\n", "x\ty\n0.1\t-0.0\nnan\t1e+300\n", "v\n" + "\n".join(map(str, range(120))) + "\n"],
)
def test_tables_come_out_with_equal_values_and_header(repo, tmp_path, out, text):
    from hangar_core import external

    source = tmp_path / "t.csv"
    source.write_text(text)
    repo.ingest("rows", source)
    repo.commit("first")
    (path,) = repo.export("rows", out).paths
    back = [row.tobytes() for row, _ in external.load(path, extension="csv")]
    assert back == [row.tobytes() for row, _ in external.load(source, extension="csv")]
    assert Path(path).read_text().splitlines()[0] == text.splitlines()[0]


def test_tables_of_a_folder_come_out_as_that_folder(repo, tmp_path, out):
    folder = tmp_path / "tables"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.csv").write_text("a,b\n1,2\n3,4\n")
    (folder / "deep" / "two.csv").write_text("a,b\n5,6\n")
    repo.ingest("rows", folder)
    repo.commit("first")
    repo.export("rows", out)
    assert _files(out) == ["deep/two.csv", "one.csv"]
    for name in _files(out):
        assert (out / name).read_bytes() == (folder / name).read_bytes()


def test_a_number_and_its_text_never_share_a_file(repo, out):
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype="i4")
    aset[1] = np.array([1], "i4")
    aset["1"] = np.array([2], "i4")
    writer.commit("c")
    writer.close()
    with pytest.raises(InvalidData, match="same file"):
        repo.export("x", out)
    assert list(out.iterdir()) == []
    assert repo.export("x", out, samples=[1]).written == 1


@pytest.mark.parametrize(
    ("names", "told_apart"),
    [
        (("Cat/1", "cat/1"), False),
        (("caf\u00e9", "cafe\u0301"), False),
        (("Cat/1", "cat/2", "a.b"), True),
    ],
)
def test_names_that_a_file_system_takes_for_one_are_refused_where_it_does(names, told_apart, out):
    """Whatever the file system of this machine does: the rule is asked with one that folds case and form."""
    import unicodedata

    from hangar_core.export.layout import Item
    from hangar_core.export.placing import folding_of, planned, refuse_meeting

    items = [Item(name, f"str:{name}", "txt", None) for name in names]

    def folding(name):
        return unicodedata.normalize("NFC", name).casefold()

    if told_apart:
        assert len(set(planned(items, folding).values())) == len(names)
        refuse_meeting([out / name for name in (*names, *names)], folding)
    else:
        with pytest.raises(InvalidData):
            planned(items, folding)
        with pytest.raises(InvalidData):
            refuse_meeting([out / name for name in names], folding)
    here = folding_of(out)
    for one in names:
        (out / f"{one}.txt").parent.mkdir(exist_ok=True)
        (out / f"{one}.txt").touch()
    assert len(set(map(here, names))) == len([path for path in out.rglob("*") if path.is_file()])


def test_arraysets_that_no_import_made_are_exported_by_their_kind(repo, out):
    writer = repo.checkout(write=True)
    writer.arraysets.init_arrayset("grey", shape=(4, 5), dtype="u1")["a"] = np.ones((4, 5), "u1")
    writer.arraysets.init_arrayset("cube", shape=(2, 2, 2), dtype="f4")["a"] = np.ones((2, 2, 2), "f4")
    writer.commit("c")
    writer.close()
    assert [os.path.basename(repo.export(name, out).paths[0]) for name in ("grey", "cube")] == ["a.png", "a.npy"]


def test_view_gives_facts_and_something_to_draw(photos, pixels):
    view = photos.view("photos", "cat/001")
    array = pixels["cat/001"]
    assert (view.key, view.dtype, view.shape, view.plugin) == ("cat/001", "uint8", array.shape, "image")
    assert (view.minimum, view.maximum) == (array.min(), array.max())
    assert view.mean == pytest.approx(array.mean())
    assert view.renderable is not None
    with pytest.raises(SampleNotFound, match="nope not in aset"):
        photos.view("photos", "nope")


def test_what_a_plugin_asked_to_have_back_and_does_not_know_any_more_is_left_out(repo, out, tmp_path):
    """An arrayset keeps the options of its import; the plugin may have been upgraded since."""
    from dataclasses import make_dataclass

    from hangar_core.external import BasePlugin, option, plugin_manager

    class Changing(BasePlugin):
        def __init__(self):
            super().__init__(["load", "save", "show"], ["changing"])

        def load(self, fpath, **options):
            return np.arange(3), "x"

        def describe(self, fpath, **options):
            return {"old": "1", "kept": "2"}

        def save(self, arr, outdir, sample_detail, extension, **options):
            self.target_path(outdir, sample_detail, extension).write_text(str(options))

        def show(self, arr, **options):
            return str(options)

    (tmp_path / "x.changing").write_text("x")
    plugin_manager().register("changing", Changing)
    try:
        repo.ingest("changed", tmp_path / "x.changing")
        repo.commit("first")
        Changing.Options = make_dataclass("Options", [("kept", int, option(0, help="Kept."))])
        repo.export("changed", out)
        assert (out / "x.changing").read_text() == repo.view("changed", "x").renderable == "{'kept': 2}"
    finally:
        plugin_manager().unregister("changing")


def test_files_are_called_as_they_were_whatever_their_samples_are(repo, pictures, out, pixels):
    repo.ingest("photos", pictures, key="sha", store="pixels", commit="first")
    receipt = repo.export("photos", out, verify=True)
    assert _files(out) == sorted(f"{name}.png" for name in pixels)
    assert receipt.verified.identical == len(pixels)


def test_files_that_would_meet_are_called_by_their_keys(repo, pictures, out, tmp_path):
    """Two folders, imported one after the other, have a file of the same name."""
    repo.ingest("photos", pictures / "cat", key="sha")
    repo.ingest("photos", pictures / "dog", key="sha", commit="both")
    repo.export("photos", out)
    names = _files(out)
    assert "with space.png" in names
    assert "001.png" not in names
    assert len(names) == 4


def test_each_sample_comes_out_in_the_format_in_which_it_came(repo, pictures, out, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    grey = np.arange(30, dtype="u1").reshape(5, 6)
    Image.fromarray(grey).save(mixed / "kept.png")
    Image.fromarray(grey + np.uint8(1)).save(mixed / "stored.bmp")
    np.save(mixed / "numbers.npy", grey + np.uint8(2))
    repo.ingest("mixed", mixed, commit="mixed")
    receipt = repo.export("mixed", out, verify=True)
    assert _files(out) == ["kept.png", "numbers.npy", "stored.bmp"]
    assert (receipt.originals, receipt.plugin, receipt.extension) == (1, "image, npy", "bmp, npy, png")
    assert receipt.verified.identical == 3
    for path in mixed.iterdir():
        assert path.suffix == ".bmp" or filecmp.cmp(path, out / path.name, shallow=False)


def test_one_frame_of_many_is_called_by_its_key(repo, out, tmp_path):
    frames = [Image.fromarray(np.full((6, 5), value, "u1")) for value in (0, 100)]
    frames[0].save(tmp_path / "walk.gif", save_all=True, append_images=frames[1:])
    repo.ingest("x", tmp_path / "walk.gif", commit="x")
    repo.export("x", out, samples=["walk/0001"])
    assert _files(out) == ["walk/0001.png"]


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a/../b.png", "no extension", ".png", "a.p/ng"])
def test_a_name_that_somebody_claims_leads_nowhere(repo, pictures, out, tmp_path, name, monkeypatch):
    """A commit may come from anybody, and so may what it says of the names of files."""
    from hangar_core.ingest import origins

    monkeypatch.setattr(origins, "name_in_record", lambda _: name)
    repo.ingest("photos", pictures / "cat" / "001.png", commit="first")
    repo.export("photos", out, verify=True)
    assert _files(out) == ["001.png"]
    assert not list(tmp_path.glob("evil*"))
