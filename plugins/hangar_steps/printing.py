"""`PrintStep`: shows what it is given."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from hangar_steps.registry import register
from hangar_steps.step import Step


@register("print")
class PrintStep(Step[str]):
    """Logs its input, or prints it where nobody listens to the log."""

    CACHEABLE: ClassVar[bool | None] = False

    def run(self, input: Any) -> str:  # noqa: A002 - the documented word
        """Return the text that was shown."""
        text = str(input)
        if self.logger.hasHandlers() and self.logger.isEnabledFor(logging.INFO):
            self.logger.info(text)
        else:
            print(text)  # noqa: T201 - its purpose
        return text
