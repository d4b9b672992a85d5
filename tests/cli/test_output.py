"""What reaches the terminal: one helper decides, so its promises are tested one by one."""

from __future__ import annotations

import json
import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangar_cli.describe import dtype_name, shape_text, size_text
from hangar_cli.output import columns, draw, printable, printable_lines, result_json
from hangar_cli.parameters import parse_sample, sample_text

from .conftest import Terminal, needs_pty


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("cat/001", "cat/001"),
        ("größe 犬 ☃", "größe 犬 ☃"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("left\u202eright", "left\\u202eright"),
        (os.fsdecode(b"bad\xff.png"), "bad\\udcff.png"),
        (17, "17"),
    ],
)
def test_printable_escapes_what_a_terminal_would_obey_or_hide(raw: object, shown: str) -> None:
    assert printable(raw) == shown


@given(st.text())
def test_printable_text_has_one_line_and_no_control_character(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in shown)


def test_lines_that_are_lines_by_right_stay() -> None:
    assert printable_lines("first\n\nsecond\x1b[2J") == "first\n\nsecond\\x1b[2J"


def test_json_is_ascii_with_the_version_first(capsys: pytest.CaptureFixture[str]) -> None:
    result_json("hangar.test/1", {"name": "犬\x1b\u202e"})
    text = capsys.readouterr().out
    assert text.isascii()
    assert list(json.loads(text)) == ["version", "name"]
    assert json.loads(text)["name"] == "犬\x1b\u202e"


def test_a_drawing_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("[red]name")
    table.add_row(Text("evil\x1b]0;title\x07"))
    for drawing in (table, Text("evil\x1b[2J"), "text\x1b[2J\nmore [bold]text"):
        draw(drawing)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "more [bold]text" in shown


def test_text_that_a_plugin_shows_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    draw("a\n" + "word " * 30 + "end")
    assert capsys.readouterr().out == "a\n" + "word " * 30 + "end\n"


def test_columns_are_aligned_without_trailing_blanks() -> None:
    assert columns([("NAME", "CAN"), ("a", "load save"), ("longer", "-")]) == [
        "NAME    CAN",
        "a       load save",
        "longer  -",
    ]


@pytest.mark.parametrize(
    ("stored", "name"),
    [("<f4", "float32"), ("|u1", "uint8"), ("<i8", "int64"), ("|b1", "bool"), ("<c16", "complex128"), ("str", "str")],
)
def test_dtypes_are_shown_by_their_everyday_names(stored: str, name: str) -> None:
    assert dtype_name(stored) == name


def test_shapes_and_sizes_are_shown_as_people_say_them() -> None:
    assert [shape_text(()), shape_text((5,)), shape_text((480, 640, 3))] == ["scalar", "5", "480x640x3"]
    assert [size_text(n) for n in (0, 1023, 1024, 3 * 2**30)] == ["0 bytes", "1023 bytes", "1.0 KiB", "3.0 GiB"]


@pytest.mark.parametrize(
    ("typed", "key"),
    [("10", "10"), ("str:10", "10"), ("int:10", 10), ("sample1", "sample1"), ("str:int:5", "int:5"), ("a:b", "a:b")],
)
def test_a_sample_name_says_by_its_prefix_whether_it_is_a_number(typed: str, key: str | int) -> None:
    assert parse_sample(typed) == key
    assert type(parse_sample(typed)) is type(key)


@given(st.one_of(st.integers(min_value=0), st.text().filter(str.isprintable)))
def test_a_shown_sample_name_can_be_typed_again(key: str | int) -> None:
    assert parse_sample(sample_text(key)) == key


@needs_pty
def test_on_a_terminal_there_are_colours_unless_they_are_not_wanted(committed: Terminal) -> None:
    committed("arrayset", "create", "numbers", "FLOAT64", "4")
    assert "\x1b[" in committed.look("status")
    assert "\x1b[" in committed.look("view", "pictures", "cat/001")
    assert "\x1b[" not in committed.look("status", NO_COLOR="1")
    assert "\x1b[" not in committed.look("status", TERM="dumb")


@needs_pty
def test_people_get_a_hint_where_scripts_get_the_documented_last_line(committed: Terminal) -> None:
    error = "Error: branch with name: nope does not exist. cannot get head.\n"
    assert committed("checkout", "nope", code=4).stderr == error
    assert committed.look("checkout", "nope", code=4).startswith(f"{error}Hint: `hangar branch list`")


@needs_pty
def test_json_is_indented_for_people_and_one_line_for_scripts(committed: Terminal) -> None:
    assert len(committed("status", "--json").stdout.splitlines()) == 1
    drawn = committed.look("status", "--json")
    assert drawn.startswith('{\n  "version": "hangar.status/1"')
    assert json.loads(drawn) == committed.json("status")


def test_every_reading_command_gives_one_document_with_its_version_first(committed: Terminal) -> None:
    for words in (
        ("status",),
        ("log",),
        ("summary",),
        ("diff",),
        ("diff", "--stat"),
        ("history", "pictures", "cat/001"),
        ("why", "pictures", "cat/001"),
        ("view", "pictures", "cat/001"),
        ("reflog",),
        ("branch", "list"),
        ("tag", "list"),
        ("stash", "list"),
        ("remote", "list"),
        ("plugins", "list"),
        ("repair",),
    ):
        document = json.loads(committed(*words, "--json").stdout)
        assert next(iter(document)) == "version", words
