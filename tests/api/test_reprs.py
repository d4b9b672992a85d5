"""What repositories, checkouts, arraysets and metadata show of themselves at a prompt."""

from __future__ import annotations

import pytest

from hangar_core import Repository
from hangar_core.hashing import digests
from hangar_core.hashing.schemas import schema_digest


def facts(shown: object) -> dict[str, str]:
    """Return the facts of a repr below its title."""
    return {name.strip(): value for name, _, value in (line.partition(" : ") for line in repr(shown).splitlines()[1:])}


@pytest.fixture
def reader(filled):
    checkout = filled.checkout()
    yield checkout
    checkout.close()


def test_checkouts_say_which_they_are_and_what_they_hold(filled, reader):
    assert repr(reader).splitlines()[0] == "Hangar ReaderCheckout"
    assert facts(reader) == {
        "Writer": "False",
        "Commit Hash": reader.commit_hash,
        "Num Arraysets": "1",
        "Num Metadata": "1",
    }
    writer = filled.checkout(write=True)
    assert repr(writer).splitlines()[0] == "Hangar WriterCheckout"
    assert facts(writer) == {"Writer": "True", "Base Branch": "master", "Num Arraysets": "1", "Num Metadata": "1"}
    writer.close()


def test_arraysets_are_listed_with_whether_data_are_missing(filled, reader):
    assert repr(reader.arraysets).splitlines() == [
        "Hangar Arraysets",
        "    Writeable : False",
        "    Arrayset Names / Partial Remote References:",
        "      - numbers / False",
    ]
    writer = filled.checkout(write=True)
    del writer.arraysets["numbers"]
    assert repr(writer.arraysets).splitlines()[1:] == [
        "    Writeable : True",
        "    Arrayset Names / Partial Remote References:",
        "      -",
    ]
    writer.close()


def test_an_arrayset_shows_the_documented_facts_one_below_the_other(filled, reader):
    schema_hash = digests.text(schema_digest(reader["numbers"].schema))[:12]
    assert repr(reader["numbers"]).splitlines() == [
        "Hangar ArraysetDataReader",
        "    Arrayset Name            : numbers",
        f"    Schema Hash              : {schema_hash}",
        "    Variable Shape           : False",
        "    (max) Shape              : (2, 3)",
        "    Datatype                 : float32",
        "    Named Samples            : True",
        "    Access Mode              : r",
        "    Number of Samples        : 3",
        "    Partial Remote Data Refs : False",
    ]
    writer = filled.checkout(write=True)
    assert repr(writer["numbers"]).startswith("Hangar ArraysetDataWriter\n")
    assert facts(writer["numbers"]) == {**facts(reader["numbers"]), "Access Mode": "a"}
    writer.close()


def test_arraysets_of_other_kinds_say_so(writer):
    assert facts(writer.add_str_arrayset("text"))["Datatype"] == "str"
    assert facts(writer.add_bytes_arrayset("blobs"))["Datatype"] == "bytes"
    assert facts(writer.add_ndarray_arrayset("when", shape=3, dtype="M8[us]"))["Datatype"] == "datetime64[us]"
    nested = writer.add_str_arrayset("nested", contains_subsamples=True)
    assert facts(nested)["Subsamples"] == "True"
    nested["day"] = {"left": "words"}
    assert repr(nested["day"]).splitlines()[0] == "Hangar SubsampleWriter"
    assert facts(nested["day"]) == {
        "Arrayset Name": "nested",
        "Sample": "day",
        "Access Mode": "a",
        "Number of Subsamples": "1",
    }


def test_metadata_are_counted(filled, reader):
    assert repr(reader.metadata).splitlines()[0] == "Hangar Metadata"
    assert facts(reader.metadata) == {"Writeable": "False", "Number of Keys": "1"}
    writer = filled.checkout(write=True)
    assert facts(writer.metadata) == {"Writeable": "True", "Number of Keys": "1"}
    writer.close()


def test_a_repository_says_where_it_is_and_whether_it_is_one(tmp_path):
    repo = Repository(tmp_path, exists=False)
    assert repr(repo).splitlines()[0] == "Hangar Repository"
    assert facts(repo) == {"Repository Path": str(tmp_path), "Initialized": "False"}
    repo.init("Ada", "ada@example.org")
    assert facts(repo)["Initialized"] == "True"
