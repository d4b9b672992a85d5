"""The files by which a repository says what it is: what cannot be opened safely is refused with a typed error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hangar_core.errors import CorruptRecord, InvalidInput, RepositoryNotFound, UnsupportedFormat
from hangar_core.model import User
from hangar_core.storage.context import RepoContext
from hangar_core.storage.layout import Layout


def test_a_fresh_layout_is_of_a_known_format(layout: Layout) -> None:
    layout.check_format()
    assert layout.exists()
    assert json.loads(layout.format_file.read_bytes()) == {"format": 1, "requires": ["compact-1", "pack-20"]}
    assert layout.records.is_dir()
    assert layout.data.is_dir()
    assert layout.temporary.is_dir()


def test_a_directory_without_a_repository_is_not_found(tmp_path: Path) -> None:
    assert not Layout(tmp_path / ".hangar").exists()
    with pytest.raises(RepositoryNotFound, match=str(tmp_path)):
        RepoContext(tmp_path)


def test_a_newer_format_is_refused_with_its_number(layout: Layout) -> None:
    layout.format_file.write_text('{"format": 2, "requires": []}')
    with pytest.raises(UnsupportedFormat, match="format 2"):
        layout.check_format()


def test_an_unknown_feature_is_refused_by_its_name(layout: Layout) -> None:
    layout.format_file.write_text('{"format": 1, "requires": ["pack-20", "teleport"]}')
    with pytest.raises(UnsupportedFormat, match="teleport") as refused:
        layout.check_format()
    assert "pack-20" not in str(refused.value)


def test_fewer_features_are_fine(layout: Layout) -> None:
    layout.format_file.write_text('{"format": 1, "requires": [], "a later key": true}')
    layout.check_format()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01",
        b"\xff",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"format"',
        b"{}",
        b'{"format": 1}',
        b'{"requires": []}',
        b'{"format": "1", "requires": []}',
        b'{"format": true, "requires": []}',
        b'{"format": 1.5, "requires": []}',
        b'{"format": 0, "requires": []}',
        b'{"format": -1, "requires": []}',
        b'{"format": Infinity, "requires": []}',
        b'{"format": NaN, "requires": []}',
        b'{"format": 1, "requires": "pack-20"}',
        b'{"format": 1, "requires": [1]}',
        b'{"format": 1, "requires": null}',
        b"[" * 100_000,
        b'{"format": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_broken_format_file_is_a_typed_error_that_names_it(layout: Layout, content: bytes) -> None:
    layout.format_file.write_bytes(content)
    with pytest.raises(CorruptRecord, match=r"format\.json"):
        layout.check_format()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[user",
        b"user = 1",
        b"[user]",
        b'[user]\nname = "a"',
        b'[user]\nemail = "a"',
        b"a = " + b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_broken_config_file_is_a_typed_error_that_names_it_and_tells_how_to_mend_it(
    layout: Layout, content: bytes
) -> None:
    layout.config_file.write_bytes(content)
    with pytest.raises(CorruptRecord, match=r"config\.toml") as broken:
        layout.read_user()
    assert "[user]" in str(broken.value.hint)


def test_a_missing_config_file_is_a_typed_error(layout: Layout) -> None:
    layout.config_file.unlink()
    with pytest.raises(CorruptRecord, match=r"config\.toml"):
        layout.read_user()


@pytest.mark.parametrize(
    "name", ["Ana López", 'O\'Neil "the" \\ great', "Zoë 😀", "文", "a = 1 # no comment", "x" * 256, "'''"]
)
def test_a_printable_name_comes_back_as_it_was_given(tmp_path: Path, name: str) -> None:
    layout = Layout(tmp_path / ".hangar")
    layout.create(User(name, "ana@example.org"))
    assert layout.read_user() == User(name, "ana@example.org")


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x7f", "\ud800", "x" * 257])
def test_a_name_that_would_not_come_back_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        Layout(tmp_path / ".hangar").create(User(name, "ana@example.org"))
    assert not Layout(tmp_path / ".hangar").exists()
