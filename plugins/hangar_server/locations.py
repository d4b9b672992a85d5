"""Where a server keeps what it has, below the directory in which it is started."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = ".hangar-server"
_ACCESS: Final = "access.json"


def access_file(directory: Path, named: str | None = None) -> Path:
    """Return where tokens and users of the server in a directory are kept, unless a file was named for them."""
    return directory / (named or Path(FOLDER, _ACCESS))
