"""The place of one plugin in a manager: its facts, known from the cache or by making it, and the plugin itself.

A plugin is imported when its facts are not known, or when it is used. One that cannot be made is broken from then on.
"""

from __future__ import annotations

from hangar_core.errors import PluginBroken
from hangar_core.external.base_plugin import API_VERSION, BasePlugin
from hangar_core.external.discovery import Candidate, Origin, make_plugin
from hangar_core.external.facts import PluginFacts, facts_of
from hangar_core.external.facts_cache import FactsCache


class Slot:
    """The place of one name: who is to fill it, and then the plugin, or the reason why there is none."""

    def __init__(self, name: str, origin: Origin, candidate: Candidate | None = None) -> None:
        self.name = name
        self.origin = origin
        self.candidate = candidate
        self.broken: PluginBroken | None = None
        self._made: BasePlugin | None = None
        self._facts: PluginFacts | None = None

    @classmethod
    def of(cls, name: str, plugin: BasePlugin) -> Slot:
        """Return the place of a plugin that was registered by this process."""
        slot = cls(name, Origin())
        slot._fill(plugin)
        return slot

    def plugin(self, cache: FactsCache) -> BasePlugin:
        """Return the plugin, importing it at the first call; raises `PluginBroken` at each call if that failed."""
        if self._made is None and self.broken is None and self.candidate is not None:
            try:
                self._fill(make_plugin(self.candidate))
            except PluginBroken as why:
                self.broken = why
            else:
                assert self._facts is not None
                cache.learn(self.candidate, self._facts)
        if self._made is None:
            assert self.broken is not None
            # A new error for each caller: raising one object twice would chain its tracebacks.
            raise PluginBroken(self.broken.message, **self.broken.facts) from self.broken.__cause__
        return self._made

    def facts(self, cache: FactsCache) -> PluginFacts | None:
        """Return the facts, importing the plugin only if the cache does not know them; None if it is broken."""
        if self._facts is None and self.broken is None and self.candidate is not None:
            known = cache.get(self.candidate)
            if known is not None and known.api <= API_VERSION:
                self._facts = known
        if self._facts is None and self.broken is None:
            try:
                self.plugin(cache)
            except PluginBroken:
                return None
        return None if self.broken is not None else self._facts

    def _fill(self, plugin: BasePlugin) -> None:
        plugin.plugin_name = self.name
        self._made = plugin
        self._facts = facts_of(plugin)
