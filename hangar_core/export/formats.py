"""Which plugin writes or shows samples, in which format, with which options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hangar_core import external
from hangar_core.errors import MethodNotProvided, NoPluginFor, PluginNotFound
from hangar_core.export.samples import Samples
from hangar_core.model import SOURCE_EXTENSION, SOURCE_OPTION, SOURCE_PLUGIN, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray


def format_for(
    method: str, aset: Samples, plugin: str | None, extension: str | None, array: NDArray[Any] | None = None
) -> tuple[external.BasePlugin, str]:
    """Return plugin and extension: as asked for, else as recorded when the data came in, else by the kind of data."""
    manager = external.plugin_manager()
    wanted = extension.lstrip(".") if extension else None
    if plugin is not None or wanted:
        chosen = manager.choose(method, plugin, wanted)
        return chosen, wanted or _default_extension(chosen, aset)
    recorded = aset.options.get(SOURCE_PLUGIN)
    if recorded is not None:
        try:
            chosen = manager.choose(method, recorded)
            return chosen, _default_extension(chosen, aset)
        except (PluginNotFound, MethodNotProvided):
            pass  # it was installed where the import ran, or only reads; the kind of data still tells enough
    for guess in _guesses(aset.schema if array is None else Schema(array.dtype.str, array.shape)):
        try:
            chosen = manager.choose(method, None, guess)
        except NoPluginFor:
            continue
        return chosen, guess
    raise NoPluginFor(extension="npy", method=method, hint="name a plugin with --plugin")


def _guesses(schema: Schema) -> tuple[str, ...]:
    """Formats for data of which nobody knows where they came from, best first."""
    shape = schema.shape
    if schema.dtype == "|u1" and (len(shape) == 2 or (len(shape) == 3 and shape[2] in {3, 4})) and min(shape[:2]) > 1:
        return ("png", "npy")
    return ("npy",)


def _default_extension(plugin: external.BasePlugin, aset: Samples) -> str:
    came_from = aset.options.get(SOURCE_EXTENSION, "")
    if came_from in plugin.LOSSLESS:
        return came_from
    return plugin.DEFAULT_EXTENSION or (plugin.LOSSLESS or tuple(plugin.accepts))[0]


def recorded_options(aset: Samples, plugin: external.BasePlugin, method: str) -> dict[str, str]:
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
