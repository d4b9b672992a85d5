"""LMDB_30 passes the contract of backends, and its database is nobody's obstacle."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from hangar_core import Repository
from hangar_core.errors import CorruptDataError
from hangar_core.storage import lmdb_30
from hangar_core.storage.tables import forget_tables, open_tables
from hangar_core.testing import BackendContract
from hangar_core.testing.samples import codes_of, create, new_repository, writing


class TestSmallValues(BackendContract):
    code = "30"
    holds_up_to = 64 << 10

    def make_newer(self, directory: Path) -> None:
        values, records = open_tables(directory), open_tables(directory.parents[1] / "records")
        with values.read() as reader:
            later = {digest: b"\2" + value[1:] for digest, value in reader.items("nodes")}
        with values.write() as batch:
            batch.put_many("nodes", later.items())
        with records.write() as batch:
            batch.put_many("locations", ((one, lmdb_30.encode_location(value)) for one, value in later.items()))


def test_a_repository_made_in_place_of_another_has_small_values_of_its_own(tmp_path: Path) -> None:
    """The database of the one before is still open in this process, and its place on the disk may be used again."""
    for number in range(3):
        repo = Repository(tmp_path, exists=False)
        repo.init("Ada", "ada@example.org", remove_old=True)
        text = f"text {number}"
        with writing(repo) as writer:
            create(writer.arraysets, "texts", {"a": text}, None)
            writer.commit("content")
        with closing(repo.checkout()) as reader:
            assert reader.arraysets["texts"]["a"] == text
        assert codes_of(tmp_path, [text]) == {"30"}


def test_damage_that_keeps_the_database_from_being_written_keeps_nobody_from_committing(tmp_path: Path) -> None:
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "texts", {"a": "one"}, None)
        writer.commit("first")
    directory = tmp_path / ".hangar" / "data" / "30"
    forget_tables(directory)
    path = directory / "data.mdb"
    path.write_bytes(b"not a database " * 1000)
    with writing(repo) as writer:
        writer.arraysets["texts"]["b"] = "two"
        writer.commit("second")
        assert writer.arraysets["texts"]["b"] == "two"
    assert codes_of(tmp_path, ["two"]) == {"20"}
    with closing(repo.checkout()) as reader, pytest.raises(CorruptDataError, match=r"data\.mdb"):
        reader.arraysets["texts"]["a"]
