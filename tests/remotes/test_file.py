"""The transport ``file://``: a bare remote in a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hangar_core.errors import NoRepositoryThere, UnsupportedFormat
from hangar_core.remotes.bare import MARKER
from hangar_core.remotes.transport import known_schemes, normalized, open_transport
from hangar_core.testing import TransportContract


class TestFile(TransportContract):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"file://{tmp_path}/a remote"


def test_addresses_may_leave_out_their_scheme() -> None:
    assert normalized("localhost:50051") == "http://localhost:50051"
    assert normalized("/mnt/disk") == "file:///mnt/disk"
    assert normalized("https://data.example.org/x") == "https://data.example.org/x"
    assert "file" in known_schemes()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(NoRepositoryThere, match="other files"):
        open_transport(str(tmp_path), create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_remote_of_a_later_format_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text('{"format": 2, "requires": []}')
    with pytest.raises(UnsupportedFormat, match="format 2"):
        open_transport(str(tmp_path))


def test_what_a_crash_left_goes_after_a_day(tmp_path: Path) -> None:
    open_transport(str(tmp_path), create=True)
    old, young = tmp_path / "tmp" / "old", tmp_path / "tmp" / "young"
    for path in (old, young):
        path.write_bytes(b"half of a segment")
    os.utime(old, (time.time() - 90_000, time.time() - 90_000))
    open_transport(str(tmp_path), create=True)
    assert (old.exists(), young.exists()) == (False, True)
