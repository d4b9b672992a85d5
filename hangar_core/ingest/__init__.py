"""Files in: walk, plan, decode, publish. What `hangar import` and scripts call; knows formats only through plugins.

The default policy is all or nothing: every file is decoded and checked before anything is staged, and if one is refused
the repository stays exactly as it was, with every offender listed.
"""

from __future__ import annotations

from hangar_core.ingest.engine import ingest
from hangar_core.ingest.report import Receipt, Reject

__all__ = ["Receipt", "Reject", "ingest"]
