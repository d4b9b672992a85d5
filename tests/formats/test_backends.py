"""A repository for each backend, made once: what is in it comes back, and a writer goes on with it."""

from __future__ import annotations

import json
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from goldens import GOLDEN
from goldens.backends import CODES, ELSEWHERE, content

from hangar_core import Repository
from hangar_core.backends.registry import BUILT_IN
from hangar_core.errors import DataMissing
from hangar_core.testing.samples import codes_of, same


@pytest.fixture(params=CODES)
def code(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def place(tmp_path: Path, code: str) -> Path:
    """A fresh copy of the golden repository."""
    with tarfile.open(GOLDEN / f"backend-{code}.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path


def test_there_is_a_golden_repository_for_each_code() -> None:
    assert set(CODES) == set(BUILT_IN)


def test_every_sample_is_what_it_was(place: Path, code: str) -> None:
    with closing(Repository(place).checkout()) as reader:
        wanted = content(code)
        assert list(reader.arraysets) == sorted(wanted)
        for name, samples in wanted.items():
            aset = reader.arraysets[name]
            assert set(aset) == set(samples)
            for key, sample in samples.items():
                if code == "50" and (name, key) == ELSEWHERE:
                    with pytest.raises(DataMissing, match="on a remote"):
                        aset[key]
                else:
                    assert same(aset[key], sample), (name, key)


def test_the_samples_are_still_where_they_were(place: Path, code: str) -> None:
    name, key = ELSEWHERE
    assert codes_of(place, [content(code)[name][key]]) == {code}
    with closing(Repository(place).checkout()) as reader:
        assert reader.arraysets[name].backend == ("10" if code == "50" else code)


def test_it_requires_what_it_required(place: Path, code: str) -> None:
    form = json.loads((place / ".hangar" / "format.json").read_bytes())
    feature = BUILT_IN["10" if code == "50" else code].feature
    assert form == {"format": 1, "requires": sorted({"pack-20", feature})}


def test_a_writer_goes_on_from_it(place: Path, code: str) -> None:
    repo = Repository(place)
    more = np.full((6, 10), 7, "<f4")
    writer: Any = repo.checkout(write=True)
    with closing(writer):
        writer.arraysets["floats"]["more"] = more
        writer.commit("more")
    with closing(repo.checkout()) as reader:
        assert same(reader.arraysets["floats"]["more"], more)
        assert same(reader.arraysets["floats"]["a"], content(code)["floats"]["a"])
    assert codes_of(place, [more]) == {"10" if code == "50" else code}
