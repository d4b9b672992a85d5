"""The plugins of this process: what is installed, what is allowed, who is chosen.

The order of choice is in `choosing`. A plugin is imported on first need; one that cannot be used is listed as broken
with its reason, and is an error only for whoever asks for it by name.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Iterator

from hangar_core.errors import InvalidInput, MethodNotProvided, NoPluginFor, PluginBroken, PluginNotFound
from hangar_core.external.base_plugin import METHODS, BasePlugin
from hangar_core.external.choosing import Choice, Fitting, choices_by_content, choices_by_extension, extension_of
from hangar_core.external.discovery import Candidate, Origin, check_plugin, find_candidates
from hangar_core.external.entries import PluginEntry, entry_of, unused_entry
from hangar_core.external.facts import PluginFacts
from hangar_core.external.facts_cache import FactsCache
from hangar_core.external.preferences import preferences
from hangar_core.external.slots import Slot
from hangar_core.external.surroundings import ALLOWED, allowed_plugins

_log = logging.getLogger(__name__)

# What `register` was given. One for the process, as with codecs: a plugin is registered for all that follows.
_registered: dict[str, Slot] = {}


class PluginManager:
    """The plugins of this process. Reads what is installed at first need and keeps it; `refresh` forgets it."""

    def __init__(self) -> None:
        self._installed: dict[str, Slot] | None = None
        self._shadowed: list[Candidate] = []
        self._forbidden: list[Candidate] = []
        self._cache = FactsCache()
        self._decided: dict[tuple[object, ...], Choice] = {}
        self._ties_told: set[tuple[str, str]] = set()

    def get(self, name: str) -> BasePlugin:
        """Return the plugin of that name. Raises `PluginNotFound`, or `PluginBroken` with the reason."""
        plugin = self._slot(name).plugin(self._cache)
        self._cache.write()
        return plugin

    def facts(self, name: str) -> PluginFacts:
        """Return the facts of a plugin, without importing it if they are known. Raises what `get` raises."""
        found = self._slot(name).facts(self._cache)
        self._cache.write()
        if found is None:
            self.get(name)  # raises
            raise AssertionError(name)
        return found

    def known(self) -> dict[str, PluginFacts]:
        """Return the facts of all plugins that work, by name. Imports only those of which they are not known."""
        found = {slot.name: facts for slot, facts in self._working()}
        self._cache.write()
        return found

    def choose(self, method: str, plugin: str | None = None, extension: str | None = None) -> BasePlugin:
        """Return the plugin for `method`: the one named, else the first for `extension` (``.ext`` and ``ext`` alike).

        Raises `InvalidInput` if neither is given, `MethodNotProvided` if the one named cannot do it, `NoPluginFor` if
        none accepts the extension, and what `get` raises.
        """
        if plugin:
            return self._named(method, plugin)
        if extension is None:
            raise InvalidInput("Give the name of a plugin or a file extension: neither was given.")
        return self._decide(method, extension).slot.plugin(self._cache)

    def match(self, filename: str | os.PathLike[str], method: str = "load") -> tuple[BasePlugin, str]:
        """Return the plugin for a file and the extension by which it was found, in lower case.

        The extension is everything after the first dot of the name; if no plugin has ``ext.bz2``, ``bz2`` is tried. The
        file is opened only if nobody has an extension of it: then its first bytes decide. Raises `NoPluginFor`.
        """
        choice = self.explain(filename, method)
        return choice.slot.plugin(self._cache), choice.extension

    def explain(self, filename: str | os.PathLike[str], method: str = "load") -> Choice:
        """Return the same choice as `match` with its reason, and who else would have fitted. Raises `NoPluginFor`."""
        return self._decide(method, extension_of(filename), filename)

    def entries(self) -> list[PluginEntry]:
        """Return all that is installed or registered, ordered by name, the one in use first. Imports all."""
        slots = self._slots()
        for slot in slots.values():
            if slot.candidate is not None and slot.broken is None:
                try:
                    slot.plugin(self._cache)
                except PluginBroken:
                    continue  # listed with its reason
        self._cache.write()
        entries = [entry_of(slot, self._cache, self._choices) for slot in slots.values()]
        for lost in self._shadowed:
            entries.append(unused_entry(lost.name, lost.origin, "shadowed", _shadow(slots[lost.name])))
        for name, slot in (self._installed or {}).items():
            if name in _registered:
                entries.append(unused_entry(name, slot.origin, "shadowed", _shadow(_registered[name])))
        for barred in self._forbidden:
            entries.append(unused_entry(barred.name, barred.origin, "off", f"{ALLOWED} does not name it"))
        return sorted(entries, key=lambda entry: (entry.name, entry.state in ("shadowed", "off"), entry.distribution))

    def origin(self, name: str) -> Origin:
        """Return the distribution and version that the plugin comes with. Raises `PluginNotFound`."""
        return self._slot(name).origin

    def register(self, name: str, plugin: BasePlugin | Callable[[], BasePlugin]) -> None:
        """Add a plugin, or its class, to this process under `name`, before an installed one of that name.

        For notebooks and tests; worker processes that are not forked from this one do not have it. Raises
        `InvalidInput` for something that is no plugin.
        """
        made = plugin if isinstance(plugin, BasePlugin) else plugin()
        if not name:
            raise InvalidInput("a plugin needs a name.")
        check_plugin(made)
        _registered[name] = Slot.of(name, made)

    def unregister(self, name: str) -> None:
        """Take back `register`. Raises `PluginNotFound` if nothing was registered under `name`."""
        if _registered.pop(name, None) is None:
            raise PluginNotFound(name=name)

    def refresh(self) -> None:
        """Forget what is installed, so that the next use looks again."""
        self._installed = None
        self._shadowed, self._forbidden = [], []
        self._cache = FactsCache()
        self._decided.clear()

    # --- slots ------------------------------------------------------------------------------------------------------

    def _slots(self) -> dict[str, Slot]:
        if self._installed is None:
            installed: dict[str, Slot] = {}
            allowed = allowed_plugins()
            for candidate in find_candidates():  # ordered: the first of a name is the one to use
                if allowed is not None and candidate.name not in allowed:
                    self._forbidden.append(candidate)
                elif candidate.name in installed:
                    self._shadowed.append(candidate)
                else:
                    installed[candidate.name] = Slot(candidate.name, candidate.origin, candidate)
            self._installed = installed
        return {**self._installed, **_registered}

    def _slot(self, name: str) -> Slot:
        slots = self._slots()
        if name not in slots:
            if any(barred.name == name for barred in self._forbidden):
                raise PluginNotFound(name=name, hint=f"it is installed, but the variable {ALLOWED} does not name it")
            close = difflib.get_close_matches(name, slots, n=1)
            raise PluginNotFound(name=name, hint=f"did you mean `{close[0]}`?" if close else None)
        return slots[name]

    def _working(self) -> Iterator[Fitting]:
        for slot in self._slots().values():
            facts = slot.facts(self._cache)
            if facts is not None:  # else listed by `entries`; whoever did not ask for it is not disturbed
                yield slot, facts

    # --- choice -----------------------------------------------------------------------------------------------------

    def _named(self, method: str, name: str) -> BasePlugin:
        plugin = self.get(name)
        if method not in plugin.provides:
            raise MethodNotProvided(plugin=name, method=method, provides=", ".join(plugin.provides))
        return plugin

    def _choices(self, method: str, extension: str) -> Iterator[Choice]:
        return choices_by_extension(list(self._working()), method, extension, ())

    def _decide(self, method: str, extension: str, path: str | os.PathLike[str] | None = None) -> Choice:
        """Return the first choice whose plugin can be made."""
        if method not in METHODS:
            raise InvalidInput(f"`{method}` is nothing that plugins do; they do {', '.join(METHODS)}.")
        prefer = preferences()
        # An import asks for each file: what was decided for an extension stands as long as nothing it rests on changes.
        rests_on = (
            method, extension, tuple((whose, tuple(of.items())) for whose, of in prefer),
            tuple((name, id(slot)) for name, slot in _registered.items()),
        )  # fmt: skip
        if self._installed is not None and rests_on in self._decided:
            return self._decided[rests_on]
        working = list(self._working())
        choice = self._first_usable(choices_by_extension(working, method, extension, prefer))
        if choice is not None:
            self._decided[rests_on] = choice
        elif path is not None:
            choice = self._first_usable(choices_by_content(working, method, path))
        self._cache.write()
        if choice is None:
            raise NoPluginFor(extension=extension.lstrip(".") or "''", method=method, hint=self._hint_at_broken_ones())
        return choice

    def _first_usable(self, choices: Iterator[Choice]) -> Choice | None:
        for choice in choices:
            try:
                choice.slot.plugin(self._cache)
            except PluginBroken:
                continue  # it worked when its facts were read
            if choice.tie:
                self._tell_tie(choice)
            return choice
        return None

    def _tell_tie(self, choice: Choice) -> None:
        told = (choice.extension, choice.slot.name)
        if told not in self._ties_told:
            self._ties_told.add(told)
            _log.warning(
                "plugins %s and %s fit %s equally well; %s is used because its name comes first. "
                "`hangar plugins prefer %s NAME` decides.",
                choice.slot.name, choice.others[0], choice.extension, choice.slot.name, choice.extension,
            )  # fmt: skip

    def _hint_at_broken_ones(self) -> str | None:
        """Return what may be the reason why nobody knows a format: a plugin that cannot say what it accepts."""
        broken = [slot.broken for slot in self._slots().values() if slot.broken is not None]
        if not broken:
            return None
        said = "; ".join(f"plugin '{one.plugin}' is broken: {one.reason}" for one in broken)
        return f"{said}; see `hangar plugins list`"


def _shadow(winner: Slot) -> str:
    return f"the plugin '{winner.name}' ({winner.origin}) has the same name and comes first"
