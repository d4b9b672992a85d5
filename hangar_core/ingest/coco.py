"""Annotations of images in the format of COCO (https://cocodataset.org/#format-data), looked up image by image.

A file of annotations may be larger than memory: it is read as a stream into a database that lives as long as the
import, and is checked as a whole before any image is read. The reader is ijson, the extra ``coco``.

What an image gets, beside its pixels, in arraysets that are called ``ARRAYSET.suffix``:

============  ======================================================================================
boxes         (n, 4) float64: x and y of the corner, width, height, in pixels as the file has them
category      (n,) int64: the category of each box, by its id
annotations   text: JSON, a list of the n annotations as they are, segmentation and all, in order of
              their ids; each has the name of its category as ``category`` too
============  ======================================================================================

An image without annotations has n = 0. Where annotations have no ``bbox`` (captions) there is only the text.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Self

from blake3 import blake3

from hangar_core import external
from hangar_core.errors import BadFile
from hangar_core.external.optional import needed
from hangar_core.ingest.options import ImportOptions
from hangar_core.ingest.scratch import scratch_folder

BOXES: Final = "boxes"
CATEGORY: Final = "category"
ANNOTATIONS: Final = "annotations"
SUFFIXES: Final = (BOXES, CATEGORY, ANNOTATIONS)
MAX_TEXT = 16 << 20  # characters of one annotation
_CHUNK = 1 << 20
_INT64 = range(-(2**63), 2**63)
_AGAIN = "get the file again, or write it again"
_TABLES = """
CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE images (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, file TEXT UNIQUE);
CREATE TABLE annotations (
    id INTEGER PRIMARY KEY, image INTEGER NOT NULL, category INTEGER, x REAL, y REAL, width REAL, height REAL,
    body TEXT NOT NULL
);
"""


class Unclaimed(NamedTuple):
    """Why a file gets no annotations: a code, what is wrong, what to do."""

    code: str
    message: str
    fix: str


class Annotations:
    """All annotations of one import. Use it in a `with`: the database goes with it."""

    def __init__(self, file: str | os.PathLike[str], directory: Path | None) -> None:
        """Read a file of annotations. `directory` is where the database is made, None for the usual place.

        Raises `BadFile` for a file that is not what it should be, whatever is wrong in it; `PackageMissing`.
        """
        self.file = os.path.abspath(file)
        self._folder = scratch_folder(directory, "coco")
        self.database = os.path.join(self._folder.name, "annotations")
        self._db = sqlite3.connect(self.database, isolation_level=None)
        try:
            self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLES}")
            self.digest = _read(self.file, self._db)
        except BaseException:
            self.close()
            raise

    def claim(self, below: str, file: str) -> Unclaimed | None:
        """Have `file` (as it is shown) be the image that the annotations call `below`, or by its last part alone.

        Returns None, or why it cannot be. Twice for the same file is fine.
        """
        for name in (below, below.rpartition("/")[2]):
            found = self._db.execute("SELECT id, file FROM images WHERE name = ?", (name,)).fetchone()
            if found is not None:
                break
        else:
            fix = "remove it, leave it out with --exclude, or add it to the annotations"
            return Unclaimed("not-annotated", f"{os.path.basename(self.file)} does not name it", fix)
        image, other = found
        if other not in (None, file):
            message = f"the annotations name `{name}`, which `{other}` is too"
            return Unclaimed("collision", message, "import the folder that is meant")
        self._db.execute("UPDATE images SET file = ? WHERE id = ?", (file, image))
        return None

    def missing(self) -> Iterator[str]:
        """Yield the names of images that no file has claimed."""
        for (name,) in self._db.execute("SELECT name FROM images WHERE file IS NULL ORDER BY name"):
            yield name

    def close(self) -> None:
        self._db.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def annotations_for(options: ImportOptions, directory: Path | None) -> AbstractContextManager[Annotations | None]:
    """Return the annotations that are asked for, or None, for use in a `with`. Raises as `Annotations`."""
    return nullcontext() if options.coco is None else Annotations(options.coco, directory)


def annotations_of(database: str, file: str) -> dict[str, Any]:
    """Return suffix -> data for the image in `file`, from the database of an `Annotations`; in any thread or process.

    Raises `KeyError` if no image was claimed by that file.
    """
    import numpy as np

    with closing(sqlite3.connect(f"{Path(database).as_uri()}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT id FROM images WHERE file = ?", (file,)).fetchone()
        if found is None:
            raise KeyError(file)
        rows = db.execute(
            "SELECT body, category, x, y, width, height FROM annotations WHERE image = ? ORDER BY id", found
        ).fetchall()
        boxed = db.execute("SELECT 1 FROM annotations WHERE x IS NOT NULL LIMIT 1").fetchone() is not None
    data: dict[str, Any] = {ANNOTATIONS: f"[{','.join(row[0] for row in rows)}]"}
    if boxed:
        data[BOXES] = np.array([row[2:] for row in rows], "f8").reshape(-1, 4)
        data[CATEGORY] = np.array([row[1] for row in rows], "i8")
    return data


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(file: str, db: sqlite3.Connection) -> str:
    """Put a file of annotations into the tables; return the BLAKE3 of its bytes as text."""
    ijson = needed("ijson", extra="coco", what="reading annotations of COCO")
    with external.open_file(file) as source:
        hasher = blake3()
        while chunk := source.read(_CHUNK):
            hasher.update(chunk)
        try:
            # One after another, for any of them may be first in the file.
            db.execute("BEGIN")
            _fill(file, db, "categories (id, name)", _categories(_items(ijson, source, "categories")))
            _fill(file, db, "images (id, name)", _images(_items(ijson, source, "images")))
            names = dict(db.execute("SELECT id, name FROM categories"))
            rows = _annotations(_items(ijson, source, "annotations"), names)
            _fill(file, db, "annotations (id, image, category, x, y, width, height, body)", rows)
            db.execute("CREATE INDEX of_image ON annotations (image)")
            _check(db)
            db.execute("COMMIT")
        except (ijson.JSONError, UnicodeDecodeError) as why:
            # ijson has one error for both; the words are those of its two parsers.
            if any(sign in str(why).lower() for sign in ("premature", "incomplete")):
                raise _bad(file, "truncated", f"its JSON ends early: {why}") from why
            raise _bad(file, "wrong-format", f"it is no JSON: {why}") from why
        except _WrongError as why:
            raise _bad(file, "wrong-format", str(why)) from why
    return str(hasher.hexdigest())


class _WrongError(ValueError):
    """What is wrong in a file of annotations, and where."""


def _items(ijson: Any, source: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of one of the lists, with what to call each in a message."""
    source.seek(0)
    for number, item in enumerate(ijson.items(source, f"{name}.item", use_float=True)):
        where = f"{name}[{number}]"
        if not isinstance(item, dict):
            raise _WrongError(f"{where} is no object")
        yield where, item


