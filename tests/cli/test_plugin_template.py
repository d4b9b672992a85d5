"""`hangar plugins new`: the package that it makes is green as generated, whatever the answers."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .conftest import Terminal, needs_pty

ANSWERS = {
    "plain": ["nifti"],
    "dashed": ["my-own-format", "--extensions", "mof,mof.gz", "--licence", "apache-2.0"],
    "unicode": ["zahl2", "--author", "Żółć Ångström 李", "--email", "a@b.org", "--licence", "BSD-3-Clause"],
}
LICENCES = {"plain": "MIT License", "dashed": "Apache License", "unicode": "Żółć Ångström 李"}


def run(words: list[str], place: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_new_package_installs_passes_its_tests_and_is_listed(terminal: Terminal, tmp_path: Path, kind: str) -> None:
    name = ANSWERS[kind][0]
    made = terminal.json("plugins", "new", *ANSWERS[kind])
    place = terminal.directory / f"hangar-{name}"
    assert (made["version"], made["path"]) == ("hangar.plugins-new/1", str(place))
    assert LICENCES[kind] in (place / "LICENSE").read_text(encoding="utf-8")
    left = [path for path in place.rglob("*") if "cookiecutter" in path.name or "{{" in path.name]
    assert left == []

    packages = tmp_path / "packages"
    quiet = {name: value for name, value in terminal.environment.items() if name != "PYTHONWARNINGS"}
    offline = {**quiet, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    pip = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(packages), str(place)]
    run(pip, tmp_path, offline)
    paths = [str(packages), *filter(None, [terminal.environment.get("PYTHONPATH")])]
    terminal.environment["PYTHONPATH"] = os.pathsep.join(paths)

    tested = run(["pytest", "-q", "-p", "no:cacheprovider", "-n", "0"], place, terminal.environment)
    assert " passed" in tested
    assert "skipped" not in tested
    [entry] = [one for one in terminal.json("plugins", "list")["plugins"] if one["name"] == name]
    assert (entry["state"], entry["distribution"]) == ("ok", f"hangar-{name}")
    ruff = ["ruff", "check", "--isolated", "--line-length", "120", str(place)]
    run(ruff, place, quiet)
    run(["ruff", "format", "--check", "--isolated", "--line-length", "120", str(place)], place, quiet)


def test_the_answers_are_in_the_package(terminal: Terminal) -> None:
    terminal("plugins", "new", *ANSWERS["dashed"], "--author", "Ana Lopez", "--email", "ana@example.org")
    place = terminal.directory / "hangar-my-own-format"
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    assert project["name"] == "hangar-my-own-format"
    assert project["license"] == "Apache-2.0"
    assert project["authors"] == [{"name": "Ana Lopez", "email": "ana@example.org"}]
    entry = {"my-own-format": "hangar_my_own_format:HangarMyOwnFormat"}
    assert project["entry-points"]["hangar.external.plugins"] == entry
    assert 'EXTENSIONS = ("mof", "mof.gz")' in (place / "src/hangar_my_own_format/plugin.py").read_text()
    assert "${{ matrix.python }}" in (place / ".github/workflows/ci.yml").read_text()


def test_a_folder_that_is_there_is_left_alone(terminal: Terminal) -> None:
    (terminal.directory / "hangar-nifti").mkdir()
    (terminal.directory / "hangar-nifti" / "precious").touch()
    assert "exists already" in terminal("plugins", "new", "nifti", code=1).stderr
    assert [path.name for path in (terminal.directory / "hangar-nifti").iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["Big"], "'Big'"),
        (["../up"], "'../up'"),
        (["a--b"], "single - or _"),
        (["csv"], "bundled"),
        (["x", "--extensions", "a/b"], "list of extensions"),
        (["x", "--extensions", ""], "list of extensions"),
        (["x", "--author", 'quo"te'], "'--author'"),
        (["x", "--author", "{{ 7 * 7 }}\n"], "'--author'"),
        (["x", "--email", "nobody"], "email address"),
        (["x", "--licence", "GPL"], "apache-2.0"),
        ([], "Missing argument"),
    ],
)
def test_answers_of_which_no_package_can_be_made_are_wrong_usage(
    terminal: Terminal, words: list[str], text: str
) -> None:
    assert text in terminal("plugins", "new", *words, code=2).stderr
    assert list(terminal.directory.iterdir()) == []


def test_a_folder_to_put_it_in_must_exist(terminal: Terminal) -> None:
    assert "is no directory" in terminal("plugins", "new", "x", "--out", "nowhere", code=1).stderr


@needs_pty
def test_on_a_terminal_it_asks_for_what_is_not_given(terminal: Terminal) -> None:
    drawn = terminal.look("plugins", "new", "asked", "--author", "Ana", typed="one,two\n\nana@example.org\n")
    assert "extensions [asked]:" in drawn
    assert "licence (MIT, Apache-2.0, BSD-3-Clause) [MIT]:" in drawn
    assert "Next: cd hangar-asked/ && pip install -e '.[test]' && pytest" in drawn
    module = (terminal.directory / "hangar-asked/src/hangar_asked/plugin.py").read_text()
    assert 'EXTENSIONS = ("one", "two")' in module


def test_without_cookiecutter_the_command_that_installs_it_is_named(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "cookiecutter.py").write_text("raise ModuleNotFoundError('No module named cookiecutter')")
    paths = [str(tmp_path / "absent"), *filter(None, [terminal.environment.get("PYTHONPATH")])]
    terminal.environment["PYTHONPATH"] = os.pathsep.join(paths)
    assert "pip install 'hangar-core[new]'" in terminal("plugins", "new", "x", code=1).stderr
