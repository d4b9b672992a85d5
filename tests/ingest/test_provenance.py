"""Every sample that an import has set can say where it came from, wherever its commit goes."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from hangar_core import Repository
from hangar_core.errors import InvalidData, SampleNotFound


@pytest.fixture
def imported(repo: Repository, pictures: Path) -> Repository:
    repo.ingest("pets", pictures, commit="pets")
    return repo


def known(repo: Repository, start: str | None = None, arrayset: str = "pets") -> dict[str, str]:
    """Which samples of a commit know their source, and which that is."""
    found = {}
    checkout = repo.checkout(commit=repo.resolve(start).hex()) if start else repo.checkout()
    for name in checkout.arraysets[arrayset].keys():  # noqa: SIM118 — no dict
        provenance = checkout.arraysets[arrayset].provenance(name)
        found[name] = provenance.name if provenance else ""
    checkout.close()
    return found


@pytest.fixture
def names(pixels: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: f"{name}.png" for name in pixels}


def test_a_sample_knows_its_file_and_how_it_was_read(repo: Repository, pictures: Path) -> None:
    repo.ingest("pets", pictures, plugin_options={"mode": "L"}, commit="grey")
    path = pictures / "cat" / "001.png"
    found = repo.why("pets", "cat/001").provenance
    assert found is not None
    assert (found.source, found.name) == ("pictures/cat/001.png", "cat/001.png")
    assert (found.blake3, found.size) == (blake3(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert (found.plugin, found.version, found.options) == ("image", "1", {"mode": "L"})


def test_a_file_that_was_named_itself_has_no_folder(repo: Repository, pictures: Path) -> None:
    repo.ingest("pets", pictures / "cat" / "001.png", commit="one")
    found = repo.why("pets", "001").provenance
    assert found is not None
    assert found.source == found.name == "001.png"


def test_rows_of_a_table_and_labels_share_the_source_of_their_file(repo: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "a.csv").write_text("x,y\n" + "".join(f"{n},{n / 2}\n" for n in range(50)))
    repo.ingest("rows", folder, labels_from_parent=True, commit="rows")
    assert set(known(repo, arrayset="rows").values()) == {"a.csv"}
    assert set(known(repo, arrayset="rows.label").values()) == {"a.csv"}


def test_what_is_staged_knows_its_source_after_the_writer_was_opened_again(
    repo: Repository, pictures: Path, names: dict[str, str]
) -> None:
    repo.ingest("pets", pictures)
    with closing(repo.checkout(write=True)) as checkout:
        aset = checkout.arraysets["pets"]
        assert {name: one.name for name, one in aset.provenances(list(names)).items()} == names
        checkout.commit("pets")
    assert known(repo) == names


def test_a_sample_that_is_set_removed_or_renamed_by_hand_keeps_only_what_is_true(
    imported: Repository, names: dict[str, str]
) -> None:
    with closing(imported.checkout(write=True)) as checkout:
        aset = checkout.arraysets["pets"]
        first, second, third, _ = sorted(names)
        aset[first] = np.zeros((2, 2, 3), "u1")
        pixels = aset[second]
        del aset[second]
        aset[second] = pixels  # the same data, but not from the file
        assert aset.provenance(first) is None
        aset[third] = aset[third]  # sets what is there: no change
        checkout.arraysets.rename("pets", "animals")
        checkout.commit("by hand")
    assert known(imported, arrayset="animals") == names | {first: "", second: ""}
    assert known(imported, "HEAD~1") == names


def test_a_second_import_of_the_same_content_changes_no_provenance(
    imported: Repository, pictures: Path, names: dict[str, str], tmp_path: Path
) -> None:
    elsewhere = shutil.copytree(pictures, tmp_path / "elsewhere")
    assert imported.ingest("pets", elsewhere, commit="again").commit is None
    assert imported.why("pets", "cat/001").provenance.source == "pictures/cat/001.png"


def test_an_overwritten_sample_knows_the_new_file_and_the_old_commit_the_old_one(
    imported: Repository, pictures: Path, tmp_path: Path
) -> None:
    other = tmp_path / "better"
    (other / "cat").mkdir(parents=True)
    shutil.copy(pictures / "dog" / "001.png", other / "cat" / "001.png")
    imported.ingest("pets", other, overwrite=True, commit="better")
    assert imported.why("pets", "cat/001").provenance.source == "better/cat/001.png"
    assert imported.why("pets", "cat/001", "HEAD~1").provenance.source == "pictures/cat/001.png"


def test_a_promotion_to_a_wider_dtype_keeps_the_source(repo: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    np.save(folder / "small.npy", np.arange(3, dtype="u1"))
    repo.ingest("x", folder)
    np.save(folder / "wide.npy", np.arange(3, dtype="u2") + 300)
    repo.ingest("x", folder, commit="wider")
    assert known(repo, arrayset="x") == {"small": "small.npy", "wide": "wide.npy"}


@pytest.mark.parametrize("strategy", [None, "theirs"])
def test_provenance_travels_with_samples_through_merges(
    imported: Repository, pictures: Path, names: dict[str, str], tmp_path: Path, strategy: str | None
) -> None:
    """Ours changes one sample by hand; theirs imports a new one and, in conflict with `theirs`, the same one anew."""
    imported.create_branch("dev")
    with closing(imported.checkout(write=True, branch="master")) as checkout:
        checkout.arraysets["pets"]["cat/001"] = np.zeros((2, 2, 3), "u1")
        checkout.commit("by hand")
    more = tmp_path / "more"
    (more / "cat").mkdir(parents=True)
    (more / "cow").mkdir()
    shutil.copy(pictures / "dog" / "001.png", more / "cow" / "1.png")
    if strategy:
        shutil.copy(pictures / "dog" / "001.png", more / "cat" / "001.png")
    imported.ingest("pets", more, branch="dev", overwrite=True, commit="more")
    imported.switch("master")
    imported.merging.merge("dev", strategy=strategy)
    assert known(imported, "master") == names | {"cow/1": "cow/1.png", "cat/001": "cat/001.png" if strategy else ""}


def test_a_conflict_that_is_resolved_takes_the_provenance_of_its_side(
    imported: Repository, pictures: Path, tmp_path: Path
) -> None:
    imported.create_branch("dev")
    for branch, source in (("master", "dog/001.png"), ("dev", "dog/ünï.png")):
        folder = tmp_path / branch
        (folder / "cat").mkdir(parents=True)
        shutil.copy(pictures / source, folder / "cat" / "001.png")
        imported.ingest("pets", folder, branch=branch, overwrite=True, commit=branch)
    imported.switch("master")
    assert imported.merging.merge("dev") is None  # conflicts are kept
    imported.merging.resolve("pets", side="theirs")
    imported.merging.conclude()
    assert imported.why("pets", "cat/001").provenance.source == "dev/cat/001.png"
    assert imported.why("pets", "cat/001", "HEAD~1").provenance.source == "master/cat/001.png"


def test_provenance_is_reverted_stashed_and_reset_with_its_samples(
    imported: Repository, pictures: Path, names: dict[str, str], tmp_path: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(pictures / "dog" / "001.png", more / "new.png")
    imported.ingest("pets", more)
    imported.stashes.save("more")
    assert known(imported) == names
    imported.stashes.pop()
    with closing(imported.checkout(write=True)) as checkout:
        assert checkout.arraysets["pets"].provenance("new").source == "more/new.png"
        checkout.commit("more")
    imported.merging.revert("HEAD")
    assert known(imported, "master") == names
    imported.merging.revert("HEAD")
    assert known(imported, "master") == names | {"new": "new.png"}
    imported.reset("HEAD~3")
    with closing(imported.checkout(write=True)) as checkout:
        assert checkout.arraysets["pets"].provenance("new").source == "more/new.png"


def test_roots_keep_what_staging_says_of_sources(repo: Repository, pictures: Path) -> None:
    repo.ingest("pets", pictures)
    assert 0x30 in {digest[-1] for digest in repo.roots()}


def test_data_that_no_import_has_set_come_from_nowhere(repo: Repository) -> None:
    with closing(repo.checkout(write=True)) as checkout:
        aset = checkout.arraysets.init_arrayset("x", (2,), "f4")
        aset["a"] = np.zeros(2, "f4")
        nested = checkout.arraysets.init_arrayset("deep", (2,), "f4", contains_subsamples=True)
        nested["a"] = {"b": np.zeros(2, "f4")}
        checkout.commit("by hand")
    assert repo.why("x", "a").provenance is None
    with pytest.raises(SampleNotFound):
        repo.why("x", "b")
    with pytest.raises(InvalidData, match="samples inside samples"):
        repo.why("deep", "a")
