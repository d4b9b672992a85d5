"""The examples in the help of the commands run as they are printed."""

from __future__ import annotations

import shlex
import shutil
import warnings
from contextlib import closing
from pathlib import Path

import click
import pytest
from typed.forks import Forks

from hangar_cli.main import COMMANDS, main
from hangar_core import Repository
from hangar_steps import Config

from .conftest import Terminal, picture, scrubbed_environment


def examples() -> list[str]:
    """Return the example lines of all commands and sub-commands."""
    ctx = click.Context(main)
    commands = [main.get_command(ctx, name) for name in COMMANDS]
    for section in [command for command in commands if isinstance(command, click.Group)]:
        commands += section.commands.values()
    helps = [command.help or "" for command in commands if command is not None]
    return [line.strip() for text in helps for line in text.split("Example:")[1].splitlines() if line.strip()]


@pytest.mark.parametrize("example", examples())
def test_an_example_from_the_help_runs(committed: Terminal, prepared: dict[str, Path], ran: Ran, example: str) -> None:
    """Where there are photos, a commit of them, and something staged, unless the command has no use for it."""
    program, *words = shlex.split(example)
    assert program == "hangar"
    before = BEFORE.get(" ".join(words[:2]), BEFORE.get(words[0]))
    if words[0] == "init" or before is None:
        shutil.rmtree(committed.directory / ".hangar")
    if before is None:
        shutil.copytree(prepared["staged"] / ".hangar", committed.directory / ".hangar")
    for line in before or ():
        committed(*line.split())
    if words[0] == "resolve":
        leave_a_conflict(committed)
    if words[0] in {"push", "fetch", "fetch-data", "drop", "pull", "clone"} or words[:2] in (
        ["remote", "ping"],
        ["remote", "remove"],
    ):
        words = [word.replace("/mnt/backup/pets", "../remote") for word in words]
        committed(*["remote", "add", "origin", "../remote"])
        committed(*["push", "origin", "master"])
    if words[0] in {"run", "runs", "steps"}:
        there, names = ran
        shutil.copytree(there, committed.directory, dirs_exist_ok=True)
        words = [names.get(word, word) for word in words]
    if words[0] == "clone":
        shutil.rmtree(committed.directory / ".hangar")
    if words[:2] == ["server", "--port"]:
        pytest.importorskip("uvicorn", reason="the extra server is not installed")
    committed(*words, env={"HANGAR_PASSWORD": "secret"})


# A repository, and word of an example -> what that is called there.
Ran = tuple[Path, dict[str, str]]


@pytest.fixture(scope="session")
def ran(prepared: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, forks: Forks | None) -> Ran:
    """Beside what is `committed`: a pipeline, a result of a step, and two runs. Tests get copies."""
    base = tmp_path_factory.mktemp("ran")
    committed = Terminal(base / "place", scrubbed_environment(base), forks)
    shutil.copytree(prepared["committed"], committed.directory)
    pipeline = (
        "from hangar_steps import derive, step\n"
        "@derive(input='pictures', output='thumbnails', version='1')\n"
        "def thumbnails(picture):\n    return picture[::4, ::4].copy()\n"
        "@step(version='1')\ndef train(rate=1):\n    return {'rate': rate}\n"
    )
    (committed.directory / "pipeline.py").write_text(pipeline, encoding="utf-8")
    committed("run", "pipeline:train")
    repo = Repository(committed.directory)
    ids = []
    for seed in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # no git repository is there
            with repo.run(config=Config(seed=seed)) as run:
                ids.append(run.run_id)
    (kept,) = committed.json("steps", "ls")["steps"]
    return committed.directory, {"3f2a": ids[0], "9c41": ids[1], "train-001-2vVf": kept["id"]}


# What a command needs, or cannot have, beside a commit.
ON_ANOTHER_BRANCH = [
    "branch create experiment",
    "checkout experiment",
    "arrayset create masks UINT8 3",
    "commit -m masks",
    "checkout master",
]
BEFORE: dict[str, list[str]] = {
    "init": [],
    "checkout": [],
    "diff": ["arrayset create masks UINT8 3", "commit -m masks"],
    "merge": ON_ANOTHER_BRANCH,
    "cherry-pick": ON_ANOTHER_BRANCH,
    "pull": [],
    "resolve": [],
    "revert": ["arrayset create masks UINT8 3", "commit -m masks"],
    "stash pop": ["arrayset create masks UINT8 3", "stash save"],
    "stash drop": ["arrayset create masks UINT8 3", "stash save"],
    "tag delete": ["tag create v0.9"],
    "branch delete": ["branch create merged-work"],
    "branch rename": [],
}


def leave_a_conflict(terminal: Terminal) -> None:
    """Let two branches disagree about a picture and the licence."""
    terminal("branch", "create", "dev")
    for number, branch in enumerate(("dev", "master")):
        terminal("checkout", branch)
        with closing(Repository(terminal.directory).checkout(write=True)) as writer:
            writer.arraysets["pictures"]["cat/001"] = picture(10 + number)
            writer.metadata["licence"] = branch
            writer.commit(branch)
    terminal("merge", "dev", code=3)
