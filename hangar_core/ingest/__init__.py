"""Files in: scan, plan, read, stage. What `hangar import` and scripts call; knows formats only through plugins.

The default policy is all or nothing: every file is decoded and checked before anything is staged, and if one is refused
the repository stays exactly as it was, with every offender listed. The policies `skip` and `quarantine` stage what is
good in batches. See docs/import.md.
"""

from __future__ import annotations

from hangar_core.ingest.engine import ingest
from hangar_core.ingest.options import ImportOptions, Limits
from hangar_core.ingest.report import Plan, Receipt, Reject
from hangar_core.ingest.sampling import plan

__all__ = ["ImportOptions", "Limits", "Plan", "Receipt", "Reject", "ingest", "plan"]
