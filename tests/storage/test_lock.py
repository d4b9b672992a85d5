"""The writer lock: one writer, named; gone with its process, whatever happened to it."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hangar_core.errors import Locked, StorageFailed
from hangar_core.storage.lock import WriterLock, read_owner

Start = Callable[..., "subprocess.Popen[str]"]

OWNER = """
    import sys
    from pathlib import Path
    from hangar_core.storage.lock import WriterLock

    lock = WriterLock(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.readline()
    lock.release()
    print("released", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def owner(start: Start, path: Path) -> subprocess.Popen[str]:
    """Start another process that holds the lock."""
    process = start(OWNER, path)
    assert said(process) == "held"
    return process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go on\n")
    process.stdin.flush()


# --- one writer -----------------------------------------------------------------------------------------------------


def test_a_second_writer_of_the_same_process_is_refused_and_told_by_whom(path: Path) -> None:
    lock = WriterLock(path)
    assert lock.held
    with pytest.raises(Locked, match=f"held by process {os.getpid()} on ") as refused:
        WriterLock(path)
    assert refused.value.exit_code == 7
    assert lock.held
    lock.release()


def test_a_writer_of_another_process_is_refused_and_told_by_whom(path: Path, start: Start) -> None:
    process = owner(start, path)
    with pytest.raises(Locked, match=f"process {process.pid} on .* since [-0-9]+ [:0-9]+ UTC"):
        WriterLock(path)


def test_a_waiting_writer_of_the_same_process_is_refused_after_its_time(path: Path) -> None:
    lock = WriterLock(path)
    begun = time.monotonic()
    with pytest.raises(Locked):
        WriterLock(path, wait=0.3)
    assert 0.25 < time.monotonic() - begun < 10
    lock.release()


def test_the_lock_is_free_again_after_release_and_releasing_twice_is_fine(path: Path) -> None:
    first = WriterLock(path)
    first.release()
    first.release()
    assert not first.held
    second = WriterLock(path)
    first.release()
    assert second.held
    with pytest.raises(Locked):
        WriterLock(path)
    second.release()


def test_refusal_leaves_the_owners_name_in_place(path: Path) -> None:
    lock = WriterLock(path)
    before = path.read_bytes()
    with pytest.raises(Locked):
        WriterLock(path)
    assert path.read_bytes() == before
    lock.release()


# --- waiting --------------------------------------------------------------------------------------------------------


def test_without_waiting_a_taken_lock_is_refused_at_once(path: Path, start: Start) -> None:
    owner(start, path)
    begun = time.monotonic()
    with pytest.raises(Locked):
        WriterLock(path, wait=0)
    assert time.monotonic() - begun < 5


def test_a_writer_that_waits_gets_the_lock_when_it_is_freed(path: Path, start: Start) -> None:
    process = owner(start, path)
    threading.Timer(0.5, tell, [process]).start()
    begun = time.monotonic()
    lock = WriterLock(path, wait=20)
    assert time.monotonic() - begun > 0.4
    assert f"process {os.getpid()} " in read_owner(path)
    lock.release()


def test_a_negative_wait_does_not_wait_for_ever(path: Path, start: Start) -> None:
    process = owner(start, path)
    rescue = threading.Timer(20, process.kill)  # or else this would, if it failed
    rescue.start()
    with pytest.raises(Locked):
        WriterLock(path, wait=-1)
    rescue.cancel()


# --- death ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_killed_owner_leaves_the_lock_free(path: Path, start: Start) -> None:
    process = owner(start, path)
    process.kill()
    process.wait(30)
    lock = WriterLock(path)
    assert lock.held
    lock.release()


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_waiting_writer_gets_the_lock_of_an_owner_that_is_killed(path: Path, start: Start) -> None:
    process = owner(start, path)
    threading.Timer(0.3, process.kill).start()
    WriterLock(path, wait=20).release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(path: Path, start: Start) -> None:
    """The lock belongs to the open file: a child that kept its copy of the descriptor would keep the lock too."""
    process = start(
        """
        import os, sys, time
        from pathlib import Path
        from hangar_core.storage.lock import WriterLock

        lock = WriterLock(Path(sys.argv[1]))
        child = os.fork()
        if child == 0:
            print(os.getpid(), lock.held, flush=True)
            time.sleep(60)
            os._exit(0)
        sys.stdin.readline()
        """,
        path,
    )
    child, held = said(process).split()
    try:
        assert held == "False"
        process.kill()
        process.wait(30)
        os.kill(int(child), 0)  # it is still there
        lock = WriterLock(path)
        assert lock.held
        lock.release()
    finally:
        os.kill(int(child), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_cannot_release_the_lock_of_its_parent(path: Path, start: Start) -> None:
    process = start(
        """
        import os, sys
        from pathlib import Path
        from hangar_core.errors import Locked
        from hangar_core.storage.lock import WriterLock

        lock = WriterLock(Path(sys.argv[1]))
        child = os.fork()
        if child == 0:
            lock.release()
            try:
                WriterLock(Path(sys.argv[1]))
            except Locked:
                os._exit(0)
            os._exit(1)
        status = os.waitpid(child, 0)[1]
        print(status, lock.held, flush=True)
        sys.stdin.readline()
        """,
        path,
    )
    assert said(process) == "0 True"
    with pytest.raises(Locked):
        WriterLock(path)


# --- the name of the owner decides nothing --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"{}", b"[]", b"null", b'{"pid": 1e999}', b'{"pid": "x", "host": 1, "since": 2, "command": 3}'],
)
def test_whatever_stands_in_the_file_it_is_only_a_name(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert read_owner(path) == "another process"
    WriterLock(path).release()
    assert json.loads(path.read_bytes())["pid"] == os.getpid()


def test_a_command_with_control_characters_is_shown_escaped(path: Path) -> None:
    path.write_text(json.dumps({"pid": 1, "host": "h", "since": "s", "command": "evil\x1b[2J\n"}))
    assert read_owner(path) == "process 1 on h since s UTC ('evil\\x1b[2J\\n')"


def test_a_missing_file_names_nobody(path: Path) -> None:
    assert read_owner(path) == "another process"


def test_a_name_that_cannot_be_written_keeps_nobody_from_writing(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk must not keep those out who want to make room on it."""

    def full(*_: object) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr("builtins.open", full)
        lock = WriterLock(path)
    assert lock.held
    assert str(path) in caplog.text
    lock.release()


@pytest.mark.skipif(os.name == "nt", reason="there is no flock")
def test_where_the_file_system_has_no_lock_a_writer_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose existence is the lock would stay behind after a crash."""
    import fcntl

    def missing(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", missing)
    with pytest.raises(StorageFailed):
        WriterLock(path)


def test_a_lock_that_cannot_be_opened_is_a_typed_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageFailed, match=str(path)):
        WriterLock(path)


def test_any_thread_of_the_owner_holds_the_lock_and_may_release_it(path: Path) -> None:
    locks: list[WriterLock] = []
    for work in (lambda: locks.append(WriterLock(path)), lambda: locks[0].release()):
        assert not locks or locks[0].held
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
    assert not locks[0].held
    WriterLock(path).release()
