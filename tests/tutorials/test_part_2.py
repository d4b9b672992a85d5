"""Checkouts, branching and merging: the documented second tutorial, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core import Repository


def test_the_tutorial(tmp_path, capsys):
    def log(start: str | None = None) -> str:
        capsys.readouterr()
        repo.log(start)
        return capsys.readouterr().out

    repo = Repository(path=str(tmp_path), exists=False)
    repo.init(user_name="Test User", user_email="test@example.org")
    assert repo.log() is None
    assert repo.list_branches() == ["master"]

    # The first commit.
    co = repo.checkout(write=True)
    assert (len(co.metadata), len(co.arraysets)) == (0, 0)
    dummy = np.arange(10, dtype=np.uint16)
    aset = co.arraysets.init_arrayset(name="dummy_arrayset", prototype=dummy)
    aset["0"] = dummy
    first = co.commit("first commit with a single sample added to a dummy arrayset")
    co.close()
    assert log() == f"* {first} (master) : first commit with a single sample added to a dummy arrayset\n"

    # Branches.
    assert repo.create_branch(name="testbranch").name == "testbranch"
    assert repo.list_branches() == ["master", "testbranch"]
    assert repo.create_branch(name="new", base_commit=first).digest == first
    assert log().startswith(f"* {first} (master) (new) (testbranch) : ")

    # Changes on a branch.
    co = repo.checkout(write=True, branch="new")
    assert np.array_equal(co.arraysets["dummy_arrayset"]["0"], dummy)
    co["dummy_arrayset", "1"] = dummy + np.uint16(1)
    assert len(co.arraysets["dummy_arrayset"]) == 2
    second = co.commit("commit on `new` branch adding a sample to dummy_arrayset")
    co.close()
    assert [line.split(" : ")[0] for line in log().splitlines()] == [
        f"* {second} (new)",
        f"* {first} (master) (testbranch)",
    ]

    # A fast-forward merge.
    co = repo.checkout(write=True, branch="master")
    assert co.merge(message="message for commit (not used for FF merge)", dev_branch="new") == second
    assert (co.branch_name, co.commit_hash) == ("master", second)
    assert len(co.arraysets["dummy_arrayset"]) == 2
    co.close()
    assert log().splitlines()[0].startswith(f"* {second} (master) (new) : ")

    # Histories that diverge.
    co = repo.checkout(write=True, branch="testbranch")
    co["dummy_arrayset", "0"] = co["dummy_arrayset", "0"] + np.uint16(50)
    third = co.commit("mutated sample `0` of `dummy_arrayset` to new value")
    co.metadata["hello"] = "world"
    fourth = co.commit("added hellow world metadata")
    co.close()
    assert [line.split()[1] for line in log().splitlines()] == [fourth, third, first]
    assert [line.split()[1] for line in log("master").splitlines()] == [second, first]

    # A three-way merge.
    co = repo.checkout(write=True, branch="master")
    merged = co.merge(message="merge of testbranch into master", dev_branch="testbranch")
    assert log() == (
        f"*   {merged} (master) : merge of testbranch into master\n"
        "|\\  \n"
        f"| * {fourth} (testbranch) : added hellow world metadata\n"
        f"| * {third} : mutated sample `0` of `dummy_arrayset` to new value\n"
        f"* | {second} (new) : commit on `new` branch adding a sample to dummy_arrayset\n"
        "|/  \n"
        f"* {first} : first commit with a single sample added to a dummy arrayset\n"
    )
    assert [row.tolist() for row in co["dummy_arrayset", ["0", "1"]]] == [list(range(50, 60)), list(range(1, 11))]
    assert co.metadata["hello"] == "world"
    co.close()

    # A conflict, found by diff, refused by merge, and removed.
    co = repo.checkout(write=True, branch="new")
    co.metadata["hello"] = "foo conflict... BOO!"
    co.commit("commit on new branch to hello metadata key so we can demonstrate a conflict")
    with pytest.raises(ValueError, match="Merge ABORTED with conflict"):
        co.merge(message="this merge should not happen", dev_branch="testbranch")
    merge_results, conflicts_found = co.diff.branch("testbranch")
    assert conflicts_found.conflict is True
    assert list(conflicts_found.t1.metadata) == [("hello",)]
    assert merge_results.mutated.metadata.keys() == {("hello",)}
    assert not any(
        conflicts_found.t1.samples or part for part in (conflicts_found.t21.metadata, conflicts_found.t3.metadata)
    )
    del co.metadata["hello"]
    co.metadata["resolved"] = "conflict by removing hello key"
    co.commit("commit which removes conflicting metadata key")
    made = co.merge(message="this merge succeeds as it no longer has a conflict", dev_branch="testbranch")
    co.close()
    assert log("new").startswith(f"*   {made} (new) : this merge succeeds")
