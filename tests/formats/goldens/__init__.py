"""What the golden files hold: the values behind the bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[1] / "golden"


def load(name: str) -> dict[str, Any]:
    """Return the content of a golden file of vectors."""
    content: dict[str, Any] = json.loads((GOLDEN / name).read_text("utf-8"))
    return content
