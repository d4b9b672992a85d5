"""Files out: samples become files through plugins, and one sample becomes something a terminal can show.

Everything is written into a folder of its own inside the target first, then moved file by file. A file that is in the
way with other content stops the export before anything is moved, unless overwriting was asked for.
"""

from __future__ import annotations

from hangar_core.export.exporting import ExportReceipt, export
from hangar_core.export.samples import Description
from hangar_core.export.verifying import Difference, Verification
from hangar_core.export.viewing import Source, View, beside, view, view_of

__all__ = [
    "Description",
    "Difference",
    "ExportReceipt",
    "Source",
    "Verification",
    "View",
    "beside",
    "export",
    "view",
    "view_of",
]
