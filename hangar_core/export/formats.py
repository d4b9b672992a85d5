"""Which plugin writes or shows samples, in which format, with which options.

Text and bytes need no plugin: without one they are written as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hangar_core import external
from hangar_core.errors import InvalidInput, MethodNotProvided, NoPluginFor, PluginNotFound
from hangar_core.export.samples import Described
from hangar_core.export.threads import usual_jobs
from hangar_core.model import SOURCE_EXTENSION, SOURCE_OPTION, SOURCE_PLUGIN, Schema

_AS_IT_IS = {"text": "txt", "bytes": "bin"}
_WIDEST_TABLE = 200  # columns; beyond, statistics say more


@dataclass(frozen=True, slots=True)
class Format:
    """How samples are written. Without a plugin their bytes are the file, text as UTF-8."""

    plugin: external.BasePlugin | None
    extension: str
    options: Mapping[str, Any]

    @property
    def plugin_name(self) -> str:
        """Name of the plugin, empty without one."""
        return self.plugin.plugin_name if self.plugin is not None else ""

    @property
    def usual_jobs(self) -> int:
        """How many files to write at once if nobody says: several only where the plugin says that it bears threads."""
        return usual_jobs() if self.plugin is None or self.plugin.RELEASES_GIL else 1

    @property
    def in_shared_files(self) -> bool:
        """Whether the plugin decides by itself which samples share a file."""
        return isinstance(self.plugin, external.SavesMany)

    @property
    def is_lossless(self) -> bool:
        """Whether reading the files gives every bit again."""
        return self.plugin is None or self.extension.lower() in self.plugin.LOSSLESS

    def options_for_reading(self) -> dict[str, Any]:
        """Return those options that say how files are written and have to be known to read them."""
        if self.plugin is None or self.plugin.Options is None:
            return {}
        known = external.specs_for(self.plugin.Options, "load")
        return {name: value for name, value in self.options.items() if name in known}


def format_for_export(
    aset: Described, plugin: str | None, extension: str | None, given: Mapping[str, Any], *, to_verify: bool = False
) -> Format:
    """Return the format: as asked for, else as recorded when the data came in, else by the kind of data.

    Raises `NoPluginFor`, `PluginNotFound`, `MethodNotProvided` (`to_verify`: also if the plugin cannot read), and
    `InvalidInput` for options where no plugin takes them.
    """
    wanted = extension.lstrip(".") if extension else None
    if _needs_no_plugin(aset, plugin, wanted, given):
        return Format(None, wanted or _AS_IT_IS[aset.schema.kind], {})
    chosen, suffix = _chosen(aset, plugin, wanted)
    if chosen is None:
        return Format(None, suffix, {})
    if to_verify and "load" not in chosen.provides:
        raise MethodNotProvided(plugin=chosen.plugin_name, method="load", provides=", ".join(chosen.provides))
    return Format(chosen, suffix, {**recorded_options(aset, chosen, "save"), **given})


class Formats:
    """The format of each sample: what was asked for, else that in which it came, else that of the arrayset."""

    def __init__(
        self, aset: Described, plugin: str | None, extension: str | None, given: Mapping[str, Any], *, to_verify: bool
    ) -> None:
        """See `format_for_export`."""
        self.asked = plugin is not None or bool(extension) or bool(given)
        self._aset = aset
        self._usual = partial(format_for_export, aset, plugin, extension, given, to_verify=to_verify)
        self._to_verify = to_verify
        self._default: Format | None = None
        self._known: dict[tuple[str, str], Format] = {}

    @property
    def default(self) -> Format:
        """The format of samples that came from nowhere. Raises as `format_for_export` does."""
        if self._default is None:
            self._default = self._usual()
        return self._default

    def of(self, plugin: str, extension: str) -> Format:
        """Return the format of a sample that a plugin has read from a file with that extension, both perhaps empty.

        Raises as `format_for_export` does.
        """
        if self.asked or not plugin or self._aset.schema.kind != "array":
            return self.default
        found = self._known.get((plugin, extension))
        if found is None:
            found = self._known[plugin, extension] = self._recorded(plugin, extension.lower()) or self.default
        return found

    def _recorded(self, name: str, extension: str) -> Format | None:
        """Return the format in which a sample came, None if its plugin does not write such files one by one."""
        if name == self._aset.options.get(SOURCE_PLUGIN):
            return None  # so does the rest of the arrayset
        try:
            plugin = external.plugin_manager().choose("save", name)
        except (PluginNotFound, MethodNotProvided):
            return None
        if isinstance(plugin, external.SavesMany) or (self._to_verify and "load" not in plugin.provides):
            return None
        return Format(plugin, _extension_for(plugin, extension), recorded_options(self._aset, plugin, "save"))


def plugins_for_view(
    aset: Described, shape: tuple[int, ...], plugin: str | None, extension: str | None
) -> Iterator[external.BasePlugin]:
    """Yield the plugins that may show a sample, best first: only the one asked for, or the recorded one and guesses.

    Raises `NoPluginFor`, `PluginNotFound`, `MethodNotProvided` for what was asked for.
    """
    manager = external.plugin_manager()
    if plugin is not None or extension:
        yield manager.choose("show", plugin, extension)
        return
    recorded = _recorded_plugin(aset, "show")
    if recorded is not None:
        yield recorded
    if aset.schema.kind != "array":
        return
    for guess in _to_show(Schema(aset.schema.dtype, shape)):
        try:
            yield manager.choose("show", None, guess)
        except NoPluginFor:
            continue


def recorded_options(aset: Described, plugin: external.BasePlugin, method: str) -> dict[str, str]:
    """Return the options that the plugin asked to have back, without those that its version of today does not know."""
    if aset.options.get(SOURCE_PLUGIN) != plugin.plugin_name:
        return {}
    recorded = {
        name.removeprefix(SOURCE_OPTION): value
        for name, value in aset.options.items()
        if name.startswith(SOURCE_OPTION)
    }
    if plugin.Options is None:
        return recorded
    known = external.specs_for(plugin.Options, method)
    return {name: value for name, value in recorded.items() if name in known}


def _needs_no_plugin(aset: Described, plugin: str | None, extension: str | None, given: Mapping[str, Any]) -> bool:
    kind = aset.schema.kind
    if kind == "array" or plugin is not None or SOURCE_PLUGIN in aset.options:
        return False
    if kind == "bytes":
        for option in given:
            raise InvalidInput(
                f"Samples of bytes are written as they are: no plugin is there to take `--{option}`.", option=option
            )
        return True
    return not given and extension in (None, "txt")


def _chosen(aset: Described, plugin: str | None, wanted: str | None) -> tuple[external.BasePlugin | None, str]:
    manager = external.plugin_manager()
    if plugin is not None or wanted:
        chosen = manager.choose("save", plugin, wanted)
        return chosen, wanted or _default_extension(chosen, aset)
    recorded = _recorded_plugin(aset, "save")
    if recorded is not None:
        return recorded, _default_extension(recorded, aset)
    if aset.schema.kind != "array":
        return None, _AS_IT_IS[aset.schema.kind]  # the plugin that read it is not here, and need not be
    for guess in _to_save(aset.schema):
        try:
            return manager.choose("save", None, guess), guess
        except NoPluginFor:
            continue
    raise NoPluginFor(extension="npy", method="save", hint="name a plugin with --plugin")


def _recorded_plugin(aset: Described, method: str) -> external.BasePlugin | None:
    recorded = aset.options.get(SOURCE_PLUGIN)
    try:
        return external.plugin_manager().choose(method, recorded) if recorded else None
    except (PluginNotFound, MethodNotProvided):
        return None  # it was installed where the import ran, or only reads; the kind of data still tells enough


def _to_save(schema: Schema) -> tuple[str, ...]:
    """Return formats for data of which nobody knows where they came from, best first."""
    return ("png", "npy") if _is_picture(schema) else ("npy",)


def _to_show(schema: Schema) -> tuple[str, ...]:
    """Return formats whose plugins may show such data, best first: a picture, a table, statistics."""
    if _is_picture(schema):
        return ("png", "npy")
    if len(schema.shape) == 2 and schema.dtype[1:2] in "biuf" and 0 < schema.shape[1] <= _WIDEST_TABLE:
        return ("csv", "npy")
    return ("npy",)


def _is_picture(schema: Schema) -> bool:
    shape = schema.shape
    flat = len(shape) == 2 or (len(shape) == 3 and shape[2] in {3, 4})
    return schema.dtype == "|u1" and flat and min(shape[:2]) > 1


def _default_extension(plugin: external.BasePlugin, aset: Described) -> str:
    return _extension_for(plugin, aset.options.get(SOURCE_EXTENSION, ""))


def _extension_for(plugin: external.BasePlugin, came_from: str) -> str:
    if came_from in plugin.LOSSLESS:
        return came_from
    return plugin.DEFAULT_EXTENSION or (plugin.LOSSLESS or tuple(plugin.accepts))[0]
