"""`hangar server` at a terminal: it starts, stops, asks who is there, and refuses to be unsafe by accident."""

from __future__ import annotations

import json
import signal
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangar_core import Repository

from .conftest import Terminal

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")


@contextmanager
def serving(terminal: Terminal, *words: str) -> Iterator[str]:
    """Run a server for a block and give its address."""
    process = terminal.start("server", "--port", "0", *words)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def place(committed: Terminal, tmp_path: Path) -> Terminal:
    """A terminal in the directory of a server."""
    folder = tmp_path / "server"
    folder.mkdir()
    return Terminal(folder, committed.environment, committed.forks)


def test_it_stops_when_its_time_is_over(place: Terminal) -> None:
    began = time.monotonic()
    done = place("server", "--overwrite", "--ip", "localhost", "--port", "0", "--timeout", "1")
    assert "Hangar Server Started" in done.stdout
    assert time.monotonic() - began < 15


def test_it_ends_with_ctrl_c(place: Terminal) -> None:
    process = place.start("server", "--port", "0")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0
    assert "Traceback" not in process.communicate()[1]


def test_history_goes_through_a_server(committed: Terminal, place: Terminal, tmp_path: Path) -> None:
    with serving(place) as address:
        committed("remote", "add", "origin", f"{address}/pets")
        assert committed.json("push", "origin", "master")["samples"] == 3
        assert committed.json("remote", "ping", "origin")["seconds"] < 10
        (tmp_path / "other").mkdir()
        other = Terminal(tmp_path / "other", committed.environment, committed.forks)
        other("clone", f"{address}/pets", "--name", "B", "--email", "b@example.org")
        assert other.json("fetch-data", "origin", "master")["samples"] == 3
        with urllib.request.urlopen(f"{address}/healthz") as answer:
            assert answer.read() == b"ok\n"
        with urllib.request.urlopen(f"{address}/metrics") as answer:
            assert b'hangar_server_requests_total{verb="put",status="200"}' in answer.read()
    assert (place.directory / ".hangar-server/repositories/pets/hangar-remote.json").is_file()
    committed("remote", "add", "gone", address)
    assert "cannot be reached" in committed("fetch", "gone", "master", code=8).stderr


def test_with_a_user_pushing_needs_name_and_password_and_cloning_does_not(
    committed: Terminal, place: Terminal, tmp_path: Path
) -> None:
    secret = {"HANGAR_PASSWORD": "correct horse"}
    place("server", "user", "add", "ana", env=secret)
    with serving(place) as address:
        committed("remote", "add", "origin", address)
        for words, environment in (
            ((), {}),
            (("--username", "ana"), {"HANGAR_PASSWORD": "wrong"}),
        ):
            refused = committed("push", "origin", "master", *words, code=8, env=environment)
            assert "refuses" in refused.stderr
        committed("push", "origin", "master", "--username", "ana", env=secret)
        (tmp_path / "other").mkdir()
        Terminal(tmp_path / "other", committed.environment, committed.forks)(
            "clone", address, "--name", "B", "--email", "b@c.d"
        )


def test_tokens_are_good_for_what_they_say_until_they_are_revoked(committed: Terminal, place: Terminal) -> None:
    tokens = {
        name: place("server", "token", "add", name, *words).stdout.strip()
        for name, words in {
            "reader": ["--scope", "read"],
            "dev": ["--branch", "dev*"],
            "writer": [],
        }.items()
    }
    assert not any(token in (place.directory / ".hangar-server/access.json").read_text() for token in tokens.values())
    committed("branch", "create", "dev-1")
    with serving(place, "--anonymous", "none") as address:
        Repository(committed.directory).remote.add("origin", f"{address}/pets")
        assert "needs a token" in committed("push", "origin", "master", code=8).stderr
        for name in ("reader", "dev"):
            committed("push", "origin", "master", code=8, env={"HANGAR_TOKEN": tokens[name]})
        committed("push", "origin", "dev-1", env={"HANGAR_TOKEN": tokens["dev"]})
        committed("push", "origin", "master", env={"HANGAR_TOKEN": tokens["writer"]})
        committed("fetch", "origin", "master", env={"HANGAR_TOKEN": tokens["reader"]})
        assert place("server", "token", "revoke", "writer").stdout == "Revoked the token writer (write).\n"
        assert (
            "not known" in committed("fetch", "origin", "master", code=8, env={"HANGAR_TOKEN": tokens["writer"]}).stderr
        )
    listed = place.json("server", "token", "list")["entries"]
    assert [entry["name"] for entry in listed] == ["reader", "dev"]
    place("server", "token", "revoke", "writer", code=4)


def test_it_listens_beyond_this_machine_only_if_that_is_safe_or_known_not_to_be(place: Terminal) -> None:
    assert "reads along" in place("server", "--ip", "0.0.0.0", "--port", "0", code=1).stderr
    assert "certificate and its key" in place("server", "--tls-cert", __file__, code=1).stderr
    with serving(place, "--ip", "0.0.0.0", "--i-know-this-is-insecure") as address:
        assert address.startswith("http://0.0.0.0:")


def test_a_port_that_is_taken_is_said(place: Terminal) -> None:
    with serving(place) as address:
        done = place("server", "--port", address.rpartition(":")[2], "--ip", "127.0.0.1", code=8)
        assert "Cannot listen" in done.stderr


def test_each_request_is_a_line_of_json(committed: Terminal, place: Terminal) -> None:
    process = place.start("server", "--port", "0")
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    committed("remote", "add", "origin", address)
    committed("push", "origin", "master")
    process.send_signal(signal.SIGINT)
    lines = [json.loads(line) for line in process.communicate()[1].splitlines() if line.startswith("{")]
    assert next(line["verb"] for line in lines) == "info"
    assert {line["status"] for line in lines} <= {200, 204}
    assert lines[-1]["verb"] == "move"


@pytest.mark.parametrize("name", ["tokens.json", "tokens.toml"])
def test_servers_may_share_a_file_of_tokens(committed: Terminal, place: Terminal, tmp_path: Path, name: str) -> None:
    shared = str(tmp_path / name)
    refused = place("server", "--auth", shared, "--port", "0", code=1)
    assert f"hangar server --auth {shared} token add" in refused.stderr
    token = place("server", "--auth", shared, "token", "add", "robot").stdout.strip()
    place("server", "--auth", shared, "token", "add", 'Zoë "\\ 7', "--branch", "wip/*")
    parse = {".json": json.loads, ".toml": tomllib.loads}[Path(name).suffix]
    entries = parse(Path(shared).read_text(encoding="utf-8"))["entries"]
    assert [(one["name"], one["branches"]) for one in entries] == [("robot", "*"), ('Zoë "\\ 7', "wip/*")]
    assert "robot" in place("server", "--auth", shared, "token", "list").stdout
    assert "robot" not in place("server", "token", "list").stdout
    with serving(place, "--auth", shared) as address:
        committed("remote", "add", "origin", f"{address}/pets")
        committed("push", "origin", "master", code=8)
        committed("push", "origin", "master", env={"HANGAR_TOKEN": token})
    place("server", "--auth", shared, "token", "revoke", "robot")
    assert "robot" not in place("server", "--auth", shared, "token", "list").stdout
