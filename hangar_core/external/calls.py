"""Using plugins: choose one, call it, and let nothing out but its result or an error of hangar's own."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from hangar_core.errors import BadFile, HangarError, MethodNotProvided, PluginError
from hangar_core.external.base_plugin import BasePlugin, KeepsOriginals, Loaded, SampleData, SavesMany
from hangar_core.external.declared import specs_for, typed_values, unknown_option
from hangar_core.external.discovery import reason_of
from hangar_core.external.manager import PluginManager
from hangar_core.external.outline import Outline, OutlinesTables
from hangar_core.model import SampleKey

BOARD_TYPES = ("image/png", "image/jpeg", "text/plain", "text/csv", "audio/wav", "application/json")


@functools.cache
def plugin_manager() -> PluginManager:
    """Return the manager that the functions here share, so that what is installed is read once per process."""
    return PluginManager()


def load(
    fpath: str | os.PathLike[str], plugin: str | None = None, extension: str | None = None, **plugin_kwargs: Any
) -> Loaded:
    """Load the file at `fpath`: ``(array, name)``, or a lazy iterator of such pairs if it holds many samples.

    Args:
        fpath: the file.
        plugin: name of the plugin to use; cannot be None if `extension` is None too.
        extension: chooses the plugin when none is named; ``.ext`` and ``ext`` mean the same.
        **plugin_kwargs: options of the plugin.

    Raises:
        BadFile: the file is not what it should be. From an iterator it may come later, at the bad sample.
        PluginError: the plugin failed.
        InvalidInput: neither plugin nor extension given, or an option it does not have.
        PluginNotFound, PluginBroken, NoPluginFor, MethodNotProvided: there is no such plugin.
    """
    chosen = plugin_manager().choose("load", plugin, extension)
    options = checked_options(chosen, "load", plugin_kwargs)
    with _blaming(chosen, fpath):
        loaded = chosen.load(fpath, **options)
        if isinstance(loaded, Iterator | list):
            return _each_pair(chosen, fpath, iter(loaded))
        return _checked_pair(loaded)


def save(
    arr: SampleData,
    outdir: str | os.PathLike[str],
    sample_det: str,
    extension: str,
    plugin: str | None = None,
    **plugin_kwargs: Any,
) -> Any:
    """Write one sample into the folder `outdir` and return what the plugin returns: the path, for those of hangar.

    Args:
        arr: the data.
        outdir: the target folder; nothing is written outside of it.
        sample_det: type and name of the sample, ``str:NAME`` or ``int:NUMBER``.
        extension: the format; chooses the plugin when none is named. Empty: the default format of the plugin.
        plugin: name of the plugin to use.
        **plugin_kwargs: options of the plugin.

    Raises:
        InvalidData: the format cannot hold such data.
        InvalidInput, InvalidName: `sample_det`, an option or the extension is wrong, or leads out of `outdir`.
        StorageFailed: the operating system refused.
        PluginError, PluginNotFound, PluginBroken, NoPluginFor, MethodNotProvided: as in `load`.
    """
    chosen = plugin_manager().choose("save", plugin, extension)
    options = checked_options(chosen, "save", plugin_kwargs)
    with _blaming(chosen, sample_det):
        return chosen.save(arr, outdir, sample_det, extension.lstrip(".") or _default_extension(chosen), **options)


def save_many(
    samples: Iterable[tuple[SampleKey, SampleData]],
    outdir: str | os.PathLike[str],
    arrayset: str,
    extension: str,
    plugin: str | None = None,
    **plugin_kwargs: Any,
) -> list[Path]:
    """Write all `samples` (key and data) of an arrayset and return the paths written, in order.

    A plugin with `save_many` puts them into as few files as its format likes; for any other each sample is one file.
    An error that `samples` itself raises comes out as it is. Raises what `save` raises.
    """
    chosen = plugin_manager().choose("save", plugin, extension)
    extension = extension.lstrip(".") or _default_extension(chosen)
    options = checked_options(chosen, "save_many" if isinstance(chosen, SavesMany) else "save", plugin_kwargs)
    theirs: list[Exception] = []

    def passing() -> Iterator[tuple[SampleKey, SampleData]]:
        try:
            yield from samples
        except Exception as why:
            theirs.append(why)
            raise

    with _blaming(chosen, arrayset, but=theirs):
        if isinstance(chosen, SavesMany):
            return chosen.save_many(passing(), outdir, arrayset, extension, **options)
        return [
            chosen.save(data, outdir, f"{'int' if isinstance(key, int) else 'str'}:{key}", extension, **options)
            for key, data in passing()
        ]


def show(arr: SampleData, plugin: str | None = None, extension: str | None = None, **plugin_kwargs: Any) -> Any:
    """Return what the plugin shows for the data: something rich can print, text, or None if it drew by itself.

    Raises `InvalidData` for data it cannot draw, otherwise as `load`.
    """
    chosen = plugin_manager().choose("show", plugin, extension)
    options = checked_options(chosen, "show", plugin_kwargs)
    with _blaming(chosen, "the data to show"):
        return chosen.show(arr, **options)


def board_show(
    arr: SampleData, plugin: str | None = None, extension: str | None = None, **plugin_kwargs: Any
) -> tuple[str, bytes]:
    """Return ``(mime type, bytes)`` for a web page; the type is one of `BOARD_TYPES`, never markup or script.

    Raises `InvalidData` for data it cannot draw, otherwise as `load`.
    """
    chosen = plugin_manager().choose("board_show", plugin, extension)
    options = checked_options(chosen, "board_show", plugin_kwargs)
    with _blaming(chosen, "the data to show"):
        kind, content = chosen.board_show(arr, **options)
        if kind not in BOARD_TYPES or not isinstance(content, bytes):
            raise TypeError(f"board_show returned {kind!r}; it must return one of {', '.join(BOARD_TYPES)} with bytes")
        return kind, content


def describe(
    fpath: str | os.PathLike[str], plugin: str | None = None, extension: str | None = None, **plugin_kwargs: Any
) -> dict[str, str]:
    """Return the options that the plugin wants back when it saves or shows data that it loaded from this file."""
    chosen = plugin_manager().choose("load", plugin, extension)
    if type(chosen).describe is BasePlugin.describe:  # which wants nothing back
        return {}
    options = checked_options(chosen, "describe", plugin_kwargs)
    with _blaming(chosen, fpath):
        return {str(name): str(value) for name, value in chosen.describe(fpath, **options).items()}


def outline_of(fpath: str | os.PathLike[str], plugin: str, **plugin_kwargs: Any) -> Outline | None:
    """Return what is in a table, or None if the plugin cannot tell. Raises what `load` raises."""
    chosen = plugin_manager().choose("load", plugin)
    if not isinstance(chosen, OutlinesTables):
        return None
    options = checked_options(chosen, "load", plugin_kwargs)
    with _blaming(chosen, fpath):
        outline = chosen.outline(os.fspath(fpath), **options)
        if not isinstance(outline, Outline):
            raise TypeError(f"outline returned {type(outline).__name__}; it must return an Outline")
        return outline


def decode(
    data: bytes, plugin: str | None = None, extension: str | None = None, *, source: str = "", **plugin_kwargs: Any
) -> SampleData:
    """Return the only sample in the bytes of a file; `source` says in errors where they come from.

    Raises what `load` raises, and `MethodNotProvided` if the plugin does not keep originals.
    """
    chosen = plugin_manager().choose("load", plugin, extension)
    if not isinstance(chosen, KeepsOriginals):
        raise _does_not("decode", chosen)
    options = checked_options(chosen, "decode", plugin_kwargs)
    with _blaming(chosen, source or "the data to decode"):
        return chosen.decode(data, **options)


def form_of(data: bytes, plugin: str, *, source: str = "", **plugin_kwargs: Any) -> tuple[str, tuple[int, ...]] | None:
    """Return dtype and shape of what `decode` would give, from a look at the bytes; None if the plugin cannot tell.

    Raises what `load` raises.
    """
    chosen = plugin_manager().choose("load", plugin)
    look = getattr(chosen, "form_of", None)  # `KnowsForms`, whose check would take longer than the look
    if look is None:
        return None
    options = checked_options(chosen, "form_of", plugin_kwargs)
    with _blaming(chosen, source or "the data to look at"):
        dtype, shape = look(data, **options)
        return str(dtype), tuple(map(int, shape))


def encode(arr: SampleData, extension: str, plugin: str | None = None, **plugin_kwargs: Any) -> bytes:
    """Return the bytes of the file that `save` would write.

    Raises what `save` raises, and `MethodNotProvided` if the plugin does not keep originals.
    """
    chosen = plugin_manager().choose("save", plugin, extension)
    if not isinstance(chosen, KeepsOriginals):
        raise _does_not("encode", chosen)
    options = checked_options(chosen, "encode", plugin_kwargs)
    with _blaming(chosen, "the data to encode"):
        content = chosen.encode(arr, extension.lstrip(".") or _default_extension(chosen), **options)
        if not isinstance(content, bytes):
            raise TypeError(f"encode returned {type(content).__name__}; it must return bytes")
        return content


def checked_options(plugin: BasePlugin, method: str, given: Mapping[str, object]) -> dict[str, Any]:
    """Return the options for one call of a plugin: the one place that checks them, wherever they come from.

    With declared options each that `method` takes is in the result, with its type. Without, what was given goes through
    if the method can take it. Raises `InvalidInput` with the fact `option`, and a suggestion for a mistyped name.
    """
    who = f"plugin '{plugin.plugin_name}'"
    if plugin.Options is not None:
        return typed_values(specs_for(plugin.Options, method), given, who)
    known = _keywords(getattr(type(plugin), method)) if given else None
    for name in given:
        if known is not None and name not in known:
            raise unknown_option(name, known, who)
    return dict(given)


@functools.lru_cache(maxsize=256)
def _keywords(method: Any) -> tuple[str, ...] | None:
    """Return the names that a method takes as keyword arguments, beside what it is always given; None: any."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # not written in Python
        return None
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return tuple(one.name for one in parameters if one.default is not one.empty)


