"""Pictures pixel by pixel, in terminals that can: sixels, or kitty's protocol, through textual-image (extra ``view``).

Everywhere else, and where the package is not installed, pictures are half blocks.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

from hangar_cli.output import Drawing, on_terminal

if TYPE_CHECKING:
    from rich.console import Console


def draw_pixels(renderable: object, console: Console) -> bool:
    """Draw a picture pixel by pixel; return False, with nothing drawn, if it is none or the terminal cannot.

    The terminal is asked what it can, once, and answers through stdin.
    """
    if not (on_terminal() and sys.stdin.isatty()) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    if importlib.util.find_spec("textual_image") is None:
        return False
    from hangar_core.external.pictures import TerminalPicture

    if not isinstance(renderable, TerminalPicture):
        return False
    try:
        import textual_image.renderable as drawing  # this asks the terminal

        best: Any = drawing.Image
        if best not in (drawing.SixelImage, drawing.TGPImage):
            return False
        columns, rows = renderable.cells(console.width)
        segments = list(console.render(best(renderable.image(), width=columns, height=rows)))
    except Exception:
        # Terminals say the strangest things, and half blocks are always there. (One without a size divides by zero.)
        return False
    # Not escaped: it is made of pixels alone, no text of the data is in it.
    console.print(Drawing(segments), end="", soft_wrap=True)
    return True
