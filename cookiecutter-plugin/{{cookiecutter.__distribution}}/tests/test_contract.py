"""All that hangar expects of a plugin, and what is special about this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hangar_core import external
from hangar_core.testing import PluginContract

from {{ cookiecutter.__module }}.plugin import EXTENSIONS

NAME = "{{ cookiecutter.name }}"
EXTENSION = EXTENSIONS[0]
ARRAY = np.arange(6, dtype="<f4").reshape(2, 3)


class TestContract(PluginContract):
    """The suite of hangar. Give samples as your users have them, also at the edges: empty, large, odd."""

    plugin = NAME

    def samples(self) -> Mapping[str, Sequence[Any]]:
        one_of_each = [ARRAY, np.zeros((0, 4), "<i2"), np.array(5, "<i8"), np.full((3, 3, 3), 255, "|u1")]
        return dict.fromkeys(EXTENSIONS, one_of_each)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with `ARRAY`."""
    external.save(ARRAY, tmp_path, "str:sample", EXTENSION, plugin=NAME)
    return tmp_path / f"sample.{EXTENSION}"


def test_options_arrive_with_their_type(file: Path) -> None:
    array, _ = external.load(file, plugin=NAME, scale="0.5", flip="yes")
    assert array.tolist() == (ARRAY[::-1] * 0.5).tolist()


def test_a_mistyped_option_is_refused_with_a_suggestion(file: Path) -> None:
    with pytest.raises(external.InvalidInput) as caught:
        external.load(file, plugin=NAME, scael="0.5")
    assert caught.value.hint == "did you mean `scale`?"


def test_an_array_that_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(external.InvalidData, match="complex128"):
        external.save(np.zeros(3, complex), tmp_path, "str:sample", EXTENSION, plugin=NAME)
    assert list(tmp_path.iterdir()) == []


def test_show_says_what_there_is() -> None:
    assert external.show(ARRAY, plugin=NAME, values="2") == "float32 (2, 3): 0.0, 1.0"
