"""The image plugin reading: the array that the file holds, or a reason why not; never half of it, never fewer bits."""

from __future__ import annotations

import io
import itertools
import os
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from hangar_core import external
from hangar_core.external import InvalidInput

RANDOM = np.random.default_rng(20)


def noise(*shape: int, dtype: str = "u1") -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def encoded(array_or_image, name, **options) -> bytes:
    image = array_or_image if isinstance(array_or_image, Image.Image) else Image.fromarray(array_or_image)
    content = io.BytesIO()
    image.save(content, name, **options)
    return content.getvalue()


def load(path, **options):
    return external.load(path, extension=Path(path).suffix, **options)


@pytest.fixture
def picture(tmp_path):
    """A function that writes those bytes to a file of that name."""

    def written(content: bytes, name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return written


def frames_of(path, **options):
    loaded = load(path, **options)
    return [loaded] if isinstance(loaded, tuple) else list(loaded)


# --- what comes out -----------------------------------------------------------------------------------------------

COLOUR, ALPHA, GREY = noise(6, 5, 3), noise(6, 5, 4), noise(6, 5)


@pytest.mark.parametrize(
    ("array", "name", "suffix"),
    [
        (GREY, "PNG", "png"),
        (GREY > 99, "PNG", "png"),
        (noise(6, 5, 2), "PNG", "PNG"),
        (COLOUR, "PNG", "png"),
        (ALPHA, "PNG", "png"),
        (noise(6, 5, dtype="u2"), "PNG", "png"),
        (COLOUR, "BMP", "bmp"),
        (GREY, "BMP", "bmp"),
        (GREY, "GIF", "gif"),
        (COLOUR, "TIFF", "tif"),
        (noise(6, 5, dtype="u2"), "TIFF", "tiff"),
        (noise(6, 5, dtype="i4"), "TIFF", "tiff"),
        (RANDOM.normal(size=(6, 5)).astype("f4"), "TIFF", "tiff"),
    ],
)
def test_pixels_come_out_with_their_dtype_and_shape(picture, array, name, suffix):
    options = {"optimize": False} if name == "GIF" else {}
    loaded, sample = load(picture(encoded(array, name, **options), f"cat.{suffix}"))
    assert sample == "cat"
    assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
    assert np.array_equal(loaded, array)
    assert loaded.flags.writeable
    assert loaded.flags.owndata or loaded.base is not None


def test_lossy_formats_give_arrays_near_the_original(picture):
    smooth = np.linspace(0, 255, 48 * 32 * 3).reshape(32, 48, 3).astype("u1")
    for name, suffix in (("JPEG", "jpg"), ("JPEG", "JPEG"), ("WEBP", "webp")):
        loaded, _ = load(picture(encoded(smooth, name, quality=95), f"x.{suffix}"))
        assert loaded.shape == smooth.shape
        assert np.abs(loaded.astype(int) - smooth).mean() < 5


def test_big_endian_16_bit_grey_is_native(picture):
    array = np.array([[1, 256], [65535, 0]], ">u2")
    tags = b"".join(
        struct.pack(">HHII" if kind == 4 else ">HHIHxx", tag, kind, 1, value)
        for tag, kind, value in [
            (256, 3, 2), (257, 3, 2), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8),
            (277, 3, 1), (278, 3, 2), (279, 4, 8),
        ]
    )  # fmt: skip
    content = b"MM\0*" + struct.pack(">I", 16) + array.tobytes() + struct.pack(">H", 9) + tags + bytes(4)
    loaded, _ = load(picture(content, "x.tif"))
    assert loaded.dtype == np.dtype("=u2")
    assert loaded.dtype.isnative
    assert loaded.tolist() == [[1, 256], [65535, 0]]


def test_palettes_become_colours_with_alpha_if_something_is_transparent(picture):
    indexed = Image.fromarray(COLOUR).quantize(200)
    expected = np.array(indexed.convert("RGB"))
    assert np.array_equal(load(picture(encoded(indexed, "PNG"), "x.png"))[0], expected)
    assert load(picture(encoded(indexed, "PNG", transparency=3), "x.png"))[0].shape == (6, 5, 4)


