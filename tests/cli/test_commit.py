"""`hangar commit`: messages, the editor, and what a script gets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hangar_cli.commands.commit import MARKER
from hangar_core import Repository

from .conftest import Terminal


@pytest.fixture
def staged(hangar: Terminal) -> Terminal:
    """A repository with a new arrayset to commit."""
    hangar("arrayset", "create", "numbers", "FLOAT64", "4")
    return hangar


def editor(place: Path, body: str) -> dict[str, str]:
    """Return the environment that makes `body` the editor; it sees the file as `path`, its text as `text`."""
    script = place / "editor.py"
    script.write_text(
        f"import sys, pathlib\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text(encoding='utf-8')\n{body}\n",
        encoding="utf-8",
    )
    return {"EDITOR": f'"{sys.executable}" "{script}"'}


def last_message(terminal: Terminal) -> str:
    message = terminal.json("log")["commits"][0]["message"]
    assert isinstance(message, str)
    return message


def test_commit_prints_the_message_and_ends_with_the_digest(staged: Terminal) -> None:
    printed = staged("commit", "-m", "first pets").stdout
    digest = printed.split()[-1]
    assert printed == f"Commit message:\nfirst pets\nCommit Successful. Digest: {digest}\n"
    assert digest == staged.json("log")["head"]


def test_several_messages_become_lines(staged: Terminal) -> None:
    printed = staged("commit", "-m", "first", "-m", "", "--message", "third").stdout
    assert printed.startswith("Commit message:\nfirst\n\nthird\nCommit Successful")
    assert last_message(staged) == "first\n\nthird"


def test_commit_json_names_digest_branch_and_message(staged: Terminal) -> None:
    document = staged.json("commit", "-m", "first")
    assert document == {
        "version": "hangar.commit/1",
        "digest": Repository(staged.directory).branch_heads()[0].digest,
        "branch": "master",
        "message": "first",
    }


def test_control_characters_of_a_message_do_not_reach_the_terminal(staged: Terminal) -> None:
    assert "\\x1b[2J" in staged("commit", "-m", "evil\x1b[2J").stdout
    log = staged("log").stdout
    assert "\x1b" not in log
    assert "\\x1b[2J" in log


@pytest.mark.parametrize("words", [["-m", "x"], []])
def test_with_nothing_staged_there_is_nothing_to_commit(hangar: Terminal, words: list[str]) -> None:
    done = hangar("commit", *words, code=1)
    assert done.stderr == "Error: No changes made in staging area. Cannot commit.\n"


@pytest.mark.parametrize("message", ["", "  \n "])
def test_an_empty_message_stops_the_commit(staged: Terminal, message: str) -> None:
    done = staged("commit", "-m", message, code=1)
    assert done.stdout + done.stderr == "Aborted! Empty commit message\n"
    assert staged.json("status")["clean"] is False


def test_the_editor_gets_a_template_and_the_message_is_what_stands_above_the_marker(staged: Terminal) -> None:
    body = "path.write_text('  from the editor\\nsecond line\\n' + text, encoding='utf-8')\n"
    body += "path.with_name('seen').write_text(text) if False else open('seen.txt', 'w').write(text)"
    printed = staged("commit", env=editor(staged.directory.parent, body)).stdout
    assert printed.startswith("Commit message:\nfrom the editor\nsecond line\nCommit Successful")
    template = (staged.directory / "seen.txt").read_text()
    assert template.splitlines()[2] == MARKER
    assert "# Branch: master" in template
    assert all(line.startswith("#") or not line for line in template.splitlines())


def test_a_template_saved_without_a_message_stops_the_commit(staged: Terminal) -> None:
    done = staged("commit", code=1, env=editor(staged.directory.parent, "path.write_text(text)"))
    assert done.stdout + done.stderr == "Aborted! Empty commit message\n"


def test_an_editor_closed_without_saving_stops_the_commit(staged: Terminal) -> None:
    done = staged("commit", code=1, env=editor(staged.directory.parent, "pass"))
    assert done.stdout + done.stderr == "Aborted!\n"
    assert staged.json("status")["clean"] is False


def test_an_editor_that_fails_is_named(staged: Terminal) -> None:
    assert (
        "editing failed" in staged("commit", code=1, env=editor(staged.directory.parent, "sys.exit(3)")).stderr.lower()
    )


def test_a_message_from_the_editor_is_not_lost_when_the_commit_fails(staged: Terminal) -> None:
    """Someone else takes the writer lock while the message is being written."""
    body = (
        "path.write_text('a long thought\\n' + text)\n"
        "import subprocess\n"
        "holder = subprocess.Popen([sys.executable, '-c', '''\n"
        "import sys\n"
        "from hangar_core import Repository\n"
        "writer = Repository('.').checkout(write=True)\n"
        "print('held', flush=True)\n"
        "import time; time.sleep(20)\n"
        "'''], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "holder.stdout.readline()\n"
        "open('holder.pid', 'w').write(str(holder.pid))\n"
        "import os; os._exit(0)"
    )
    done = staged("commit", code=7, env=editor(staged.directory.parent, body))
    import os
    import signal

    os.kill(int((staged.directory / "holder.pid").read_text()), signal.SIGTERM)
    assert "Your message was:\na long thought" in done.stderr
