"""Finding the files below the paths given, in an order that never changes, without following links.

One scan, folder by folder; nothing is held but the names in the folders between the path given and the file at hand.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from hangar_core.errors import InvalidInput
from hangar_core.ingest.ignoring import IGNORE_FILE, Patterns, Rules, ignored_by, rules_in
from hangar_core.ingest.listing import FILE, FOLDER, LINK, Entry, entries_of
from hangar_core.ingest.report import Reject
from hangar_core.ingest.works import Stamp


class SourceFile(NamedTuple):
    """A file to import. `root` is the path given, absolute; `folder` are the folders between it and the file, with
    ``/``; `alone` says that the file itself was the path given. `shown` is the path as the user would write it. A
    listing of objects gives the `stamp` too."""

    path: str
    name: str
    root: str
    folder: str
    alone: bool
    shown: str
    stamp: Stamp | None = None


class Passed(NamedTuple):
    """What is no file to import, and why: ignored (by name or rule, as wanted), or rejected."""

    kind: Literal["ignored", "rejected"]
    reject: Reject


Found: TypeAlias = SourceFile | Passed


def walk(paths: Sequence[str | os.PathLike[str]], patterns: Patterns) -> Iterator[Found]:
    """Yield files in order of their names, folder by folder, and for what is no file why it is passed over.

    Ignored are names that begin with a dot and what a `.hangarignore` says; rejected are links inside a folder, pipes,
    devices, folders that cannot be read. What `patterns` leave out is not mentioned. Raises `InvalidInput` for a path
    that does not exist.
    """
    for one in paths:
        path = os.fspath(one)
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as why:
            reason = why.strerror if isinstance(why, OSError) else str(why)
            raise InvalidInput(f'Path "{printable(path)}" cannot be read: {reason}.') from why
        absolute = os.path.abspath(path)
        if stat.S_ISDIR(mode):
            yield from _Scan(path, absolute, patterns).found()
        elif stat.S_ISREG(mode):
            yield SourceFile(
                absolute, os.path.basename(absolute), os.path.dirname(absolute), "", alone=True, shown=printable(path)
            )
        else:
            yield Passed("rejected", no_file(path))


class _Folder(NamedTuple):
    """A folder that is being scanned: its path below the root (``a/b/``), what is left in it, the rules that hold.

    `path` and `shown` are what stands before the names in it, `takes_all` says that neither rules nor patterns can
    leave out a file.
    """

    below: str
    left: Iterator[Entry]
    rules: tuple[Rules, ...]
    path: str
    shown: str
    printable: bool
    takes_all: bool


class _Scan:
    """The scan of one path given. A stack of its own: a tree may be deeper than calls can be."""

    def __init__(self, shown: str, root: str, patterns: Patterns) -> None:
        self._root = root
        self._patterns = patterns
        self._prefix = os.path.join(root, "")
        self._shown_prefix = os.path.join(shown, "")

    def found(self) -> Iterator[Found]:
        stack = [self._entered("", ())]
        while stack:
            folder = stack[-1]
            try:
                entry = next(folder.left, None)
            except OSError as why:
                stack.pop()
                yield Passed("rejected", self._unreadable(folder.below, why))
                continue
            if entry is None:
                stack.pop()
                continue
            name, kind = entry
            if kind == FILE and folder.takes_all and name[0] != ".":  # nearly always
                yield self._file(folder, name)
                continue
            passed = self._passed(folder, name, kind)
            if passed is not None:
                yield passed
            elif kind == FOLDER and name != IGNORE_FILE:
                if self._patterns.enters(f"{folder.below}{name}/"):
                    stack.append(self._entered(f"{folder.below}{name}/", folder.rules))
            elif kind == FILE and name != IGNORE_FILE and self._patterns.wants(folder.below + name):
                yield self._file(folder, name)

    def _file(self, folder: _Folder, name: str) -> SourceFile:
        # What stands before the name is looked at once for all files in a folder.
        shown = folder.shown + name if folder.printable and name.isprintable() else self._show(folder.below + name)
        return SourceFile(folder.path + name, name, self._root, folder.below, False, shown)

    def _entered(self, below: str, rules: tuple[Rules, ...]) -> _Folder:
        directory = self._prefix + below
        own = rules_in(directory, len(below))
        if own is not None:
            rules = (*rules, own)
        shown = self._shown_prefix + below
        takes_all = not rules and self._patterns.takes_all
        return _Folder(below, entries_of(directory), rules, directory, shown, shown.isprintable(), takes_all)

    def _passed(self, folder: _Folder, name: str, kind: str) -> Passed | None:
        """Return why an entry is passed over, unless it is a file or folder that may be wanted."""
        below = folder.below + name
        if name.startswith("."):
            if name == IGNORE_FILE:
                return None
            reject = Reject(self._show(below), "hidden", "its name begins with a dot", "rename it to import it")
            return Passed("ignored", reject)
        if folder.rules:
            rule = ignored_by(folder.rules, below + "/" if kind == FOLDER else below)
            if rule is not None:
                reject = Reject(self._show(below), "ignored", f"{printable(rule)} leaves it out", "change the rule")
                return Passed("ignored", reject)
        if kind in (FILE, FOLDER):
            return None
        if not self._patterns.wants(below):
            return None
        if kind == LINK:
            fix = "import what it points at, or remove it"
            return Passed("rejected", Reject(self._show(below), "link", "symbolic links are not followed", fix))
        return Passed("rejected", no_file(self._shown_prefix + below))

    def _show(self, below: str) -> str:
        return printable(self._shown_prefix + below)

    def _unreadable(self, below: str, why: OSError) -> Reject:
        message = f"the folder cannot be read: {why.strerror or why}"
        return Reject(self._show(below).rstrip("/"), "unreadable", message, "allow it")


def no_file(path: str) -> Reject:
    """Return why something that is neither a file nor a folder is refused."""
    return Reject(printable(path), "not-a-file", "it is a pipe, a socket or a device", "remove it from the folder")


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path on one line, with what a terminal cannot show escaped."""
    text = os.fspath(path)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
