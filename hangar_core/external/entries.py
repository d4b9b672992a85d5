"""What a list of plugins says about each of them, the unusable ones included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hangar_core.external.choosing import Choice
from hangar_core.external.discovery import Origin
from hangar_core.external.facts_cache import FactsCache
from hangar_core.external.slots import Slot

_MISSING = re.compile(r"No module named '([A-Za-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """What is known of one installed plugin. `state` is "ok", "broken", "shadowed" or "off", with a `reason` unless ok.

    `version` is the distribution's, `plugin_version` the plugin's own; of a plugin that is not ok the latter, `api`,
    `provides` and `accepts` are unknown. In `conflicts` stand the extensions for which another plugin is chosen, in
    `ties` those for which nothing but a name decides between this plugin and another. Preferences are left out of both.
    """

    name: str
    distribution: str
    version: str
    bundled: bool
    state: str
    reason: str = ""
    plugin_version: str = ""
    api: int | None = None
    provides: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    ties: tuple[str, ...] = ()

    @property
    def fix(self) -> str:
        """The next thing to type, or to do, for a plugin that is not ok; empty if there is none."""
        missing = _MISSING.search(self.reason)
        if self.state == "broken" and missing is not None:
            return f"pip install {missing[1]}"
        if self.state == "broken" and "upgrade hangar-core" in self.reason:
            return "pip install --upgrade hangar-core"
        if self.state == "broken":
            return f"pip install --upgrade {self.distribution}, or ask its author"
        if self.state == "shadowed":
            return f"pip uninstall {self.distribution}"
        return ""


def entry_of(slot: Slot, cache: FactsCache, choices: Callable[[str, str], Iterator[Choice]]) -> PluginEntry:
    """Return the entry of a plugin that has its name for itself; `choices` gives who fits a method and extension."""
    origin = slot.origin
    facts = slot.facts(cache)
    if facts is None:
        assert slot.broken is not None
        return PluginEntry(slot.name, origin.distribution, origin.version, origin.bundled, "broken", slot.broken.reason)
    conflicts, ties = [], []
    for extension in facts.extensions:
        # Only choices for this very extension: its shorter tails are those of other formats.
        fitting = [
            [one for one in choices(method, extension) if one.extension == extension] for method in facts.provides
        ]
        if any(several[0].slot is not slot for several in fitting):
            conflicts.append(extension)
        if any(_tied(several, slot) for several in fitting):
            ties.append(extension)
    return PluginEntry(
        name=slot.name,
        distribution=origin.distribution,
        version=origin.version,
        bundled=origin.bundled,
        state="ok",
        plugin_version=facts.version,
        api=facts.api,
        provides=facts.provides,
        accepts=facts.accepts,
        conflicts=tuple(conflicts),
        ties=tuple(ties),
    )


def unused_entry(name: str, origin: Origin, state: str, reason: str) -> PluginEntry:
    """Return the entry of a plugin that is installed and not looked at."""
    return PluginEntry(name, origin.distribution, origin.version, origin.bundled, state, reason)


def _tied(several: list[Choice], slot: Slot) -> bool:
    """Whether the first of several choices is tied, and `slot` is one of those that tie with it."""
    for choice in several:
        if choice.slot is slot:
            return choice.tie or choice is not several[0]
        if not choice.tie:
            return False
    return False