def test_a_transparent_colour_becomes_an_alpha_channel(picture):
    array = np.array([[10, 20]], "u1")
    loaded, _ = load(picture(encoded(array, "PNG", transparency=10), "x.png"))
    assert loaded.tolist() == [[[10, 0], [20, 255]]]


def test_cmyk_becomes_rgb(picture):
    assert load(picture(encoded(Image.new("CMYK", (4, 3)), "JPEG"), "x.jpg"))[0].shape == (3, 4, 3)


def test_unsigned_32_bit_grey_is_not_taken_for_signed(picture):
    array = np.array([[2**32 - 1, 5]], "<u4")
    content = encoded(array.view("i4"), "TIFF")
    signed_tag = struct.pack("<HHIHH", 339, 3, 1, 2, 0)
    assert signed_tag in content
    unsigned = content.replace(signed_tag, struct.pack("<HHIHH", 339, 3, 1, 1, 0))
    loaded, _ = load(picture(unsigned, "x.tif"))
    assert loaded.dtype == np.uint32
    assert loaded.tolist() == array.tolist()


@pytest.mark.parametrize(("mode", "shape"), [("L", (6, 5)), ("LA", (6, 5, 2)), ("rgb", (6, 5, 3)), ("RGBA", (6, 5, 4))])
@pytest.mark.parametrize("source", [GREY, GREY > 9, COLOUR, ALPHA, noise(6, 5, 2)])
def test_mode_makes_all_pictures_alike(picture, source, mode, shape):
    assert load(picture(encoded(source, "PNG"), "x.png"), mode=mode)[0].shape == shape


