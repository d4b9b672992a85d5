"""Which files below a folder are wanted: patterns of the command, and the `.hangarignore` files in the folders.

All patterns are those of a .gitignore: without a slash they match names at any depth, with one the path below the
folder of the file (or the folder given); `!` takes back, `/` at the end means folders only. A folder that is left out
is not entered.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hangar_core.errors import InvalidInput

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".hangarignore"
_LARGEST = 1 << 20


class Rules(NamedTuple):
    """The patterns in one `.hangarignore`; `depth` is the length of the path of its folder, below the folder given."""

    spec: GitIgnoreSpec
    depth: int
    source: str


class Patterns:
    """What `--include` and `--exclude` say. Without either nothing is loaded that could match them."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = _spec(include, "--include") if include else None
        self._exclude = _spec(exclude, "--exclude") if exclude else None

    @property
    def takes_all(self) -> bool:
        """Whether no file is left out."""
        return self._include is None and self._exclude is None

    def wants(self, path: str) -> bool:
        """Whether a file is wanted, by its path below the folder given."""
        if self._exclude is not None and self._exclude.match_file(path):
            return False
        return self._include is None or self._include.match_file(path)

    def enters(self, folder: str) -> bool:
        """Whether a folder (``a/b/``) is looked into."""
        return self._exclude is None or not self._exclude.match_file(folder)


def rules_in(directory: str, depth: int) -> Rules | None:
    """Return the rules in a folder's `.hangarignore`, if it has one. Raises `InvalidInput` for one that is no text."""
    path = os.path.join(directory, IGNORE_FILE)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InvalidInput(f"`{path}` is no file.", hint="remove it")
    except OSError:
        return None  # none, or a folder that cannot be entered, which its listing will say
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST)
    except (OSError, UnicodeDecodeError) as why:
        raise InvalidInput(f"`{path}` cannot be read: {why}", hint="mend or remove it") from why
    return Rules(_spec(text.splitlines(), path), depth, path)


def ignored_by(rules: Sequence[Rules], path: str) -> str | None:
    """Return the `.hangarignore` that leaves out a file or folder (``a/b/``), or None; the innermost rule decides."""
    for spec, depth, source in reversed(rules):
        found = spec.check_file(path[depth:]).include
        if found is not None:
            return source if found else None
    return None


def _spec(patterns: Sequence[str], source: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # most imports have no patterns

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as why:
        raise InvalidInput(f"a pattern of `{source}` cannot be understood: {why}") from why
