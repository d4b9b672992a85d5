"""`hangar arrayset create` and `remove`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hangar_cli.commands.arrayset import DTYPES
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
    assert all(f"'{dtype}'" in talk for dtype in DTYPES)


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