def test_orient_turns_a_photograph_upright_only_when_asked_to(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = picture(encoded(np.zeros((4, 9, 3), "u1"), "JPEG", exif=exif), "x.jpg")
    assert load(path)[0].shape == (4, 9, 3)
    assert load(path, orient="yes")[0].shape == (9, 4, 3)


@pytest.mark.parametrize("options", [{"mode": "CMYK"}, {"orient": "left"}, {"quality": "3"}])
def test_wrong_options_are_errors_of_the_caller(picture, options):
    with pytest.raises(InvalidInput):
        load(picture(encoded(GREY, "PNG"), "x.png"), **options)


# --- many frames --------------------------------------------------------------------------------------------------


def animation(name, count=3, shape=(20, 24, 3), **options) -> tuple[bytes, list[np.ndarray]]:
    arrays = [noise(*shape) for _ in range(count)]
    images = [Image.fromarray(array) for array in arrays]
    return encoded(images[0], name, save_all=True, append_images=images[1:], **options), arrays


@pytest.mark.parametrize(
    ("name", "suffix", "options"), [("TIFF", "tiff", {}), ("WEBP", "webp", {"lossless": True}), ("PNG", "png", {})]
)
def test_each_frame_is_a_sample_named_by_file_and_number(picture, name, suffix, options):
    content, arrays = animation(name, **options)
    frames = frames_of(picture(content, f"film.{suffix}"))
    assert [sample for _, sample in frames] == ["film/0000", "film/0001", "film/0002"]
    assert all(np.array_equal(frame, array) for (frame, _), array in zip(frames, arrays, strict=True))


def test_all_frames_of_a_gif_have_one_shape(picture):
    content, _ = animation("GIF")
    opaque = re.sub(rb"(!\xf9\x04)(.)", lambda found: found[1] + bytes([found[2][0] & 0xFE]), content, flags=re.DOTALL)
    assert [frame.shape for frame, _ in frames_of(picture(opaque, "x.gif"))] == [(20, 24, 3)] * 3
    half = [Image.new("RGBA", (20, 24), (index * 80, 9, 9, 255)) for index in range(3)]
    half[1].paste((0, 0, 0, 0), (0, 0, 10, 24))
    content = encoded(half[0], "GIF", save_all=True, append_images=half[1:], disposal=2)
    assert [frame.shape for frame, _ in frames_of(picture(content, "x.gif"))] == [(24, 20, 4)] * 3


def test_the_second_picture_of_a_camera_jpeg_is_no_frame(picture):
    content, _ = animation("MPO", count=2)
    loaded = load(picture(content, "x.jpg"))
    assert isinstance(loaded, tuple)
    assert loaded[0].shape == (20, 24, 3)


def test_frames_are_read_lazily_and_a_half_read_file_is_closed(picture):
    path = picture(animation("TIFF")[0], "x.tif")
    before = set(os.listdir("/proc/self/fd"))
    frames = load(path)
    assert set(os.listdir("/proc/self/fd")) == before
    assert next(frames)[1] == "x/0000"
    frames.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_no_file_stays_open_whether_it_is_good_or_bad(picture, refused):
    good = picture(encoded(COLOUR, "TIFF"), "good.tif")
    bad = picture(encoded(COLOUR, "TIFF")[:-60], "bad.tif")
    before = set(os.listdir("/proc/self/fd"))
    load(good)
    refused(bad)
    assert set(os.listdir("/proc/self/fd")) == before


# --- what is refused ----------------------------------------------------------------------------------------------

WHOLE = {
    "x.png": encoded(COLOUR, "PNG"),
    "film.png": animation("PNG", shape=(4, 5, 3))[0],
    "x.jpg": encoded(noise(20, 24, 3), "JPEG"),
    "progressive.jpg": encoded(noise(20, 24, 3), "JPEG", progressive=True),
    "x.bmp": encoded(COLOUR, "BMP"),
    "x.gif": encoded(GREY, "GIF"),
    "film.gif": animation("GIF", shape=(4, 5, 3))[0],
    "x.tif": encoded(COLOUR, "TIFF"),
    "lzw.tif": encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    "pages.tif": animation("TIFF", shape=(4, 5, 3))[0],
    "x.webp": encoded(COLOUR, "WEBP", lossless=True),
    "film.webp": animation("WEBP", shape=(4, 5, 3), lossless=True)[0],
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_short_is_refused_or_gives_all_its_pixels(picture, refused, name):
    content = WHOLE[name]
    whole = frames_of(picture(content, name))
    lengths = sorted(
        {*range(1, min(len(content), 60)), *range(60, len(content), 13), *range(len(content) - 30, len(content))}
    )
    codes = set()
    for length in lengths:
        path = picture(content[:length], name)
        try:
            frames = frames_of(path)
        except external.BadFile:
            codes.add(refused(path)[0])
        else:
            # Nothing is missing but padding: of the last row of a BMP to 4 bytes, of a TIFF page to 16.
            assert name.endswith((".bmp", ".tif")), f"{length} of {len(content)} bytes were accepted"
            assert len(content) - length < 16
            assert len(frames) == len(whole)
            assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(frames, whole, strict=True))
    assert "truncated" in codes
    assert codes <= {"truncated", "undecodable"}


@pytest.mark.parametrize(
    ("actual", "named"), list(itertools.permutations(["png", "jpg", "bmp", "gif", "tif", "webp"], 2))
)
def test_a_picture_under_a_wrong_name_is_refused_and_told_apart(picture, actual, named):
    path = picture(WHOLE[f"x.{actual}"], f"my.photo.{named}")
    with pytest.raises(external.BadFile) as caught:
        load(path)
    assert caught.value.code == "wrong-format"
    assert "its name says" in caught.value.reason
    assert caught.value.fix == f"rename it to my.photo.{actual}"


def test_a_file_of_any_name_is_read_when_the_plugin_is_named(picture):
    loaded, name = external.load(picture(WHOLE["x.png"], "x.dat"), plugin="image")
    assert np.array_equal(loaded, COLOUR)
    assert name == "x"


@pytest.mark.parametrize(
    "content", [b"not a picture at all", b"\0" * 100, b"<svg xmlns='x'/>", b"%PDF-1.7", b"P6 1 1 255 abc"]
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff"])
def test_what_is_no_picture_is_refused(picture, refused, content, suffix):
    assert refused(picture(content, f"x.{suffix}"))[0] == "wrong-format"


def test_empty_files_and_folders_are_refused(picture, refused, tmp_path):
    (tmp_path / "folder.png").mkdir()
    assert refused(picture(b"", "x.png"))[0] == "empty"
    assert refused(tmp_path / "folder.png")[0] == "not-a-file"


def png_of_size(width: int, height: int, depth: int = 8, colour: int = 2, pixels: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("side", [8193, 12_000, 30_000, 2**31 - 1])
def test_a_bomb_is_refused_from_its_header_without_a_warning(picture, refused, side):
    path = picture(png_of_size(side, side), "x.png")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        code, reason = refused(path)
    assert code == "too-large"
    assert "pixels" in reason
    assert seen == []


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bits_per_channel_are_refused_instead_of_cut_to_8(picture, refused, colour, channels):
    pixels = b"\0" + bytes(range(4 * 2 * channels))
    code, reason = refused(picture(png_of_size(4, 1, 16, colour, pixels), "x.png"))
    assert code == "undecodable"
    assert "more than 8 bits per channel" in reason


def tiff(array: np.ndarray, sample_format: int, extra: int | None = None) -> bytes:
    """An uncompressed little-endian TIFF of one strip, of any dtype and number of channels."""
    height, width, channels = array.shape
    bits = array.dtype.itemsize * 8
    data = array.tobytes()
    long_values = struct.pack(f"<{channels}H", *[bits] * channels)
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, bits if channels < 2 else 8 + len(data)),
        (259, 3, 1, 1), (262, 3, 1, 2 if channels > 2 else 1), (273, 4, 1, 8), (277, 3, 1, channels),
        (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    if extra is not None:
        entries.append((338, 3, 1, extra))
    if channels == 1:
        entries.append((339, 3, 1, sample_format))
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    offset = 8 + len(data) + len(long_values)
    start = b"II*\0" + struct.pack("<I", offset) + data + long_values
    return start + struct.pack("<H", len(entries)) + directory + bytes(4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff(noise(2, 3, 3, dtype="u2"), 1), "more than 8 bits"),
        (tiff(noise(2, 3, 4, dtype="u2"), 1, extra=2), "more than 8 bits"),
        (tiff(RANDOM.normal(size=(2, 3, 1)), 3), "cannot be read"),
        (tiff(noise(2, 3, 4), 1, extra=0), "4 channels, of which 3|RGBX"),
        (tiff(noise(2, 3, 1).view("i1"), 2), "signed bytes"),
        (tiff(RANDOM.normal(size=(2, 3, 3)).astype("f4"), 3), "cannot be read"),
    ],
)
def test_a_tiff_that_would_lose_bits_or_channels_is_refused(picture, refused, content, words):
    code, reason = refused(picture(content, "x.tif"))
    assert code == "undecodable"
    assert re.search(words, reason)


def test_a_plain_tiff_of_the_same_making_is_read(picture):
    array = noise(2, 3, 3)
    assert np.array_equal(load(picture(tiff(array, 1), "x.tif"))[0], array)


def test_colours_without_a_plain_array_are_refused(picture, refused):
    code, reason = refused(picture(encoded(Image.new("LAB", (3, 2)), "TIFF"), "x.tif"))
    assert code == "undecodable"
    assert "LAB" in reason


def test_16_bit_grey_is_not_squeezed_into_8_bits(picture, refused):
    code, reason = refused(picture(encoded(noise(6, 5, dtype="u2"), "PNG"), "x.png"), mode="RGB")
    assert code == "undecodable"
    assert "do not fit the 8 bits of RGB" in reason


def test_a_flipped_bit_in_the_pixels_of_a_png_is_noticed(picture, refused):
    content = bytearray(WHOLE["x.png"])
    content[content.index(b"IDAT") + 12] ^= 4
    code, reason = refused(picture(bytes(content), "x.png"))
    assert code == "undecodable"
    assert "IDAT" in reason


@pytest.mark.parametrize("name", WHOLE)
def test_random_damage_gives_pixels_or_a_bad_file_and_nothing_else(picture, name):
    random = np.random.default_rng(len(name))
    for _ in range(40):
        content = bytearray(WHOLE[name])
        for position in random.integers(0, len(content), 3):
            content[position] = int(random.integers(0, 256))
        try:
            frames = frames_of(picture(bytes(content), name))
        except external.BadFile:
            continue
        assert all(frame.size for frame, _ in frames)


def test_a_library_that_tolerates_truncated_files_does_not_change_the_result(picture, refused, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert refused(picture(WHOLE["x.jpg"][:-40], "x.jpg"))[0] == "truncated"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_a_name_with_blanks_and_unicode_is_no_trouble(picture):
    assert load(picture(WHOLE["x.png"], "ein schönes Bild.PNG"))[1] == "ein schönes Bild"