@contextmanager
def _blaming(plugin: BasePlugin, what: str | os.PathLike[str], but: list[Exception] | None = None) -> Iterator[None]:
    """Turn what a plugin should not raise into `PluginError`, and put its name into the errors it may raise."""
    name = plugin.plugin_name
    origin = plugin_manager().origin(name)
    try:
        yield
    except BadFile as why:
        why.facts.setdefault("plugin", name)
        why.facts.setdefault("version", str(plugin.VERSION))
        raise
    except HangarError:
        raise
    except (Exception, SystemExit) as why:  # a guest may raise anything
        if but and why is but[0]:
            raise
        file = os.fspath(what).encode("utf-8", "backslashreplace").decode()
        raise PluginError(plugin=name, version=str(origin), file=file, reason=reason_of(why)) from why


def _each_pair(
    plugin: BasePlugin, fpath: str | os.PathLike[str], pairs: Iterator[Any]
) -> Iterator[tuple[Any, SampleKey]]:
    # Closed with us, so that an import that stops half-way leaves no file open.
    closed_at_the_end = closing(pairs) if isinstance(pairs, Generator) else nullcontext()
    with closed_at_the_end, _blaming(plugin, fpath):
        # Rows come by the million: a pair that is made of the same types as one before it needs no closer look.
        kind: type | None = None
        named: type | None = None
        for pair in pairs:
            if type(pair) is tuple and len(pair) == 2 and type(pair[0]) is kind and type(pair[1]) is named:
                yield pair
                continue
            data, name = _checked_pair(pair)
            if not isinstance(data, Mapping):
                kind, named = type(data), type(name)
            yield data, name


def _checked_pair(pair: object) -> tuple[Any, SampleKey]:
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], str | int)):
        raise TypeError(f"load must give data and name, or a generator of such pairs, not {type(pair).__name__}")
    if isinstance(pair[0], Mapping) and not all(isinstance(arrayset, str) for arrayset in pair[0]):
        raise TypeError("data for several arraysets must be a mapping from the name of an arrayset to its data")
    return pair


def _does_not(method: str, plugin: BasePlugin) -> MethodNotProvided:
    return MethodNotProvided(plugin=plugin.plugin_name, method=method, provides=", ".join(plugin.provides))


def _default_extension(plugin: BasePlugin) -> str:
    return plugin.DEFAULT_EXTENSION or plugin.accepts[0]
