"""Bad files of every class that folders in the wild hold: their names, what is in them, which code they get."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

_rng = np.random.default_rng(7)


def picture(seed: int = 0, size: tuple[int, int] = (40, 40), kind: str = "PNG") -> bytes:
    """Return a good picture."""
    out = io.BytesIO()
    array = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(array).save(out, kind)
    return out.getvalue()


def npy(array: np.ndarray, **options: bool) -> bytes:
    """Return an .npy file."""
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def _header(text: str, version: int = 1, length: int | None = None) -> bytes:
    header = text.encode("latin-1").ljust(117) + b"\n"
    size = struct.Struct("<H" if version == 1 else "<I")
    return b"\x93NUMPY" + bytes([version, 0]) + size.pack(len(header) if length is None else length) + header


def _claim(shape: str, descr: str = "'<f8'") -> bytes:
    return _header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _damaged(content: bytes, at: int, byte: int) -> bytes:
    return content[:at] + bytes([content[at] ^ byte]) + content[at + 1 :]


PNG, JPG, GIF, BMP, TIF = (picture(kind=kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF"))
ARRAY = npy(np.arange(100.0))

# name -> content, and the codes that tell what is wrong: the first is the usual one
FILES: dict[str, tuple[bytes, set[str]]] = {
    # nothing, or only a beginning
    **{f"empty.{end}": (b"", {"empty"}) for end in ("png", "jpg", "gif", "bmp", "tif", "webp", "npy", "csv", "tsv")},
    **{f"one-byte.{end}": (b"\x89", {"wrong-format", "truncated", "undecodable"}) for end in ("png", "jpg", "gif")},
    "magic-only.npy": (b"\x93NUMPY", {"truncated", "wrong-format"}),
    "half.png": (PNG[: len(PNG) // 2], {"truncated"}),
    "half.jpg": (JPG[: len(JPG) // 2], {"truncated"}),
    "half.gif": (GIF[: len(GIF) // 2], {"truncated"}),
    "half.bmp": (BMP[: len(BMP) // 2], {"truncated"}),
    "half.tif": (TIF[: len(TIF) // 2], {"truncated", "wrong-format", "undecodable"}),
    "half.npy": (ARRAY[: len(ARRAY) // 2], {"truncated"}),
    "header-only.png": (PNG[:40], {"truncated", "wrong-format"}),
    "header-only.npy": (ARRAY[:128], {"truncated"}),
    # something else than the name says
    "text.png": (b"this is no picture", {"wrong-format"}),
    "text.jpg": (b"this is no picture", {"wrong-format"}),
    "text.gif": (b"this is no picture", {"wrong-format"}),
    "text.npy": (b"this is no array", {"wrong-format"}),
    "png.jpg": (PNG, {"wrong-format"}),
    "jpg.png": (JPG, {"wrong-format"}),
    "npy.png": (ARRAY, {"wrong-format"}),
    "png.npy": (PNG, {"wrong-format"}),
    "zeros.png": (b"\0" * 4096, {"wrong-format"}),
    "zeros.npy": (b"\0" * 4096, {"wrong-format"}),
    "html.jpg": (b"<!doctype html><title>404</title>", {"wrong-format"}),
    # damaged within
    "crc.png": (_damaged(PNG, 20, 0x55), {"wrong-format", "truncated", "undecodable"}),
    "version.npy": (_damaged(ARRAY, 6, 0xF0), {"wrong-format"}),
    "header.npy": (_header("{'descr': '<f8', 'shape': (1,"), {"wrong-format"}),
    "no-dict.npy": (_header("__import__('os').abort()"), {"wrong-format"}),
    "no-dtype.npy": (_claim("(1,)", "'<q9'"), {"wrong-format"}),
    "negative.npy": (_claim("(-1,)") + b"\0" * 8, {"wrong-format"}),
    "float-shape.npy": (_claim("(1.5,)") + b"\0" * 8, {"wrong-format"}),
    # larger than it is
    "bomb.png": (_png_bomb(100_000, 100_000), {"too-large"}),
    "tall-bomb.png": (_png_bomb(1, 2**31 - 1), {"too-large"}),
    "bomb.npy": (_claim("(1000000000000,)"), {"truncated", "too-large"}),
    "product-bomb.npy": (_claim("(4294967296, 4294967296, 2)"), {"truncated", "too-large", "wrong-format"}),
    "header-bomb.npy": (_header("{}", 2, 2**32 - 1), {"too-large", "truncated", "wrong-format"}),
    "line-bomb.csv": (b"1," * 6_000_000, {"too-large"}),
    # what carries code, or no numbers
    "pickle.npy": (npy(np.array([{"a": 1}], dtype=object), allow_pickle=True), {"unsafe"}),
    "objects.npy": (_claim("(1,)", "'|O'") + b"\x80\x04N.", {"unsafe"}),
    "records.npy": (npy(np.zeros(2, [("a", "<i4"), ("b", "<f8")])), {"dtype", "unsafe", "wrong-format"}),
    "words.npy": (npy(np.array(["ab", "c"])), {"dtype", "wrong-format", "unsafe"}),
    # tables
    "ragged.csv": (b"1,2\n3,4\n5\n", {"ragged"}),
    "wide.csv": (b"1,2\n3,4,5\n", {"ragged"}),
    "word.csv": (b"a,b\n1,2\n3,four\n", {"not-a-number"}),
    "nothing.csv": (b"1,\n3,\n", {"not-a-number"}),
    "nul.csv": (b"1,2\n3,\x004\n", {"not-a-number", "wrong-format", "undecodable"}),
    "latin.csv": ("1,2\n3,é\n".encode("latin-1"), {"undecodable"}),
    "utf16.csv": ("1,2\n3,4\n".encode("utf-16"), {"undecodable", "wrong-format", "not-a-number"}),
    "quotes.csv": (b'1,"2\n3,4\n', {"wrong-format", "ragged", "not-a-number"}),
    "huge-number.csv": (b"1,2\n3,1e999\n", {"not-a-number"}),
    "header-only.csv": (b"a,b\n", {"empty", "wrong-format", "not-a-number"}),
    "words.tsv": (b"1\t2\nx\ty\n", {"not-a-number"}),
    # nobody's business
    "notes.txtx": (b"hello", {"no-plugin"}),
    "no-extension": (b"hello", {"no-plugin"}),
    "archive.rar5": (b"Rar!\x1a\x07", {"no-plugin"}),
    # arrays that are fine, and unlike their neighbours
    "grey.png": (b"", set()),
    "complex.npy": (npy(np.zeros((40, 40, 3), np.complex64)), {"dtype"}),
    "flat.npy": (npy(np.zeros(7, np.uint8)), {"shape"}),
}
_grey = io.BytesIO()
Image.fromarray(np.zeros((9, 9), np.uint8)).save(_grey, "PNG")
FILES["grey.png"] = (_grey.getvalue(), {"shape"})


def names(folder: Path) -> dict[str, str]:
    """Make entries whose names or kinds are what is wrong with them; return path below `folder` -> code."""
    (folder / "names").mkdir()
    made: dict[str, str] = {}

    def make(name: str, code: str, how: Callable[[Path], object] = lambda path: path.write_bytes(PNG)) -> None:
        how(folder / "names" / name)
        made[f"names/{name}"] = code

    make("line\nbreak.png", "bad-name")
    make(os.fsdecode(b"half\xff.png"), "bad-name")
    make("mirror\u202egnp.png", "bad-name")
    make("blank .png", "bad-name")
    make("l" * 251 + ".png", "bad-name")
    make("e\u0301.png", "")
    make("\u00e9.png", "collision")
    make("same.gif", "", lambda path: path.write_bytes(GIF))
    make("same.png", "collision")
    make("pipe.png", "not-a-file", lambda path: os.mkfifo(path))
    make("loop", "link", lambda path: path.symlink_to(folder))
    make("broken.png", "link", lambda path: path.symlink_to(folder / "nowhere.png"))
    make("outside.png", "link", lambda path: path.symlink_to("/etc/hostname"))
    make("-rf.png", "")
    make("..png", "hidden")
    return made


def fill(folder: Path) -> tuple[dict[str, set[str]], dict[str, Path]]:
    """Fill a folder with all of it, each bad file between two good ones; return who is bad, and the good by sample."""
    folder.mkdir()
    bad: dict[str, set[str]] = {}
    good: dict[str, Path] = {}
    for number, (name, (content, codes)) in enumerate(FILES.items()):
        place = folder / f"{number:02}"
        place.mkdir()
        (place / name).write_bytes(content)
        for stem, seed in (("+before", number), ("~behind", number + 1000)):
            path = good[f"{place.name}/{stem}"] = place / f"{stem}.png"
            path.write_bytes(picture(seed, (9 + seed % 30, 11)))
        bad[f"{place.name}/{name}"] = codes
    for name, code in names(folder).items():
        if code not in {"", "hidden"}:
            bad[name] = {code}
    for key, name in {"\u00e9": "e\u0301.png", "same": "same.gif", "-rf": "-rf.png"}.items():
        good[f"names/{key}"] = folder / "names" / name
    return bad, good
