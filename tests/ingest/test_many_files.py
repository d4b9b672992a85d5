"""A large folder of good and bad files behaves as the policies say: none is lost or silent, none stops the rest."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository
from hangar_core.errors import FilesRejected, TooManyRejected

SIZES = [pytest.param(300), pytest.param(20_000, marks=pytest.mark.slow)]
_PER_FOLDER = 500


def picture(number: int) -> np.ndarray:
    return np.full((4, 5, 3), number % 251, "u1")


def encoded(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(number)).save(file, "PNG")
    return file.getvalue()


# What every seventh file is instead of a picture, in turns: content, extension, code of the reject.
BAD = [
    (lambda whole: whole[:-20], "png", "truncated"),
    (lambda _: b"", "png", "empty"),
    (lambda _: b"hello", "png", "wrong-format"),
    (lambda whole: whole, "jpg", "wrong-format"),
    (lambda _: b"text", "nobody-reads-this", "no-plugin"),
    (lambda whole: whole[:40] + b"\xff" + whole[41:], "png", "undecodable"),
]


def make(folder: Path, count: int) -> tuple[dict[str, int], dict[str, str]]:
    """Write files and return key -> number of the good ones, and path -> code of the others."""
    good, bad = {}, {}
    for number in range(count):
        directory = folder / f"{number // _PER_FOLDER:03}"
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{directory.name}/{number:05}"
        if number % 7:
            (folder / f"{name}.png").write_bytes(encoded(number))
            good[name] = number
        else:
            spoil, extension, code = BAD[number // 7 % len(BAD)]
            path = folder / f"{name}.{extension}"
            path.write_bytes(spoil(encoded(number)))
            bad[str(path)] = code
    return good, bad


@pytest.mark.parametrize("count", SIZES)
def test_a_mixed_folder_under_every_policy(repo: Repository, tmp_path: Path, count: int) -> None:
    folder = tmp_path / "mixed"
    good, bad = make(folder, count)
    with pytest.raises(FilesRejected) as refused:
        repo.ingest("x", folder)
    assert {one.source: one.code for one in refused.value.rejects} == bad
    assert repo.status().clean
    with pytest.raises(TooManyRejected):
        repo.ingest("limited", folder, on_error="skip", max_errors=len(bad) - 1)
    repo.reset(hard=True)

    receipt = repo.ingest("x", folder, on_error="quarantine", commit="what is good")
    assert {one.source: one.code for one in receipt.rejects} == bad
    assert (receipt.added, receipt.originals, receipt.files) == (len(good), len(good), count)
    again = repo.ingest("x", folder, on_error="quarantine", commit="again")
    assert (again.unchanged, again.commit) == (len(good), None)
    assert {one.code for one in again.rejects} == {"no-plugin"}  # which is known without trying
    assert again.quarantined + len(again.rejects) == len(bad)
    with closing(repo.checkout()) as checkout:
        aset = checkout.arraysets["x"]
        assert set(aset.keys()) == good.keys()
        assert all(np.array_equal(data, picture(good[name])) for name, data in aset.items())

    out = tmp_path / "out"
    out.mkdir()
    exported = repo.export("x", out, verify=True)
    assert (exported.originals, exported.verified.identical) == (len(good), len(good))
    assert all((out / f"{name}.png").read_bytes() == (folder / f"{name}.png").read_bytes() for name in good)
