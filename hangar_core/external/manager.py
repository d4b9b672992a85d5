"""Choosing a plugin: by name, or by file name in an order that no order of installation can change.

The order: the name given > the longest extension that a plugin is registered for > its PRIORITY > bundled plugins
before others > the name. A plugin is imported on first need; one that cannot be used is listed as broken with its
reason, and is an error only for whoever asks for it by name.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from hangar_core.errors import InvalidInput, MethodNotProvided, NoPluginFor, PluginBroken, PluginNotFound
from hangar_core.external.base_plugin import METHODS, BasePlugin, extension_tails
from hangar_core.external.discovery import Candidate, Origin, check_plugin, find_candidates, make_plugin


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """What is known of one installed plugin. `state` is "ok", "broken" or "shadowed", with a `reason` unless ok.

    `version` is the distribution's, `plugin_version` the plugin's own; of a plugin that is not ok the latter, `api`,
    `provides` and `accepts` are unknown. In `conflicts` stand the extensions for which another plugin is chosen.
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


class _Slot:
    """The place of one name: who is to fill it, and then the plugin, or the reason why there is none."""

    def __init__(self, name: str, origin: Origin, candidate: Candidate | None = None) -> None:
        self.name = name
        self.origin = origin
        self.candidate = candidate
        self.found: BasePlugin | None = None
        self.broken: PluginBroken | None = None

    def plugin(self) -> BasePlugin:
        """Return the plugin, importing it at the first call; raises `PluginBroken` at each call if that failed."""
        if self.found is None and self.broken is None and self.candidate is not None:
            try:
                self.found = make_plugin(self.candidate)
                self.found.plugin_name = self.name
            except PluginBroken as why:
                self.broken = why
        if self.found is None:
            assert self.broken is not None
            # A new error for each caller: raising one object twice would chain its tracebacks.
            raise PluginBroken(self.broken.message, **self.broken.facts) from self.broken.__cause__
        return self.found

    def rank(self) -> tuple[int, bool, str]:
        """Orders plugins that fit equally well, the one to use first."""
        return -self.plugin().PRIORITY, not self.origin.bundled, self.name


# What `register` was given. One for the process, as with codecs: a plugin is registered for all that follows.
_registered: dict[str, _Slot] = {}


