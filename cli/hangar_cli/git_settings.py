"""What git knows of the user, for those who have never told hangar."""

from __future__ import annotations

import shutil
import subprocess


def git_config(key: str) -> str | None:
    """Return a value of git's configuration, None without git or without the value."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 — fixed words, no shell
            [git, "config", "--get", key], capture_output=True, text=True, timeout=10, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # a git that does not work is as good as none
    return answer.stdout.strip() or None
