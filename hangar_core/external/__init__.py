"""The plugin contract and the way to use plugins: what outsiders import, and all they need.

A plugin is a `BasePlugin` subclass that a distribution names in the entry-point group ``hangar.external.plugins``;
`PluginManager` finds it and `load`, `save`, `show` and `board_show` use it. Nothing here knows of repositories, and
importing this package imports neither a plugin nor numpy.
"""

from __future__ import annotations

from hangar_core.errors import (
    BadFile,
    InvalidData,
    InvalidInput,
    MethodNotProvided,
    NoPluginFor,
    PluginBroken,
    PluginError,
    PluginNotFound,
)
from hangar_core.external.base_plugin import BasePlugin, KeepsOriginals, KnowsForms, SavesMany
from hangar_core.external.calls import (
    board_show,
    checked_options,
    decode,
    describe,
    encode,
    form_of,
    load,
    outline_of,
    plugin_manager,
    save,
    save_many,
    show,
)
from hangar_core.external.choosing import Choice
from hangar_core.external.declared import NoOptions, OptionSpec, option, specs_for
from hangar_core.external.entries import PluginEntry
from hangar_core.external.facts import PluginFacts
from hangar_core.external.manager import PluginManager
from hangar_core.external.options import OptionReader
from hangar_core.external.outline import Field, Outline, OutlinesTables
from hangar_core.external.preferences import preferring, read_preferences, write_preference
from hangar_core.external.sources import bad_file, check_file, open_file
from hangar_core.external.surroundings import ALLOWED, allowed_plugins, preferences_file
from hangar_core.external.targets import AtomicFiles, atomic_file, file_of_row, parse_detail, target_name

__all__ = [
    "ALLOWED",
    "AtomicFiles",
    "BadFile",
    "BasePlugin",
    "Choice",
    "Field",
    "InvalidData",
    "InvalidInput",
    "KeepsOriginals",
    "KnowsForms",
    "MethodNotProvided",
    "NoOptions",
    "NoPluginFor",
    "OptionReader",
    "OptionSpec",
    "Outline",
    "OutlinesTables",
    "PluginBroken",
    "PluginEntry",
    "PluginError",
    "PluginFacts",
    "PluginManager",
    "PluginNotFound",
    "SavesMany",
    "allowed_plugins",
    "atomic_file",
    "bad_file",
    "board_show",
    "check_file",
    "checked_options",
    "decode",
    "describe",
    "encode",
    "file_of_row",
    "form_of",
    "load",
    "open_file",
    "option",
    "outline_of",
    "parse_detail",
    "plugin_manager",
    "preferences_file",
    "preferring",
    "read_preferences",
    "save",
    "save_many",
    "show",
    "specs_for",
    "target_name",
    "write_preference",
]
