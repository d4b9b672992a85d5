"""Reading side of the contract: which paths may be opened at all, and how to say that a file is no good.

Every plugin opens its input through `open_file`, so that a FIFO that nobody writes to, a device, a folder or an empty
file is refused once and in the same words. The content is the plugin's own business.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from hangar_core.errors import BadFile

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# A named pipe put in the place of a file after the check would block the open for ever. Absent on Windows.
_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def bad_file(fpath: str | os.PathLike[str], *, code: str, reason: str, fix: str) -> BadFile:
    """Return (not raise) the error for the file at `fpath`.

    `reason` is one line in a user's words, `fix` a short imperative phrase, and `code` one of: empty, truncated,
    wrong-format, too-large, unsafe, ragged, not-a-number, undecodable, unreadable, not-a-file.
    """
    # A name that is no text (undecodable bytes, a newline) must not spoil the line it is reported in.
    name = os.fspath(fpath).encode("utf-8", "backslashreplace").decode("utf-8")
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in name)
    return BadFile(hint=fix, file=shown, reason=" ".join(reason.split()), code=code, fix=fix)


def check_file(fpath: str | os.PathLike[str]) -> Path:
    """Return `fpath` if it is a regular, readable file with something in it, else raise `BadFile`. Never blocks."""
    open_file(fpath).close()
    return Path(fpath)


def open_file(fpath: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file that is not empty for reading bytes; the caller closes it.

    Raises `BadFile` with the code not-a-file, unreadable or empty. Links are followed: whether they should be is the
    business of whoever walked the folder.
    """
    try:
        # Before the open, because opening a device can already do something.
        _refuse_unless_regular(fpath, os.stat(fpath))
        descriptor = os.open(fpath, os.O_RDONLY | _NEVER_WAIT)
    except BadFile:
        raise
    except (OSError, ValueError) as why:  # ValueError: a NUL inside the name
        reason = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
        raise bad_file(
            fpath, code="unreadable", reason=f"it cannot be read: {reason}", fix="check that it exists and is readable"
        ) from why
    file = os.fdopen(descriptor, "rb")
    try:
        found = os.fstat(descriptor)
        _refuse_unless_regular(fpath, found)
        if found.st_size == 0:
            raise bad_file(fpath, code="empty", reason="the file is empty", fix="remove it or get it again")
    except BaseException:
        file.close()
        raise
    return file


def _refuse_unless_regular(fpath: str | os.PathLike[str], found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((words for test, words in _KINDS if test(found.st_mode)), "something else")
    raise bad_file(fpath, code="not-a-file", reason=f"it is {kind}, not a file", fix="give the path of a regular file")
