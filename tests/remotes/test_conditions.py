"""`--where`: which samples are meant, told without their data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sides import fresh, reading, row, writing

from hangar_core import Repository
from hangar_core.errors import ArraysetNotFound, InvalidInput


@pytest.fixture
def scenes(tmp_path: Path, address: str) -> Repository:
    """A clone without data: pictures, nested views, and labels, cameras and angles of the same names."""
    repo = fresh(tmp_path / "scenes")
    repo.init("Ada", "ada@example.org")
    with writing(repo) as writer:
        pictures = writer.add_ndarray_arrayset("rgb", shape=(2, 3), dtype=np.float32)
        views = writer.add_ndarray_arrayset("views", shape=(2, 3), dtype=np.float32, contains_subsamples=True)
        camera = writer.add_ndarray_arrayset("camera", shape=(1,), dtype=np.int64)
        angle = writer.add_ndarray_arrayset("angle", shape=(1,), dtype=np.float32)
        label = writer.add_str_arrayset("rgb.label")
        dashed = writer.add_str_arrayset("cat-label")
        for number in range(12):
            key = f"k{number:02}"
            pictures[key] = row(number)
            views[key] = {"left": row(100 + number), "right": row(200 + number)}
            camera[key] = np.array([number % 4])
            angle[key] = np.array([number / 10], np.float32)
            label[key] = ("day", "night", "dusk")[number % 3]
            dashed[key] = "x" if number < 2 else "y"
        writer.commit("scenes")
    repo.remote.add("origin", address)
    repo.remote.push("origin", "master")
    clone = fresh(tmp_path / "clone")
    clone.clone("Bob", "bob@example.org", address)
    return clone


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("rgb.label == 'night'", [1, 4, 7, 10]),
        ("rgb.label != 'night'", [0, 2, 3, 5, 6, 8, 9, 11]),
        ("rgb.label in ('night', 'dusk') and camera == 3", [7, 11]),
        ("(camera == 0 or camera == 1) and rgb.label not in ['day']", [1, 4, 5, 8]),
        ("'cat-label' == 'x'", [0, 1]),
        ("angle == 0.3", [3]),
        ("angle == 0", [0]),
        ("camera == 1.5", []),
        ("camera == 'night'", []),
        ("rgb.label == b'night'", []),
        ("camera == 99999999999999999999999", []),
    ],
)
def test_samples_are_chosen_by_what_stands_beside_them(scenes: Repository, where: str, numbers: list[int]) -> None:
    done = scenes.remote.bring_data("origin", "master", arrayset_names=["rgb", "views"], where=where)[1]
    assert done.samples == 3 * len(numbers)
    with reading(scenes) as checkout:
        assert list(checkout["rgb"].keys(local=True)) == [f"k{number:02}" for number in numbers]
        assert list(checkout["views"].keys(local=True)) == [f"k{number:02}" for number in numbers]
        assert not list(checkout["camera"].keys(local=True))


def test_conditions_and_other_choices_hold_together(scenes: Repository) -> None:
    done = scenes.remote.bring_data(
        "origin", "master", arrayset_names=["rgb"], keys=["k1*"], where="camera == 3", max_num_bytes=1000
    )[1]
    assert done.samples == 1


@pytest.mark.parametrize(
    "where",
    [
        *("", "label", "label ==", "1 == 1", "label < 3", "label == other", "f(label) == 1", "not label == 1"),
        *("a == 1 == 2", "label == ('a', 'b')", "label in 'night'", "label in ((1, 2), 3)", "a\x00 == 1"),
        *("__import__('os').system('true') == 1", "a == None", "x" * 5000, "(" * 300 + "a == 1" + ")" * 300),
    ],
)
def test_what_is_no_condition_is_said(scenes: Repository, where: str) -> None:
    with pytest.raises(InvalidInput, match="is no condition") as caught:
        scenes.remote.fetch_data("origin", "master", where=where)
    assert "night" in caught.value.hint


def test_arraysets_that_cannot_be_compared_are_said(scenes: Repository) -> None:
    with pytest.raises(ArraysetNotFound):
        scenes.remote.fetch_data("origin", "master", where="nothing == 1")
    for name in ("rgb", "views"):
        with pytest.raises(InvalidInput, match="no single values"):
            scenes.remote.fetch_data("origin", "master", where=f"{name} == 1")
