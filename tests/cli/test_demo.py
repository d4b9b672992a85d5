"""`hangar demo`: the main job on the shipped data, as a newcomer meets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.exceptions import Exit
from PIL import Image

from hangar_cli.commands.demo import prove

from .conftest import Terminal, scrubbed_environment


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What one run of the demo prints, and the directory it leaves."""
    base = tmp_path_factory.mktemp("demo")
    place = base / "new" / "place"
    return Terminal(base, scrubbed_environment(base))("demo", "--path", place).stdout, place


@pytest.fixture
def place(shown: tuple[str, Path], tmp_path: Path) -> Path:
    """A copy of the demo's directory, to be changed."""
    return shutil.copytree(shown[1], tmp_path / "demo")


def test_each_command_is_shown_with_its_output_below(shown: tuple[str, Path]) -> None:
    lines = shown[0].splitlines()
    commands = [line for line in lines if line.startswith("$ ")]
    done = [command.split()[2] for command in commands]
    assert done == ["init", "import", "import", "status", "commit", "log", "summary", "view", "export", "export"]
    assert lines[lines.index("$ hangar commit -m 'pictures and digits'") + 1] == "Commit message:"
    assert "\x1b" not in shown[0]


def test_it_ends_with_what_was_proved_and_where_it_lies(shown: tuple[str, Path]) -> None:
    proved, kept = shown[0].splitlines()[-2:]
    assert "7 pictures" in proved
    assert "1,797 rows" in proved
    assert proved.endswith("bit for bit the same.")
    assert kept.endswith(str(shown[1]))


def test_the_directory_is_a_repository_to_go_on_with(place: Path, tmp_path: Path) -> None:
    terminal = Terminal(place, scrubbed_environment(tmp_path))
    assert "pictures and digits" in terminal("log").stdout
    assert terminal.json("status")["clean"] is True


def test_the_demo_does_not_touch_what_is_there(terminal: Terminal) -> None:
    (terminal.directory / "mine.txt").write_text("mine")
    assert "is not an empty directory" in terminal("demo", "--path", terminal.directory, code=2).stderr
    assert [path.name for path in terminal.directory.iterdir()] == ["mine.txt"]


def test_the_proof_holds_for_what_was_exported(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prove(place)
    assert capsys.readouterr().out.startswith("Proved: 7 pictures")


def test_one_changed_bit_of_a_picture_ends_with_6_and_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / "back/food/coffee.png"
    with Image.open(path) as image:
        changed = image.convert("RGB")
    pixel = changed.getpixel((3, 5))
    assert isinstance(pixel, tuple)
    changed.putpixel((3, 5), (pixel[0] ^ 1, *pixel[1:]))
    changed.save(path)
    with pytest.raises(Exit) as end:
        prove(place)
    assert end.value.exit_code == 6
    assert capsys.readouterr().err == "Error: picture food/coffee.jpg differs from the original.\n"


def test_one_changed_number_of_the_table_ends_with_6_and_is_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [path] = (place / "back").rglob("*.csv")
    lines = path.read_text().splitlines(keepends=True)
    assert lines[3].startswith("0,")
    lines[3] = "1," + lines[3][2:]
    path.write_text("".join(lines))
    with pytest.raises(Exit) as end:
        prove(place)
    assert end.value.exit_code == 6
    assert f"row 2 of {path.name} differs" in capsys.readouterr().err


def test_a_lost_row_of_the_table_ends_with_6(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = (place / "back").rglob("*.csv")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(Exit) as end:
        prove(place)
    assert end.value.exit_code == 6
    assert "names of the rows" in capsys.readouterr().err
