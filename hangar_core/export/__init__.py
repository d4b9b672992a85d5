"""Files out: samples become files through plugins, and one sample becomes something a terminal can show.

Everything is written into a folder of its own inside the target first, then moved file by file. A file that is in the
way with other content stops the export before anything is moved, unless overwriting was asked for.
"""

from __future__ import annotations

from hangar_core.export.exporting import ExportReceipt, export
from hangar_core.export.viewing import View, view

__all__ = ["ExportReceipt", "View", "export", "view"]
