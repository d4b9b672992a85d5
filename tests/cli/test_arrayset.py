"""`hangar arrayset`: create, remove, rename, widen, describe."""

from __future__ import annotations

from contextlib import closing

import pytest
from click.testing import CliRunner

from hangar_cli.commands.arrayset import DTYPES, KINDS
from hangar_cli.main import main
from hangar_core import Repository

from .conftest import Terminal


@pytest.mark.parametrize(
    "words",
    [
        ["--variable-shape", "train_images", "UINT8", "256", "256", "3"],
        ["train_images", "UINT8", "256", "256", "3", "--variable-shape"],
        ["train_images", "uint8", "256", "--variable-shape", "256", "3"],
    ],
)
def test_options_may_stand_before_or_behind_the_shape(hangar: Terminal, words: list[str]) -> None:
    done = hangar("arrayset", "create", *words)
    assert done.stdout == "Initialized Arrayset: train_images\n"
    schema = hangar.json("status")["arraysets"][0]["schema"]
    assert schema == {
        "kind": "array",
        "dtype": "uint8",
        "shape": [256, 256, 3],
        "variable_shape": True,
        "named": True,
        "nested": False,
    }


def test_every_listed_dtype_can_be_created(hangar: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hangar.directory)
    for dtype in DTYPES:
        made = CliRunner().invoke(main, ["arrayset", "create", f"a.{dtype}", dtype, "4", "--not-named"])
        assert made.exit_code == 0, made.output
    schemas = {change["name"]: change["schema"] for change in hangar.json("status")["arraysets"]}
    rest = {"kind": "array", "shape": [4], "variable_shape": False, "named": False, "nested": False}
    assert schemas == {f"a.{dtype}": {"dtype": dtype.lower(), **rest} for dtype in DTYPES}


def test_an_unknown_dtype_is_a_usage_error_that_lists_them_all(terminal: Terminal) -> None:
    talk = terminal("arrayset", "create", "a", "FLOAT12", "4", code=2).stderr
    assert "FLOAT12" in talk
    assert all(f"'{dtype}'" in talk for dtype in DTYPES + KINDS)


@pytest.mark.parametrize("shape", [["0"], ["4", "-1"], ["x"], []])
def test_a_shape_is_one_or_more_sizes_from_1(terminal: Terminal, shape: list[str]) -> None:
    terminal("arrayset", "create", "a", "UINT8", *shape, code=2)


@pytest.mark.parametrize("name", ["two words", "a/b", "x" * 65, "tab\there"])
def test_an_invalid_name_is_refused_in_the_documented_words(hangar: Terminal, name: str) -> None:
    talk = hangar("arrayset", "create", name, "UINT8", "4", code=1).stderr
    shown = name.replace("\t", "\\t")
    assert talk.startswith(f"Error: Arrayset name provided: `{shown}` is invalid.")
    assert hangar.json("status")["clean"] is True


def test_a_name_that_is_taken_is_refused(committed: Terminal) -> None:
    assert "exists" in committed("arrayset", "create", "pictures", "UINT8", "4", code=1).stderr


def test_remove_takes_the_arrayset_out_of_the_staging_area(committed: Terminal) -> None:
    done = committed("arrayset", "remove", "pictures")
    assert done.stdout == "Successfully removed arrayset: pictures\n"
    committed("commit", "-m", "no more pictures")
    reader = Repository(committed.directory).checkout()
    assert list(reader.arraysets) == []
    reader.close()


def test_removing_an_unknown_arrayset_fails_with_exactly_the_documented_line(hangar: Terminal) -> None:
    done = hangar("arrayset", "remove", "nope", code=4)
    assert done.stderr == "Error: 'Cannot remove: nope. Key does not exist.'\n"
    assert done.stdout == ""


@pytest.mark.parametrize(("dtype", "value"), [("TEXT", "Zürich"), ("bytes", b"\0\xff")])
def test_text_and_bytes_have_no_shape(hangar: Terminal, dtype: str, value: str | bytes) -> None:
    hangar("arrayset", "create", "notes", dtype)
    assert "no shape" in hangar("arrayset", "create", "more", dtype, "4", code=2).stderr
    with closing(Repository(hangar.directory).checkout(write=True)) as writer:
        writer.arraysets["notes"]["one"] = value
        assert writer.arraysets["notes"]["one"] == value


def test_samples_may_hold_subsamples(hangar: Terminal) -> None:
    hangar("arrayset", "create", "days", "FLOAT32", "3", "--subsamples")
    assert hangar.json("status")["arraysets"][0]["schema"]["nested"] is True


def test_rename_keeps_the_samples_and_what_is_known_of_them(committed: Terminal) -> None:
    names = list(Repository(committed.directory).checkout().arraysets["pictures"])
    done = committed("arrayset", "rename", "pictures", "photos")
    assert done.stdout == "Renamed arrayset: pictures to photos\n"
    committed("commit", "-m", "photos")
    reader = Repository(committed.directory).checkout()
    assert list(reader.arraysets) == ["photos"]
    assert list(reader.arraysets["photos"]) == names
    reader.close()
    assert "exists" in committed("arrayset", "rename", "photos", "photos", code=1).stderr
    assert "nope" in committed("arrayset", "rename", "nope", "other", code=4).stderr


def test_widen_allows_larger_samples_and_nothing_smaller(hangar: Terminal) -> None:
    hangar("arrayset", "create", "maps", "UINT8", "4", "4")
    assert hangar("arrayset", "widen", "maps", "8", "8", code=1).stderr
    done = hangar("arrayset", "widen", "maps", "8", "8", "--variable-shape")
    assert done.stdout == "Widened arrayset: maps to 8 8\n"
    schema = hangar.json("status")["arraysets"][0]["schema"]
    assert (schema["shape"], schema["variable_shape"]) == ([8, 8], True)
    assert hangar("arrayset", "widen", "maps", "8", "7", code=1).stderr
    assert hangar("arrayset", "widen", "nope", "8", "8", code=4).stderr


def test_describe_says_what_it_is_and_shows_it(committed: Terminal) -> None:
    assert "(no description)" in committed("arrayset", "describe", "pictures").stdout
    committed("arrayset", "describe", "pictures", "--description", "Pets", "--tag", "cats", "--tag", "dogs")
    assert committed("arrayset", "describe", "pictures").stdout == "pictures: Pets\ntags: cats, dogs\n"
    committed("arrayset", "describe", "pictures", "--no-tags")
    assert committed("arrayset", "describe", "pictures").stdout == "pictures: Pets\ntags: (none)\n"
    committed("arrayset", "describe", "pictures", "--tag", "a", "--no-tags", code=2)
    committed("commit", "-m", "described")
    reader = Repository(committed.directory).checkout()
    assert (reader.arraysets["pictures"].description, reader.arraysets["pictures"].tags) == ("Pets", ())
    reader.close()
