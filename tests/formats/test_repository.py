"""The golden repository: every later version opens it, and everything in it is what it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from goldens.repository import METADATA, TIME, first_commit, second_commit, staged

from hangar_core import Repository

FIRST = "e4b04454985d9c9f24aa57ebad9e44bac09a747d39c176cb4067b5f624ae24ac22"
SECOND = "ecdc5064258d4ae20e4d80ea972c270b2e5bd49befaaa9d571a8daaaf58b6fd022"


@contextmanager
def checkout(repository: Path, **kwargs: Any) -> Iterator[Any]:
    with closing(Repository(repository).checkout(**kwargs)) as found:
        yield found


def same(found: Any, wanted: Any) -> bool:
    """Whether two samples are the same to the last bit; a nested one is compared as a dict."""
    if isinstance(wanted, np.ndarray):
        return (found.dtype, found.shape, found.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())
    if isinstance(wanted, dict):
        return list(found) == sorted_keys(wanted) and all(same(found[key], one) for key, one in wanted.items())
    return type(found) is type(wanted) and found == wanted


def sorted_keys(samples: dict[str | int, Any]) -> list[str | int]:
    """Return the keys as a commit lists them: integers by value, then text by code point."""
    numbers: list[str | int] = sorted(key for key in samples if isinstance(key, int))
    return numbers + sorted(key for key in samples if isinstance(key, str))


def check(found: Any, content: dict[str, dict[str | int, Any]], metadata: dict[str | int, str]) -> None:
    assert list(found.arraysets) == sorted(content)
    for name, samples in content.items():
        aset = found.arraysets[name]
        assert set(aset) == set(samples)
        assert len(aset) == len(samples)
        for key, wanted in samples.items():
            assert same(aset[key], wanted), (name, key)
    assert dict(found.metadata.items()) == metadata
    assert len(found.metadata) == len(metadata)


def test_both_commits_hold_what_they_held(golden_repository: Path) -> None:
    with checkout(golden_repository, branch="master") as found:
        assert found.commit_hash == FIRST
        check(found, first_commit(), METADATA["first"])
    with checkout(golden_repository, commit=SECOND) as found:
        check(found, second_commit(), METADATA["second"])


def test_samples_of_a_commit_come_in_order_of_their_keys(golden_repository: Path) -> None:
    with checkout(golden_repository, branch="dev") as found:
        for name, samples in second_commit().items():
            assert list(found.arraysets[name]) == sorted_keys(samples)


def test_schemas_are_what_they_were(golden_repository: Path) -> None:
    with checkout(golden_repository, branch="master") as found:
        schemas = {name: aset.schema for name, aset in found.arraysets.items()}
    told = {name: (one.kind, one.dtype, one.shape, one.variable, one.nested) for name, one in schemas.items()}
    assert told == {
        "captions": ("text", "text", (), True, False),
        "dates": ("array", "<M8[D]", (2,), False, False),
        "files": ("bytes", "bytes", (), True, False),
        "flags": ("array", "|b1", (), False, False),
        "images": ("array", "|u1", (2, 3, 3), False, False),
        "numbers": ("array", "<f4", (3, 4), False, False),
        "spectra": ("array", "<c16", (4,), True, False),
        "volumes": ("array", "<f4", (3, 4), False, True),
    }
    assert all(one.named for one in schemas.values())


def test_the_log_is_what_it_was(golden_repository: Path) -> None:
    repo = Repository(golden_repository)
    log: Any = repo.log(branch="dev", return_contents=True)
    assert log["order"] == [SECOND, FIRST]
    assert log["ancestors"] == {SECOND: [FIRST], FIRST: [""]}
    assert log["branch_heads"] == {SECOND: ["dev"], FIRST: ["master"]}
    assert log["specs"][SECOND]["commit_message"] == "second: changes\n\nthe body of the message"
    assert log["specs"][FIRST]["commit_user"] == "Zoë Müller"
    assert log["specs"][FIRST]["commit_email"] == "zoe@example.org"
    assert log["specs"][FIRST]["commit_time"] >= TIME / 1e6


def test_branches_tag_user_and_reflog_are_what_they_were(golden_repository: Path) -> None:
    repo = Repository(golden_repository)
    assert repo.list_branches() == ["dev", "master"]
    assert repo.staging_branch == "dev"
    assert (repo.user.name, repo.user.email) == ("Zoë Müller", "zoe@example.org")
    (tag,) = repo.tags.all()
    assert (tag.name, tag.commit.hex(), tag.message) == ("v1", FIRST, "the first one")
    moves = [(move.name, move.old and move.old.hex(), move.new and move.new.hex()) for move in repo.reflog()]
    assert moves == [("dev", FIRST, SECOND), ("dev", None, FIRST), ("master", None, FIRST)]


def test_the_status_is_what_was_staged(golden_repository: Path) -> None:
    status = Repository(golden_repository).status()
    assert status.branch == "dev"
    assert status.base is not None
    assert status.base.hex() == SECOND
    assert {one.name: (one.state, one.added, one.deleted, one.mutated) for one in status.arraysets} == {
        "captions": ("same", 1, 0, 0),
        "halves": ("added", 1, 0, 0),
        "numbers": ("same", 1, 1, 0),
        "volumes": ("same", 0, 1, 0),
    }
    assert (status.metadata_added, status.metadata_deleted, status.metadata_mutated) == (1, 0, 0)


def test_a_writer_goes_on_from_what_was_staged(golden_repository: Path) -> None:
    with checkout(golden_repository, write=True) as writer:
        check(writer, staged(), METADATA["staged"])
        third = writer.commit("third")
    with checkout(golden_repository, branch="dev") as found:
        assert found.commit_hash == third
        check(found, staged(), METADATA["staged"])
    with checkout(golden_repository, commit=FIRST) as found:
        check(found, first_commit(), METADATA["first"])
    assert Repository(golden_repository).status().clean


def test_a_writer_says_that_compact_records_are_to_come(golden_repository: Path) -> None:
    told = golden_repository / ".hangar" / "format.json"
    assert "compact-1" not in told.read_text()
    with checkout(golden_repository):
        assert "compact-1" not in told.read_text()
    with checkout(golden_repository, write=True):
        assert "compact-1" in told.read_text()


def test_dropping_what_was_staged_leaves_the_commit(golden_repository: Path) -> None:
    with checkout(golden_repository, write=True) as writer:
        assert writer.reset_staging_area() == SECOND
        check(writer, second_commit(), METADATA["second"])


@pytest.mark.parametrize("lost", ["staging.log", "tmp"])
def test_what_may_be_missing_may_be_missing(golden_repository: Path, lost: str) -> None:
    path = golden_repository / ".hangar" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with checkout(golden_repository, write=True) as writer:
        check(
            writer,
            second_commit() if lost == "staging.log" else staged(),
            METADATA["second" if lost == "staging.log" else "staged"],
        )
