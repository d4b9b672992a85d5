"""Which version of the user's code is running, as git knows it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path


def code_head() -> str | None:
    """Return the commit of the git repository around the working directory, or around the running script.

    None where there is no repository, no commit in it, or no git.
    """
    return next(filter(None, map(_head_of, _places())), None)


def code_head_or_warning(*, stacklevel: int) -> str | None:
    """Return `code_head`, with a RuntimeWarning if there is none."""
    head = code_head()
    if head is None:
        message = "The code is under no git repository with a commit: experiment_id is made of x."
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel + 1)
    return head


def is_dirty() -> bool:
    """Whether files that git knows differ from the commit that `code_head` returns."""
    place = next(filter(_head_of, _places()), None)
    return place is not None and bool(_git(place, "status", "--porcelain", "--untracked-files=no"))


def _places() -> list[Path]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return [Path.cwd(), *([Path(script).resolve().parent] if script else [])]


def _head_of(place: Path) -> str | None:
    return _git(place, "rev-parse", "--verify", "--quiet", "HEAD")


def _git(place: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - words of our own
            ["git", *words],  # noqa: S607 - whichever git the user has
            cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