def _fill(file: str, db: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * (table.count(",") + 1))
    try:
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 — one of three constants
    except sqlite3.IntegrityError as why:
        raise _bad(file, "wrong-format", f"two entries are alike where none may be: {why}") from why


def _categories(items: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[int, str]]:
    for where, item in items:
        yield _integer(where, item, "id"), _text(where, item, "name")


def _images(items: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[int, str]]:
    for where, item in items:
        yield _integer(where, item, "id"), _text(where, item, "file_name").replace("\\", "/").removeprefix("./")


def _annotations(items: Iterable[tuple[str, dict[str, Any]]], names: dict[int, str]) -> Iterator[tuple[Any, ...]]:
    for where, item in items:
        number, image = _integer(where, item, "id"), _integer(where, item, "image_id")
        category: int | None = None
        box: tuple[float | None, ...] = (None,) * 4
        if "category_id" in item or "bbox" in item:
            category = _integer(where, item, "category_id")
            if category not in names:
                raise _WrongError(f"{where} is of category {category}, which is not in `categories`")
            item = {**item, "category": item.get("category", names[category])}
        if "bbox" in item:
            box = _box(where, item["bbox"])
        try:
            body = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
            body.encode()
        except (RecursionError, UnicodeEncodeError) as why:
            raise _WrongError(f"{where} cannot be kept as text: {type(why).__name__}") from why
        if len(body) > MAX_TEXT:
            raise _WrongError(f"{where} has {len(body)} characters, more than {MAX_TEXT}")
        yield number, image, category, *box, body


def _check(db: sqlite3.Connection) -> None:
    """Look at what only the whole file tells."""
    if db.execute("SELECT 1 FROM images LIMIT 1").fetchone() is None:
        raise _WrongError("it has no list `images` with something in it")
    lost = db.execute(
        "SELECT id, image FROM annotations WHERE image NOT IN (SELECT id FROM images) ORDER BY id LIMIT 1"
    ).fetchone()
    if lost is not None:
        raise _WrongError(f"annotation {lost[0]} is of image {lost[1]}, which is not in `images`")
    with_box, all_of_them = db.execute("SELECT count(x), count(*) FROM annotations").fetchone()
    if with_box not in (0, all_of_them):
        (first,) = db.execute("SELECT min(id) FROM annotations WHERE x IS NULL").fetchone()
        raise _WrongError(f"annotation {first} has no `bbox`, others have one")


def _integer(where: str, item: dict[str, Any], name: str) -> int:
    value = item.get(name)
    if type(value) is not int or value not in _INT64:
        raise _WrongError(f"{where} has no whole number `{name}`")
    return value


def _text(where: str, item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise _WrongError(f"{where} has no text `{name}`")
    return value


def _box(where: str, box: Any) -> tuple[float, ...]:
    fits = isinstance(box, list) and len(box) == 4 and all(type(one) in (int, float) for one in box)
    if not fits or not all(abs(one) <= 2**53 and math.isfinite(one) for one in box):
        raise _WrongError(f"{where} has a `bbox` that is not four numbers")
    return tuple(map(float, box))


def _bad(file: str, code: str, reason: str) -> BadFile:
    return external.bad_file(file, code=code, reason=reason, fix=_AGAIN)
