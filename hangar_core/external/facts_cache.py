"""The facts of plugins on disk: one JSON file in the user's cache folder.

::

    {"version": 1,
     "plugins": {"hangar-pfm 0.3 hangar_pfm:HangarPfm": {"source": "...", "facts": {...}}, ...}}

The key is distribution, version and entry value. `source` is a digest of the sizes and times of the plugin's modules:
one that is being written (an editable installation) keeps its version while its facts change. Whatever cannot be read
or understood is as if it were not there, and is written anew; nothing but time depends on this file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.errors import HangarError
from hangar_core.external.facts import PluginFacts, from_json, to_json
from hangar_core.external.surroundings import cache_folder
from hangar_core.external.targets import atomic_file

if TYPE_CHECKING:
    from hangar_core.external.discovery import Candidate

VERSION = 1
_MAX_BYTES = 4 << 20
_MAX_ENTRIES = 500  # of all environments of a user together; the oldest are dropped

_log = logging.getLogger(__name__)


class FactsCache:
    """The file, read once. `write` stores what was learnt since."""

    def __init__(self) -> None:
        self._known: dict[str, Any] | None = None
        self._learnt: dict[str, Any] = {}

    def get(self, candidate: Candidate) -> PluginFacts | None:
        """Return the facts of a plugin as it is installed now, None if they are not known."""
        if self._known is None:
            self._known = _read()
        entry = self._learnt.get(_key(candidate)) or self._known.get(_key(candidate))
        try:
            return from_json(entry["facts"]) if entry and entry["source"] == _source(candidate) else None
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return None

    def learn(self, candidate: Candidate, facts: PluginFacts) -> None:
        """Keep the facts of a plugin that was just made."""
        try:
            content = json.loads(json.dumps({"source": _source(candidate), "facts": to_json(facts)}))
        except (ValueError, TypeError):  # a default that JSON does not have: such a plugin is imported each time
            return
        if self._known is None:
            self._known = _read()
        if self._known.get(_key(candidate)) != content:
            self._learnt[_key(candidate)] = content

    def write(self) -> None:
        """Store what was learnt, with what other processes have stored meanwhile. A folder that refuses is no error."""
        if not self._learnt:
            return
        merged = {**_read(), **self._learnt}
        self._learnt = {}
        self._known = dict(list(merged.items())[-_MAX_ENTRIES:])
        try:
            with atomic_file(_path()) as file:
                file.write(json.dumps({"version": VERSION, "plugins": self._known}).encode())
        except (HangarError, OSError) as why:
            _log.info("facts of plugins are not kept: %s", why)


def _path() -> Path:
    return cache_folder() / "plugins.json"


def _read() -> dict[str, Any]:
    try:
        with open(_path(), "rb") as file:
            content = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    match content:
        case {"version": int(version), "plugins": dict(plugins)} if version == VERSION:
            return {str(key): entry for key, entry in plugins.items()}
    return {}


def _key(candidate: Candidate) -> str:
    return f"{candidate.origin.distribution} {candidate.origin.version} {candidate.entry_point.value}"


def _source(candidate: Candidate) -> str:
    """Return a digest of the names, sizes and times of the modules beside the plugin's; imports nothing."""
    package = candidate.entry_point.value.partition(":")[0].partition(".")[0].strip()
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return ""
    if spec is None:
        return ""
    folders = spec.submodule_search_locations
    paths: Mapping[str, os.stat_result] = {}
    try:
        if folders is None:
            paths = {spec.origin: os.stat(spec.origin)} if spec.origin else {}
        else:
            entries = (entry for folder in folders for entry in os.scandir(folder))
            paths = {entry.path: entry.stat() for entry in entries if entry.name.endswith(".py")}
    except OSError:
        return ""
    told = json.dumps(sorted((path, found.st_size, found.st_mtime_ns) for path, found in paths.items()))
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