class PluginManager:
    """The plugins of this process. Reads what is installed at first need and keeps it; `refresh` forgets it."""

    def __init__(self) -> None:
        self._installed: dict[str, _Slot] | None = None
        self._shadowed: list[Candidate] = []

    def get(self, name: str) -> BasePlugin:
        """Return the plugin of that name. Raises `PluginNotFound`, or `PluginBroken` with the reason."""
        return self._slot(name).plugin()

    def choose(self, method: str, plugin: str | None = None, extension: str | None = None) -> BasePlugin:
        """Return the plugin for `method`: the one named, else the first for `extension` (``.ext`` and ``ext`` alike).

        Raises `InvalidInput` if neither is given, `MethodNotProvided` if the one named cannot do it, `NoPluginFor` if
        none accepts the extension, and what `get` raises.
        """
        if plugin:
            return self._named(method, plugin)
        if extension is None:
            raise InvalidInput("Give the name of a plugin or a file extension: neither was given.")
        return self._by_extension(method, extension)[0]

    def match(self, filename: str | os.PathLike[str], method: str = "load") -> tuple[BasePlugin, str]:
        """Return the plugin for a file and the extension by which it was found, in lower case. The file is not opened.

        The extension is everything after the first dot of the name; if no plugin has ``ext.bz2``, ``bz2`` is tried.
        Raises `NoPluginFor`.
        """
        # A dot in front hides a file and begins no extension.
        extension = PurePath(filename).name.lstrip(".").partition(".")[2]
        return self._by_extension(method, extension)

    def entries(self) -> list[PluginEntry]:
        """Return all that is installed or registered, ordered by name, the one in use first. Imports all."""
        entries = [self._entry(slot) for slot in self._slots().values()]
        entries += [_shadowed_by(self._slots()[lost.name], lost.name, lost.origin) for lost in self._shadowed]
        for name, slot in (self._installed or {}).items():
            if name in _registered:
                entries.append(_shadowed_by(_registered[name], name, slot.origin))
        return sorted(entries, key=lambda entry: (entry.name, entry.state == "shadowed", entry.distribution))

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
        slot = _Slot(name, Origin())
        slot.found = made
        made.plugin_name = name
        _registered[name] = slot

    def unregister(self, name: str) -> None:
        """Take back `register`. Raises `PluginNotFound` if nothing was registered under `name`."""
        if _registered.pop(name, None) is None:
            raise PluginNotFound(name=name)

    def refresh(self) -> None:
        """Forget what is installed, so that the next use looks again."""
        self._installed = None
        self._shadowed = []

    def _slots(self) -> dict[str, _Slot]:
        if self._installed is None:
            installed: dict[str, _Slot] = {}
            for candidate in find_candidates():  # ordered: the first of a name is the one to use
                if candidate.name in installed:
                    self._shadowed.append(candidate)
                else:
                    installed[candidate.name] = _Slot(candidate.name, candidate.origin, candidate)
            self._installed = installed
        return {**self._installed, **_registered}

    def _slot(self, name: str) -> _Slot:
        slots = self._slots()
        if name not in slots:
            close = difflib.get_close_matches(name, slots, n=1)
            raise PluginNotFound(name=name, hint=f"did you mean `{close[0]}`?" if close else None)
        return slots[name]

    def _named(self, method: str, name: str) -> BasePlugin:
        plugin = self.get(name)
        if method not in plugin.provides:
            raise MethodNotProvided(plugin=name, method=method, provides=", ".join(plugin.provides))
        return plugin

    def _by_extension(self, method: str, extension: str) -> tuple[BasePlugin, str]:
        if method not in METHODS:
            raise InvalidInput(f"`{method}` is nothing that plugins do; they do {', '.join(METHODS)}.")
        for tail in extension_tails(extension):
            best = self._best(method, tail)
            if best is not None:
                return best.plugin(), tail
        raise NoPluginFor(extension=extension.lstrip(".") or "''", method=method, hint=self._hint_at_broken_ones())

    def _hint_at_broken_ones(self) -> str | None:
        """Return what may be the reason why nobody knows a format: a plugin that cannot say what it accepts."""
        broken = [slot.broken for slot in self._slots().values() if slot.broken is not None]
        if not broken:
            return None
        said = "; ".join(f"plugin '{one.plugin}' is broken: {one.reason}" for one in broken)
        return f"{said}; see `hangar plugins list`"

    def _best(self, method: str, extension: str) -> _Slot | None:
        fitting = [
            slot
            for slot in self._working()
            if method in slot.plugin().provides and extension in _extensions(slot.plugin())
        ]
        return min(fitting, key=_Slot.rank, default=None)

    def _working(self) -> Iterator[_Slot]:
        for slot in self._slots().values():
            try:
                slot.plugin()
            except PluginBroken:
                continue  # listed by `entries`; whoever did not ask for it is not disturbed
            yield slot

    def _entry(self, slot: _Slot) -> PluginEntry:
        origin = slot.origin
        try:
            plugin = slot.plugin()
        except PluginBroken as why:
            return PluginEntry(slot.name, origin.distribution, origin.version, origin.bundled, "broken", why.reason)
        conflicts = [
            extension
            for extension in _extensions(plugin)
            if any(self._best(method, extension) is not slot for method in plugin.provides)
        ]
        return PluginEntry(
            name=slot.name,
            distribution=origin.distribution,
            version=origin.version,
            bundled=origin.bundled,
            state="ok",
            plugin_version=str(plugin.VERSION),
            api=plugin.API_VERSION,
            provides=tuple(plugin.provides),
            accepts=tuple(plugin.accepts),
            conflicts=tuple(conflicts),
        )


def _extensions(plugin: BasePlugin) -> list[str]:
    return [extension.lower().lstrip(".") for extension in plugin.accepts]


def _shadowed_by(winner: _Slot, name: str, origin: Origin) -> PluginEntry:
    reason = f"the plugin '{winner.name}' ({winner.origin}) has the same name and comes first"
    return PluginEntry(name, origin.distribution, origin.version, origin.bundled, "shadowed", reason)
