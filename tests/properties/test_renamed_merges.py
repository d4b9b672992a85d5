"""A merge gives the same from either side, and whether or not arraysets were renamed meanwhile, but for their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hangar_core import Repository

NAMES = ("a", "b", "c")
Edits = dict[str, dict[str, int | None]]
Renames = list[Mapping[str, str]]

# Few samples and values, so that the sides meet; None removes.
edits = st.dictionaries(
    st.sampled_from(NAMES), st.dictionaries(st.sampled_from("wxyz"), st.none() | st.integers(0, 2)), max_size=3
)
# What to call each arrayset that began as a, b and c; several times over, so that names are given on and exchanged.
renames = st.lists(
    st.permutations(["a", "b", "c", "d", "e"]).map(lambda names: dict(zip(NAMES, names, strict=False))), max_size=3
)
sides = st.sampled_from(["ours", "theirs"])


@contextmanager
def begun() -> Iterator[Repository]:
    """A repository with some samples in three arraysets, and the branches `master` and `dev`."""
    with TemporaryDirectory() as directory:
        repo = Repository(Path(directory), exists=False)
        repo.init("Ada", "ada@example.org")
        writer = repo.checkout(write=True)
        for number, name in enumerate(NAMES):
            aset = writer.add_ndarray_arrayset(name, shape=(1,), dtype="i4")
            aset.update({key: np.array([number], "i4") for key in "xyz"})
        writer.commit("base")
        writer.close()
        repo.create_branch("dev")
        yield repo


def change(repo: Repository, branch: str, edit: Edits, names: Renames) -> dict[str, str]:
    """Edit arraysets, under the names they have had since the base, and rename them before, between and after."""
    now = {name: name for name in NAMES}
    writer = repo.checkout(write=True, branch=branch)
    for step in range(max(1, len(names))):
        for name, samples in edit.items() if step == 0 else ():
            for key, value in samples.items():
                if value is not None:
                    writer[now[name]][key] = np.array([value], "i4")
                elif key in writer[now[name]]:
                    del writer[now[name]][key]
        if names:
            for name in NAMES:
                writer.arraysets.rename(now[name], f"{name}.moved")
            now = {name: names[step][name] for name in NAMES}
            for name in NAMES:
                writer.arraysets.rename(f"{name}.moved", now[name])
        if writer.diff.status() != "CLEAN":
            writer.commit("changed")
    writer.close()
    return now


def merged(
    edit: tuple[Edits, Edits], names: Renames, renaming: str, side: Literal["ours", "theirs"] | None
) -> tuple[dict[str, dict[str, int]], set[tuple[str, object]]]:
    """Return what a merge makes of edits on both sides, under the first names, and what was in conflict."""
    with begun() as repo:
        called = {
            branch: change(repo, branch, own, names if branch == renaming else [])
            for branch, own in zip(("master", "dev"), edit, strict=True)
        }
        first = {name: began for began, name in called[renaming].items()}
        repo.switch("master")
        found = set()
        if repo.merging.merge("dev", "merged") is None:
            found = {(first[row.arrayset], row.key) for row in repo.merging.conflicts()}
            for arrayset in {row.arrayset for row in repo.merging.conflicts()}:
                repo.merging.resolve(arrayset, side=side)
            repo.merging.conclude()
        reader = repo.checkout(branch="master")
        content = {
            first[name]: {key: int(value[0]) for key, value in reader[name].items()} for name in reader.arraysets
        }
        reader.close()
        return content, found


@settings(max_examples=20)
@given(ours=edits, theirs=edits, names=renames, renaming=st.sampled_from(["master", "dev"]), side=sides)
def test_a_merge_after_renames_is_the_merge_without_them_renamed(
    ours: Edits, theirs: Edits, names: Renames, renaming: str, side: Literal["ours", "theirs"]
) -> None:
    assert merged((ours, theirs), names, renaming, side) == merged((ours, theirs), [], renaming, side)


@settings(max_examples=10)
@given(ours=edits, theirs=edits)
def test_a_merge_is_the_same_from_either_side(ours: Edits, theirs: Edits) -> None:
    content, conflicts = merged((ours, theirs), [], "master", "ours")
    assert merged((theirs, ours), [], "master", "theirs") == (content, conflicts)
