"""What plugins may read and where they may write: only real files, only inside the folder, whole or not at all."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.errors import HangarError, InvalidName, StorageFailed
from hangar_core.external import (
    AtomicFiles,
    BadFile,
    BasePlugin,
    InvalidInput,
    atomic_file,
    check_file,
    open_file,
    parse_detail,
)
from hangar_core.external.targets import file_system_name
from hangar_core.names import check_sample_name

target_path = BasePlugin.target_path


# --- reading ---------------------------------------------------------------------------------------------------------


def refused(path: str | os.PathLike[str]) -> tuple[str, str]:
    with pytest.raises(BadFile) as caught:
        check_file(path)
    assert caught.value.fix
    assert "\n" not in str(caught.value)
    return caught.value.code, caught.value.reason


def test_a_regular_file_passes_and_comes_back_as_a_path(tmp_path):
    file = tmp_path / "ünï code.npy"
    file.write_bytes(b"x")
    assert check_file(str(file)) == file
    with open_file(file) as opened:
        assert opened.read() == b"x"


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert refused(tmp_path / "socket") == ("not-a-file", "it is a socket, not a file")
    assert refused(tmp_path / "pipe") == ("not-a-file", "it is a named pipe, not a file")
    assert refused(tmp_path) == ("not-a-file", "it is a folder, not a file")
    assert refused("/dev/zero") == ("not-a-file", "it is a device, not a file")


def test_empty_absent_and_impossible_paths_are_refused(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "broken-link").symlink_to("nowhere")
    assert refused(tmp_path / "empty")[0] == "empty"
    assert refused(tmp_path / "absent")[0] == "unreadable"
    assert refused(tmp_path / "broken-link")[0] == "unreadable"
    assert refused("a\0b")[0] == "unreadable"
    assert refused("x" * 5000)[0] == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    assert refused(tmp_path / "secret")[0] == "unreadable"


def test_a_name_that_is_no_text_is_shown_on_one_line(tmp_path):
    with pytest.raises(BadFile) as caught:
        check_file(tmp_path / "a\nb\udcff")
    assert caught.value.file.endswith("a\\nb\\udcff")
    caught.value.message.encode()


# --- where to write --------------------------------------------------------------------------------------------------


def test_a_sample_goes_into_the_folder_layout_of_its_name(tmp_path):
    assert target_path(tmp_path, "str:cat/black/001", "png") == tmp_path / "cat" / "black" / "001.png"
    assert target_path(tmp_path, "int:12", ".nii.gz") == tmp_path / "12.nii.gz"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../x", "..", "a/../../x", "/etc/passwd", "a//b", "a/./b", "", " ", "a\nb", "a\0b", "x" * 300, "a\udc80"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(InvalidName):
        target_path(tmp_path, f"str:{name}", "png")


@pytest.mark.parametrize(
    "detail", ["x", "float:1", "int:-1", "int:1.5", "int:", "int:\u0661", "int:../x", "int:" + "9" * 5000]
)
def test_a_detail_is_a_kind_and_a_name(tmp_path, detail):
    with pytest.raises(InvalidInput, match="str:NAME"):
        target_path(tmp_path, detail, "png")


def test_the_kinds_of_key_are_told_apart():
    assert [parse_detail("str:12"), parse_detail("int:12"), parse_detail("str:a:b")] == ["12", 12, "a:b"]


@pytest.mark.parametrize("extension", ["../png", "a/b", "png/", "..png..", "p ng", "a\\b", "a\0"])
def test_an_extension_is_no_path(tmp_path, extension):
    with pytest.raises(InvalidInput, match="not a file extension"):
        target_path(tmp_path, "str:x", extension)


def test_a_backslash_never_separates(tmp_path):
    target = target_path(tmp_path, "str:..\\..\\x", "png")
    assert target == tmp_path / "..%5C..%5Cx.png"


def test_links_out_of_the_folder_are_refused_and_links_within_are_not(tmp_path):
    outdir, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (outdir / "real").mkdir(parents=True)
    elsewhere.mkdir()
    (outdir / "link").symlink_to(elsewhere)
    (outdir / "dangling").symlink_to(tmp_path / "not-yet")
    (outdir / "loop").symlink_to("loop")
    (outdir / "inside").symlink_to("real")
    for name in ("link/x", "link/sub/x", "dangling/x"):
        with pytest.raises(InvalidName, match="outside of"):
            target_path(outdir, f"str:{name}", "png")
    with pytest.raises(HangarError), atomic_file(target_path(outdir, "str:loop/x", "png")) as file:
        file.write(b"x")
    assert target_path(outdir, "str:inside/x", "png") == outdir / "inside" / "x.png"
    (tmp_path / "alias").symlink_to(outdir)
    assert target_path(tmp_path / "alias", "str:x", "png") == tmp_path / "alias" / "x.png"


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="is not a folder"):
        target_path(tmp_path / "file", "str:x", "png")


part_names = st.text(
    st.sampled_from('aC:ONcon.15%2FE \\<>*?|"é') | st.characters(codec="utf-8"), min_size=1, max_size=12
).filter(lambda text: "/" not in text and text not in {".", ".."})


@given(part=part_names, windows=st.booleans())
def test_an_encoded_name_is_safe_and_can_be_had_back(part, windows):
    encoded = file_system_name(part, windows)
    assert "\\" not in encoded
    codes = "[0-9A-F]{2}" if windows else "5C|25"
    assert re.sub(f"%({codes})", lambda found: chr(int(found[1], 16)), encoded) == part
    if windows:
        assert not set(encoded) & set('<>:"|?*')
        assert encoded[-1] not in " ."
        assert not re.match(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", encoded)


@pytest.mark.parametrize("name", ["foo%20bar", "100%", "a:b?", "naïve", "con", "-rf", "x" * 200])
def test_names_that_posix_takes_stay_as_they_are(name):
    assert file_system_name(name, windows=False) == name


@given(name=st.text(min_size=1, max_size=20))
def test_whatever_the_name_the_target_is_below_the_folder_or_refused(tmp_path_factory, name):
    outdir = tmp_path_factory.getbasetemp() / "never-made"
    try:
        target = target_path(outdir, f"str:{name}", "npy")
    except InvalidName:
        with pytest.raises(InvalidName):
            check_sample_name(name, stored=True)
    else:
        assert Path(os.path.normpath(target)).is_relative_to(outdir)


# --- whole or not at all ---------------------------------------------------------------------------------------------


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "new" / "folder" / "x"
    with atomic_file(target) as file:
        file.write(b"content")
        assert not target.exists()
    assert everything_in(tmp_path) == {"new/folder/x": b"content"}


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "x").write_bytes(b"old")

    def failing() -> None:
        with atomic_file(tmp_path / "x") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert everything_in(tmp_path) == {"x": b"old"}


def test_a_link_at_the_target_is_replaced_and_what_it_points_at_is_left_alone(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "x").symlink_to("precious")
    with atomic_file(tmp_path / "x") as file:
        file.write(b"new")
    assert everything_in(tmp_path) == {"precious": b"precious", "x": b"new"}
    assert not (tmp_path / "x").is_symlink()


def test_several_files_grow_by_turns_with_one_of_them_open(tmp_path):
    with AtomicFiles() as files:
        first = files.open(tmp_path / "a")
        first.write(b"1")
        files.open(tmp_path / "b").write(b"2")
        assert first.closed
        files.open(tmp_path / "a").write(b"3")
    assert everything_in(tmp_path) == {"a": b"13", "b": b"2"}


def test_what_the_operating_system_refuses_is_a_storage_failure(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for target in (tmp_path / "folder", tmp_path / "file" / "x", tmp_path / ("x" * 300)):
        with pytest.raises(StorageFailed, match="Cannot write"), atomic_file(target) as file:
            file.write(b"x")
    assert everything_in(tmp_path) == {"file": b""}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_while_writing_is_a_storage_failure(tmp_path):
    def filling() -> None:
        with atomic_file(tmp_path / "x"), open("/dev/full", "wb") as full:
            full.write(b"x" * 100_000)

    with pytest.raises(StorageFailed, match="No space left"):
        filling()
    assert everything_in(tmp_path) == {}
