"""The image plugin writing and showing: exact where it says so, refusing what a format cannot hold."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hangar_core import external
from hangar_core.errors import InvalidName
from hangar_core.external import InvalidData, InvalidInput, PluginManager

SIDES = st.tuples(st.integers(1, 6), st.integers(1, 6))
ALL_KINDS = [
    ("?", ()),
    ("u1", ()),
    ("u1", (2,)),
    ("u1", (3,)),
    ("u1", (4,)),
    ("u2", ()),
    (">u2", ()),
    ("i4", ()),
    ("f4", ()),
]


def arrays(kinds):
    return st.one_of(
        [SIDES.flatmap(lambda sides, kind=kind: hnp.arrays(kind[0], (*sides, *kind[1]))) for kind in kinds]
    )


def load(path, **options):
    return external.load(path, extension=path.suffix, **options)[0]


HELD = {"png": ALL_KINDS[:7], "tif": ALL_KINDS, "tiff": ALL_KINDS, "bmp": [("?", ()), ("u1", ()), ("u1", (3,))]}


@given(data=st.data(), extension=st.sampled_from(PluginManager().get("image").LOSSLESS))
def test_what_a_lossless_format_accepts_it_gives_back_exactly(tmp_path_factory, data, extension):
    array = data.draw(arrays(HELD[extension]))
    loaded = load(external.save(array, tmp_path_factory.getbasetemp(), "str:lossless", extension))
    assert loaded.dtype == array.dtype.newbyteorder("=")
    assert loaded.shape == array.shape
    assert loaded.tobytes() == array.astype(loaded.dtype).tobytes()


@given(array=arrays([("u1", (3,)), ("u1", (4,))]))
def test_lossless_webp_keeps_colours_even_where_they_cannot_be_seen(tmp_path_factory, array):
    loaded = load(external.save(array, tmp_path_factory.getbasetemp(), "str:webp", "webp"))
    if loaded.shape != array.shape:  # an alpha channel in which nothing is transparent is dropped
        assert (array[..., 3] == 255).all()
    assert np.array_equal(loaded, array[..., : loaded.shape[2]])


@given(array=arrays([("u1", ())]))
def test_grey_gif_is_exact(tmp_path_factory, array):
    assert np.array_equal(load(external.save(array, tmp_path_factory.getbasetemp(), "str:gif", "gif")), array)


def test_png_is_the_default_and_each_lossless_extension_is_accepted():
    plugin = PluginManager().get("image")
    assert plugin.DEFAULT_EXTENSION == "png"
    assert set(plugin.LOSSLESS) <= set(plugin.accepts)


def test_quality_of_jpg_matters(tmp_path):
    array = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype("u1")
    small = external.save(array, tmp_path, "str:small", "jpg", quality="10")
    large = external.save(array, tmp_path, "str:large", "jpeg", quality="100")
    assert small.stat().st_size < large.stat().st_size
    assert np.abs(load(large).astype(int) - array).mean() < 2


def test_webp_can_be_lossy(tmp_path):
    array = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype="u1")
    lossy = external.save(array, tmp_path, "str:lossy", "webp", lossless="no", quality="10")
    exact = external.save(array, tmp_path, "str:exact", "webp")
    assert lossy.stat().st_size < exact.stat().st_size
    assert np.array_equal(load(exact), array)


@pytest.mark.parametrize(
    ("array", "extension", "able"),
    [
        (np.zeros((2, 2), "u2"), "jpg", "png, tif, npy"),
        (np.zeros((2, 2, 4), "u1"), "jpg", "png, tif, webp, npy"),
        (np.zeros((2, 2, 3), "u1"), "gif", "png, jpg, bmp, tif, webp, npy"),
        (np.zeros((2, 2), "f4"), "png", "tif, npy"),
        (np.zeros((2, 2), "f8"), "png", "npy"),
        (np.zeros((2, 2, 3), "u2"), "png", "npy"),
        (np.zeros((2, 2, 1), "u1"), "png", "npy"),
        (np.zeros((2, 0), "u1"), "png", "npy"),
        (np.zeros(4, "u1"), "png", "npy"),
        (np.zeros((2, 2, 2, 2), "u1"), "tiff", "npy"),
        (np.zeros((2, 2), "u1"), "webp", "png, jpg, bmp, gif, tif, npy"),
    ],
)
def test_an_array_that_the_format_cannot_hold_is_refused_naming_those_that_can(tmp_path, array, extension, able):
    with pytest.raises(InvalidData) as caught:
        external.save(array, tmp_path, "str:x", extension)
    assert str(array.shape) in str(caught.value)
    assert caught.value.hint == f"export it to {able}"
    assert list(tmp_path.iterdir()) == []


def test_a_picture_wider_than_the_format_allows_is_refused(tmp_path):
    with pytest.raises(InvalidData, match="at most 65500 pixels"):
        external.save(np.zeros((1, 65501), "u1"), tmp_path, "str:x", "jpg")


def test_text_is_no_picture(tmp_path):
    with pytest.raises(InvalidData, match="not of str"):
        external.save("text", tmp_path, "str:x", "png")


@pytest.mark.parametrize(
    ("extension", "options", "words"),
    [
        ("png", {"quality": "3"}, "for png has no option `quality` here; it knows none"),
        ("jpg", {"qualty": "3"}, "it knows lossless, quality"),
        ("jpg", {"quality": "101"}, "whole number from 1 to 100"),
        ("webp", {"lossless": "so-so"}, "yes or no"),
        ("npy", {}, "has no format `npy`"),
    ],
)
def test_wrong_options_are_refused(tmp_path, extension, options, words):
    with pytest.raises(InvalidInput, match=words):
        external.save(np.zeros((2, 2), "u1"), tmp_path, "str:x", extension, plugin="image", **options)
    assert list(tmp_path.iterdir()) == []


def test_pictures_go_into_the_folders_of_their_names_and_never_elsewhere(tmp_path):
    outdir = tmp_path / "out"
    outdir.mkdir()
    array = np.zeros((2, 2), "u1")
    assert external.save(array, outdir, "str:cat/a\\b", "PNG") == outdir / "cat" / "a%5Cb.PNG"
    assert external.save(array, str(outdir), "int:7", ".tif") == outdir / "7.tif"
    (outdir / "link").symlink_to(tmp_path)
    for name in ("../x", "/x", "link/x"):
        with pytest.raises(InvalidName):
            external.save(array, outdir, f"str:{name}", "png")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# --- showing ------------------------------------------------------------------------------------------------------

DRAWABLE = [
    np.zeros((10, 20), "u1"),
    np.ones((3, 3), bool),
    np.arange(60000, dtype="u2").reshape(200, 300),
    np.random.default_rng(0).normal(size=(7, 9, 1)),
    np.full((5, 5), np.nan, "f4"),
    np.array([[np.inf, -np.inf, 0.0]]),
    np.zeros((4, 4, 2), "u1"),
    np.full((1, 1, 3), 255, "u1"),
    np.zeros((500, 3, 4), "u1"),
    np.full((2, 2), 2**62),
]


@pytest.mark.parametrize("array", DRAWABLE)
@pytest.mark.parametrize(
    ("colours", "encoding"), [(True, "utf-8"), (True, "ascii"), (False, "utf-8"), (False, "ascii")]
)
def test_a_picture_fits_the_screen_it_is_printed_on(printed, array, colours, encoding):
    text = printed(external.show(array, plugin="image"), colours=colours, encoding=encoding, width=60)
    lines = text.splitlines()
    assert 1 <= len(lines) <= 40
    if not colours:
        assert "\x1b" not in text
        assert max(map(len, lines)) <= 60


def test_colours_are_drawn_as_half_blocks(printed):
    picture = np.array([[[255, 0, 0]], [[0, 0, 255]], [[0, 255, 0]]], "u1")
    first, second = printed(external.show(picture, plugin="image"), colours=True).splitlines()
    assert "\u2580" in first
    assert "38;2;255;0;0" in first
    assert "48;2;0;0;255" in first
    assert "38;2;0;255;0" in second
    assert "48;2" not in second


def test_the_aspect_ratio_is_kept(printed):
    wide = printed(external.show(np.full((100, 400), 255, "u1"), plugin="image"), width=80).splitlines()
    assert (len(wide), len(wide[0])) == (10, 80)


def test_shrinking_takes_the_mean_of_an_area(printed):
    stripes = np.zeros((2, 160), "u1")
    stripes[:, ::2] = 255
    shown = external.show(stripes, plugin="image")
    assert "38;2;128;128;128" in printed(shown, colours=True)
    assert "38;2;255;255;255" not in printed(shown, colours=True)


def test_the_width_can_be_chosen(printed):
    picture = np.full((8, 8), 255, "u1")
    lines = printed(external.show(picture, plugin="image", width="30")).splitlines()
    assert (len(lines), len(lines[0])) == (15, 30)
    with pytest.raises(InvalidInput):
        external.show(picture, plugin="image", width="0")


def test_light_and_dark_can_be_told_without_colours(printed):
    lines = printed(external.show(np.array([[0, 255], [0, 255]], "u1"), plugin="image")).splitlines()
    assert lines == [" @"]


@pytest.mark.parametrize(
    "data", [np.zeros(3), np.zeros((2, 2, 5)), np.zeros((0, 3)), np.zeros((2, 2), complex), "text"]
)
def test_what_is_no_picture_is_not_drawn(data):
    for call in (external.show, external.board_show):
        with pytest.raises(InvalidData):
            call(data, plugin="image")


@pytest.mark.parametrize("array", DRAWABLE)
def test_the_board_gets_a_png(array):
    kind, content = external.board_show(array, plugin="image")
    assert kind == "image/png"
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        assert image.size == (array.shape[1], array.shape[0])


def test_the_png_for_the_board_has_the_same_pixels_and_is_bounded():
    array = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype="u1")
    content = external.board_show(array, plugin="image")[1]
    assert np.array_equal(np.array(Image.open(io.BytesIO(content))), array)
    content = external.board_show(np.zeros((2100, 3000), "u1"), plugin="image")[1]
    width, height = Image.open(io.BytesIO(content)).size
    assert width * height <= 4 * 1024 * 1024


# --- in memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "jpg", "webp", "gif"])
def test_encode_gives_the_bytes_of_the_file_and_decode_what_load_gives(tmp_path, extension):
    shape = (5, 4) if extension == "gif" else (5, 4, 3)
    array = np.random.default_rng(0).integers(0, 256, shape, dtype="u1")
    path = external.save(array, tmp_path, "str:x", extension)
    content = external.encode(array, extension)
    assert content == path.read_bytes()
    loaded, _ = external.load(path, extension=extension)
    assert np.array_equal(external.decode(content, extension=extension), loaded)
    assert external.decode(content, extension=extension, mode="L").shape == (5, 4)


def test_bytes_that_are_no_picture_or_several_are_refused():
    picture = io.BytesIO()
    frames = [Image.fromarray(np.full((3, 3), value, "u1")) for value in (0, 255)]
    frames[0].save(picture, "GIF", save_all=True, append_images=frames[1:])
    for content, code in [(b"", "empty"), (b"hello", "wrong-format"), (picture.getvalue(), "several-samples")]:
        with pytest.raises(external.BadFile) as caught:
            external.decode(content, extension="png")
        assert caught.value.code == code
    content = external.encode(np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype="u1"), "png")
    for length in range(1, len(content), 101):
        with pytest.raises(external.BadFile):
            external.decode(content[:length], extension="png")
