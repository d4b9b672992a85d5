"""The text plugin: text in and out character for character, and every byte that is none named by its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangar_core import Repository, external
from hangar_core.external import InvalidData, InvalidInput

from .conftest import everything

ENCODABLE = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.text(ENCODABLE, min_size=1) | st.sampled_from(
    ["\ufeff", "\ufeff\ufeffa", "a\r\nb\rc\n", "\x1b[31m\x85\u2028"]
)


@given(text=texts, encoding=st.sampled_from(["utf-8", "utf-16"]), mark=st.sampled_from(["yes", "no"]))
def test_text_is_loaded_as_it_was_saved(tmp_path_factory, text, encoding, mark):
    path = external.save(text, tmp_path_factory.getbasetemp(), "str:x", "txt", encoding=encoding, mark=mark)
    assert external.load(path, plugin="text", encoding=encoding) == (text, "x")


@given(lines=st.lists(st.text(ENCODABLE.filter(lambda char: char not in "\r\n")) | st.just("\ufeffa"), min_size=1))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_are_loaded_as_they_were_saved(tmp_path_factory, encoding, lines):
    folder = tmp_path_factory.getbasetemp()
    options = {"lines": "yes", "encoding": encoding}
    (path,) = external.save_many(enumerate(lines), folder, "aset", "txt", **options)
    assert list(external.load(path, plugin="text", **options)) == [(line, row) for row, line in enumerate(lines)]


def test_a_file_comes_out_again_with_its_mark_and_its_encoding(tmp_path):
    for name, content, options in [
        ("mark", b"\xef\xbb\xbfa\r\nb", {}),
        ("latin", "é".encode("latin-1"), {"encoding": "latin-1"}),
    ]:
        (tmp_path / f"{name}.txt").write_bytes(content)
        text, _ = external.load(tmp_path / f"{name}.txt", plugin="text", **options)
        described = external.describe(tmp_path / f"{name}.txt", plugin="text", **options)
        assert external.save(text, tmp_path / "out", f"str:{name}", "txt", **described).read_bytes() == content


def test_a_text_arrayset_keeps_what_was_loaded_through_a_commit(tmp_path):
    (tmp_path / "note.txt").write_text("Zürich\n\tend")
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    writer = repo.checkout(write=True)
    notes = writer.add_str_arrayset("notes")
    text, name = external.load(tmp_path / "note.txt", plugin="text")
    notes[name] = text
    writer.commit("first")
    writer.close()
    reader = repo.checkout()
    path = external.save(reader.arraysets["notes"]["note"], tmp_path / "out", "str:note", "txt")
    reader.close()
    assert path.read_bytes() == (tmp_path / "note.txt").read_bytes()


def test_lines_are_lazy_and_go_back_to_the_files_they_came_from(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"first\r\n\nlast")
    lines = external.load(tmp_path / "x.txt", plugin="text", lines="yes")
    assert next(lines) == ("first", 0)
    assert list(lines) == [("", 1), ("last", 2)]
    samples = [("a/b/000000000", "1"), ("a/b/000000001", "2"), ("loose", "3")]
    paths = external.save_many(samples, tmp_path / "out", "aset", "txt", lines="yes")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in paths] == ["a/b.txt", "aset.txt"]
    assert paths[0].read_bytes() == b"1\n2\n"
    assert [path.name for path in external.save_many(samples, tmp_path / "whole", "aset", "txt")] == [
        "000000000.txt",
        "000000001.txt",
        "loose.txt",
    ]


@pytest.mark.parametrize("lines", ["no", "yes"])
@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "empty", "empty"),
        (b"a\nb\0c", "undecodable", "line 2 has a NUL character at position 2"),
        (b"a\n\xfcber", "undecodable", "line 2 has the byte 0xfc at position 1"),
        ("text".encode("utf-16"), "undecodable", "UTF-16"),
        (b"\x89PNG\r\n\x1a\n", "undecodable", "line 1 has the byte 0x89"),
    ],
)
def test_a_file_that_is_no_text_is_refused_with_its_place(tmp_path, refused, content, code, words, lines):
    (tmp_path / "x.txt").write_bytes(content)
    found, reason = refused(tmp_path / "x.txt", lines=lines)
    assert found == code
    assert words in reason


def test_a_file_without_line_ends_is_refused_without_reading_it_all(tmp_path, refused):
    with open(tmp_path / "x.txt", "wb") as file:
        file.write(b"a" * 11_000_000)
        file.truncate(2**33)  # sparse: eight GB of it
    assert refused(tmp_path / "x.txt")[0] == "too-large"
    assert refused(tmp_path / "x.txt", lines="yes")[0] == "too-large"


def test_utf16_that_is_cut_is_refused(tmp_path, refused):
    (tmp_path / "x.txt").write_bytes("text".encode("utf-16")[:-1])
    assert refused(tmp_path / "x.txt", encoding="utf-16")[0] == "undecodable"
    assert refused(tmp_path / "x.txt", encoding="utf-16", lines="yes")[0] == "undecodable"


@pytest.mark.parametrize(
    ("data", "options"),
    [(b"bytes", {}), ("", {}), ("a\0b", {}), ("é€", {"encoding": "latin-1"}), ("\ud800", {})],
)
def test_what_would_not_come_back_is_not_saved(tmp_path, data, options):
    with pytest.raises(InvalidData):
        external.save(data, tmp_path, "str:x", "txt", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["a\nb", "a\r"])
def test_a_line_with_a_line_end_in_it_is_not_saved(tmp_path, text):
    with pytest.raises(InvalidData, match="end of line"):
        external.save_many([(0, "fine"), (1, text)], tmp_path, "aset", "txt", lines="yes")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_wrong_options_are_refused(tmp_path):
    (tmp_path / "x.txt").write_text("a")
    for options in ({"encoding": "rot13"}, {"line": "yes"}, {"lines": "some"}):
        with pytest.raises(InvalidInput):
            everything(external.load(tmp_path / "x.txt", plugin="text", **options))


def test_nothing_shown_can_steer_a_terminal(printed):
    shown = printed(external.show("[red]one[/red]\x1b[2J\n" + "line\n" * 100, plugin="text", rows="3"))
    assert shown.splitlines() == ["[red]one[/red]\\x1b[2J", "line", "line"]


def test_the_board_gets_a_bounded_text():
    kind, content = external.board_show("ä" * 3_000_000, plugin="text")
    assert kind == "text/plain"
    assert len(content) <= 1 << 20
    assert set(content.decode()) == {"ä"}
    with pytest.raises(InvalidData):
        external.board_show(b"bytes", plugin="text")
