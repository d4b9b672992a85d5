"""Backends: each passes the contract, and keeps its documented records and options."""

from __future__ import annotations

import sys
from pathlib import Path

# What test files share lies beside them; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parent))
