"""Working with remote servers: the documented third tutorial, step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository


def test_the_tutorial(tmp_path: Path, server_address: str) -> None:
    chance = np.random.default_rng(0)
    test_data = chance.integers(0, 255, (103, 117), np.uint8)
    train_data = chance.integers(0, 60_000, (926, 117), np.uint16)

    # A test repository.
    for name in ("intro", "dota-clone"):
        (tmp_path / name).mkdir()
    repo = Repository(str(tmp_path / "intro"), exists=False)
    repo.init(user_name="Rick Izzo", user_email="rick@example.org", remove_old=True)
    co = repo.checkout(write=True)
    co.arraysets.init_arrayset(name="test", prototype=test_data[0], named_samples=False)
    with co.arraysets["test"] as ds:
        for game in test_data:
            ds.add(game)
    first = co.commit("initial commit on master with test data")
    repo.create_branch("add-train")
    co.close()
    co = repo.checkout(write=True, branch="add-train")
    co.arraysets.init_arrayset(name="train", prototype=train_data[0], named_samples=False)
    with co.arraysets["train"] as dt:
        for game in train_data:
            dt.add(game)
    second = co.commit("added training data on another branch")
    co.close()
    co = repo.checkout(write=True, branch="master")
    co.metadata["earaea"] = "eara"
    third = co.commit("more changes here")
    co.close()

    # Pushing.
    assert repo.remote.add("origin", server_address) == ("origin", server_address)
    assert repo.remote.push("origin", "master") == "master"
    assert repo.remote.push("origin", "add-train") == "add-train"

    # Cloning.
    clone = Repository(str(tmp_path / "dota-clone"), exists=False)
    assert clone.clone("rick izzo", "rick@example.org", server_address, remove_old=True) == "master"
    assert clone.log(return_contents=True) == {
        **repo.log(return_contents=True),
        "branch_heads": {third: ["master", "origin/master"]},
    }
    assert clone.list_branches() == ["master", "origin/master"]
    assert clone.remote.fetch("origin", "add-train") == "origin/add-train"
    assert clone.list_branches() == ["master", "origin/add-train", "origin/master"]
    assert clone.log(branch="origin/add-train", return_contents=True)["order"] == [second, first]
    assert clone.create_branch("add-train", second).name == "add-train"
    assert clone.log(branch="add-train", return_contents=True)["branch_heads"][second] == [
        "add-train",
        "origin/add-train",
    ]

    # A partial clone.
    with pytest.warns(UserWarning, match="Arrayset: test contains `reference-only` samples"):
        co = clone.checkout(branch="master")
    assert "- test / True" in repr(co.arraysets)
    assert "Number of Samples        : 103" in repr(co.arraysets["test"])
    assert "Partial Remote Data Refs : True" in repr(co.arraysets["test"])
    key = next(co.arraysets["test"].keys())
    with pytest.raises(FileNotFoundError):
        co.arraysets["test"][key]
    co.close()

    # Fetching data.
    assert clone.remote.fetch_data("origin", branch="master") == [third]
    co = clone.checkout(branch="master")
    assert "- test / False" in repr(co.arraysets)
    assert any(np.array_equal(co["test", key], game) for game in test_data)
    co.close()

    # Data that are here beside data that are not.
    with pytest.warns(UserWarning, match="Arrayset: train contains"):
        co = clone.checkout(branch="add-train")
    assert co.arraysets.contains_remote_references == {"test": False, "train": True}
    co.close()
    assert clone.remote.fetch_data("origin", branch="add-train") == [second]
    co = clone.checkout(branch="add-train")
    assert sorted(game.tobytes() for game in co["train"].values()) == sorted(game.tobytes() for game in train_data)
    co.close()
