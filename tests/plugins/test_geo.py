"""The plugin for GeoTIFF: every bit of every band, its place on the earth kept, damaged rasters refused."""

from __future__ import annotations

import contextlib
import io
import random
import warnings

import numpy as np
import pytest

from hangar_core import Repository, external
from hangar_core.external import BadFile, InvalidData, InvalidInput
from hangar_core.testing import PluginContract

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")

PLACE = {"crs": "EPSG:32633", "transform": "[0.5, 0.0, 10.0, 0.0, -0.5, 20.0]", "nodata": "7.0"}


def bands(dtype="u1", shape=(3, 20, 30)):
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


def raster(array, **profile) -> bytes:
    """A GeoTIFF as rasterio itself writes it."""
    with warnings.catch_warnings(), rasterio.MemoryFile() as memory:
        warnings.simplefilter("ignore")
        count, height, width = array.shape
        profile = {"count": count, "height": height, "width": width, "dtype": array.dtype.name, **profile}
        with memory.open(driver="GTiff", **profile) as target:
            target.write(array)
        memory.seek(0)
        return memory.read()


class TestContract(PluginContract):
    plugin = "geo"

    def samples(self):
        odd = np.array([[[np.nan, -0.0], [np.inf, 2.0**-149]]], "f4")
        return {"tif": [bands(), bands("u2", (5, 4, 6)), odd, bands("c8", (1, 2, 3))], "tiff": [bands("i4")[:1] - 50]}


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}, {"interleave": "pixel"}])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"])
def test_rasters_of_other_programs_are_read_bit_for_bit(tmp_path, dtype, layout):
    array = bands(dtype)
    (tmp_path / "x.tif").write_bytes(raster(array, compress="lzw", **layout))
    loaded, name = external.load(tmp_path / "x.tif", plugin="geo")
    assert (name, loaded.dtype, loaded.tobytes()) == ("x", array.dtype, array.tobytes())


def test_import_commit_export_gives_the_same_raster_in_the_same_place(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        place = {"crs": PLACE["crs"], "transform": rasterio.Affine(0.5, 0.0, 10.0, 0.0, -0.5, 20.0), "nodata": 7}
        (tmp_path / "in" / f"{name}.tif").write_bytes(raster(bands("i2"), **place))
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("land", tmp_path / "in", plugin="geo")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("land", tmp_path / "out", verify=True)
    with rasterio.open(tmp_path / "out" / "a.tif") as written:
        assert (written.crs.to_epsg(), written.nodata) == (32633, 7)
        assert written.transform[:6] == (0.5, 0.0, 10.0, 0.0, -0.5, 20.0)
        assert np.array_equal(written.read(), bands("i2"))


def test_what_lies_beside_a_raster_has_no_say(tmp_path):
    path = tmp_path / "x.tif"
    path.write_bytes(raster(bands()))
    (tmp_path / "x.tfw").write_text("1\n0\n0\n-1\n100\n200\n")
    (tmp_path / "x.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    assert external.describe(path, plugin="geo") == {}
    assert (
        external.describe(external.save(bands(), tmp_path, "str:y", "tif", plugin="geo", **PLACE), plugin="geo")
        == PLACE
    )


def test_rasters_that_are_cut_lie_or_are_something_else_are_refused(tmp_path, refused):
    content = raster(bands("u2", (2, 50, 60)))
    with warnings.catch_warnings(), rasterio.MemoryFile() as memory:
        warnings.simplefilter("ignore")
        with memory.open(driver="GTiff", count=3, height=40_000, width=40_000, dtype="uint8", sparse_ok=True):
            pass
        memory.seek(0)
        huge = memory.read()
    assert len(huge) < 1 << 21
    png = io.BytesIO()
    from PIL import Image

    Image.fromarray(bands()[0]).save(png, "PNG")
    for data, codes in [
        (b"", {"empty"}),
        (b"hello" * 9, {"wrong-format"}),
        (png.getvalue(), {"wrong-format"}),
        (b'<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>', {"wrong-format"}),
        (content[:9], {"undecodable", "wrong-format"}),
        (content[:-100], {"truncated"}),
        (huge, {"too-large"}),
    ]:
        (tmp_path / "x.tif").write_bytes(data)
        assert refused(tmp_path / "x.tif", plugin="geo")[0] in codes


def test_a_raster_with_any_bytes_changed_is_read_or_refused():
    content = raster(bands("u1", (1, 16, 16)), compress="deflate", crs="EPSG:4326")
    rng = random.Random(5)
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(BadFile):  # and nothing else
            external.decode(bytes(damaged), plugin="geo")


def test_what_a_raster_cannot_be_is_refused(tmp_path):
    for data in (np.zeros((3, 4)), np.zeros((0, 3, 4)), np.zeros((1, 3, 4), bool), np.zeros((1, 3, 4), "f2"), "text"):
        with pytest.raises(InvalidData):
            external.save(data, tmp_path, "str:x", "tif", plugin="geo")
    for options in (
        {"crs": "nowhere"}, {"transform": "[1, 2]"}, {"transform": "{"}, {"nodata": "none"}, {"nodata": "300"},
        {"nodata": "nan"},
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            external.save(bands(), tmp_path, "str:x", "tif", plugin="geo", **options)
    assert list(tmp_path.iterdir()) == []


def test_the_bands_that_are_asked_for_are_drawn(printed):
    array = bands("f4", (5, 8, 8))
    assert printed(external.show(array, plugin="geo", bands="5"))
    kind, drawn = external.board_show(array, plugin="geo", bands="4,2,1")
    assert (kind, drawn[:4]) == ("image/png", b"\x89PNG")
    for wrong in ("6", "0", "1,2", "x", ""):
        with pytest.raises(InvalidInput, match="bands"):
            external.show(array, plugin="geo", bands=wrong)


def test_pictures_called_tif_stay_with_the_plugin_for_pictures():
    assert external.plugin_manager().choose("load", None, "tif").plugin_name == "image"
