"""A repository and a folder of pictures by subject."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    home = tmp_path / "repo"
    home.mkdir()
    repository = Repository(home, exists=False)
    repository.init("Ada", "ada@example.org")
    return repository


@pytest.fixture
def pixels() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    names = ["cat/001", "cat/with space", "dog/001", "dog/ünï"]
    return {name: rng.integers(0, 256, (9 + number, 7, 3), dtype=np.uint8) for number, name in enumerate(names)}


@pytest.fixture
def pictures(tmp_path: Path, pixels: dict[str, np.ndarray]) -> Path:
    folder = tmp_path / "pictures"
    for name, array in pixels.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
    return folder
