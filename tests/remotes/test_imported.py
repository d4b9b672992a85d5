"""What an import has made travels whole: files that are kept as they are, and where samples came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sides import fresh, reading

from hangar_core import Repository
from hangar_core.errors import DataMissing


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of small JPEGs, two of them alike."""
    folder = tmp_path / "photos"
    for number in range(6):
        path = folder / f"{'cat' if number % 2 else 'dog'}" / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 8, 3), 20 * number, np.uint8)).save(path)
    return folder


@pytest.fixture
def imported(origin: Repository, photos: Path) -> Repository:
    origin.ingest("pets", photos)
    origin.ingest("drawn", photos / "cat", store="pixels")
    origin.commit("pictures")
    origin.remote.push("origin", "master")
    return origin


def test_files_come_out_byte_for_byte_of_a_clone(imported: Repository, photos: Path, tmp_path: Path) -> None:
    clone = fresh(tmp_path / "clone")
    clone.clone("Ben", "ben@example.org", imported.remote.list_all()[0].address)
    with reading(clone) as checkout, pytest.raises(DataMissing):
        checkout["pets", "cat/001"]
    clone.remote.fetch_data("origin", "master")
    with reading(clone) as there, reading(imported) as here:
        assert {*there.arraysets["pets"]} == {*here.arraysets["pets"]}
        for key in here.arraysets["pets"]:
            assert np.array_equal(there["pets", key], here["pets", key])
            found = there.arraysets["pets"].original(key)
            assert found is not None
            assert found[1] == (photos / f"{key}.jpg").read_bytes()
    (tmp_path / "out").mkdir()
    clone.export("pets", tmp_path / "out")
    for path in sorted(photos.rglob("*.jpg")):
        assert (tmp_path / "out" / path.relative_to(photos)).read_bytes() == path.read_bytes()


def test_where_samples_came_from_is_known_before_their_data_are_there(imported: Repository, tmp_path: Path) -> None:
    clone = fresh(tmp_path / "clone")
    clone.clone("Ben", "ben@example.org", imported.remote.list_all()[0].address)
    with reading(clone) as there, reading(imported) as here:
        for name in ("pets", "drawn"):
            for key in here.arraysets[name]:
                known = here.arraysets[name].provenance(key)
                assert known is not None
                assert there.arraysets[name].provenance(key) == known


def test_a_second_push_of_an_import_sends_only_what_is_new(imported: Repository, photos: Path) -> None:
    Image.fromarray(np.full((9, 8, 3), 7, np.uint8)).save(photos / "cat" / "new.jpg")
    imported.ingest("pets", photos)
    imported.commit("one more")
    done = imported.remote.send("origin", "master")
    assert (done.commits, done.samples) == (1, 1)
    assert done.records <= 6


def test_a_repository_that_has_fetched_says_what_its_readers_have_to_know(imported: Repository, tmp_path: Path) -> None:
    clone = fresh(tmp_path / "clone")
    clone.clone("Ben", "ben@example.org", imported.remote.list_all()[0].address)
    told = (tmp_path / "clone" / ".hangar" / "format.json").read_text()
    assert all(feature in told for feature in ("compact-1", "provenance-1", "originals-1"))
