"""Text as samples: .txt whole or line by line, .json, and .jsonl with a sample on each line."""

from hangar_text.json_plugin import HangarJson
from hangar_text.plugin import HangarText

__all__ = ["HangarJson", "HangarText"]
