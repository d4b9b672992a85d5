"""Creating a repository and working with data: the documented first tutorial, step by step.

The handwritten digits of the demo stand in for the larger collection that the tutorial downloads.
"""

from __future__ import annotations

import warnings
from importlib.resources import files

import numpy as np
import pytest

from hangar_core import Repository


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return (images as uint8 rows, labels)."""
    table = np.loadtxt(str(files("hangar_cli") / "demo_data" / "digits.csv"), delimiter=",", skiprows=1, dtype=np.int64)
    return (table[:, :64] * 16).clip(0, 255).astype(np.uint8), table[:, 64]


def test_the_tutorial(tmp_path, digits, capsys):
    trimgs, trlabels = digits

    with pytest.warns(UserWarning, match="init"):
        repo = Repository(path=str(tmp_path))
    where = repo.init(user_name="Rick Izzo", user_email="rick@example.org", remove_old=True)
    assert where == str(tmp_path / ".hangar")

    co = repo.checkout(write=True)
    assert len(co.arraysets) == 0
    assert len(co.metadata) == 0
    for part in (co, co.arraysets, co.metadata):
        assert repr(part)

    train_aset = co.arraysets.init_arrayset(name="training_images", prototype=trimgs[0])
    assert co.arraysets["training_images"] is train_aset
    assert co.arraysets.get("training_images") is train_aset
    assert co["training_images"] is train_aset

    train_aset["0"] = trimgs[0]
    train_aset.add(data=trimgs[1], name="1")
    train_aset[51] = trimgs[51]
    co["training_images", 60] = trimgs[60]
    assert len(train_aset) == 4
    assert ("hi" in train_aset, "0" in train_aset, 60 in train_aset) == (False, True, True)
    assert np.allclose(train_aset["0"], co["training_images", "0"])
    assert list(train_aset) == list(train_aset.keys()) == ["0", "1", 51, 60]
    assert all(np.array_equal(value, trimgs[int(key)]) for key, value in train_aset.items())

    # One by one, in `with`, and through the checkout.
    sample_label = np.array([trlabels[0]])
    for form in ("bare", "with", "checkout"):
        co.arraysets.init_arrayset(name="train_images", prototype=trimgs[0])
        co.arraysets.init_arrayset(name="train_labels", prototype=sample_label)
        images, labels = co.arraysets["train_images"], co.arraysets["train_labels"]
        if form == "bare":
            for index in range(100):
                images.add(data=trimgs[index], name=index)
                labels.add(data=np.array([trlabels[index]]), name=str(index))
        elif form == "with":
            with images, labels:
                for index in range(100):
                    images.add(data=trimgs[index], name=str(index))
                    labels.add(data=np.array([trlabels[index]]), name=str(index))
        else:
            with co:
                for index in range(100):
                    co[["train_images", "train_labels"], index] = [trimgs[index], np.array([trlabels[index]])]
        assert (len(images), len(labels)) == (100, 100)
        if form == "checkout":
            break
        co.reset_staging_area()
        co.close()
        co = repo.checkout(write=True)

    digest = co.commit("hello world, this is my first hangar commit")
    co.close()

    # A writer that was forgotten: the documented way out.
    forgotten = repo.checkout(write=True)
    with pytest.raises(PermissionError, match="Cannot acquire the writer lock"):
        repo.checkout(write=True)
    with pytest.warns(ResourceWarning):
        assert repo.force_release_writer_lock() is True
    forgotten.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        repo.checkout(write=True).close()

    capsys.readouterr()
    repo.summary()
    assert "|  Number of Named Arraysets: 2" in capsys.readouterr().out
    repo.log()
    assert capsys.readouterr().out == f"* {digest} (master) : hello world, this is my first hangar commit\n"
