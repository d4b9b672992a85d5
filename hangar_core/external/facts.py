"""What is fixed about a plugin and can be known without importing it again: its facts, and their form in JSON.

They are read from the made plugin once and kept in the user's cache (`facts_cache`), so that choosing a plugin by
extension imports the one that is chosen and no other.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hangar_core.external.base_plugin import METHODS, BasePlugin, KeepsOriginals, KnowsForms, SavesMany
from hangar_core.external.declared import OptionSpec, specs_of

EXTRAS = ("save_many", "decode", "encode", "form_of")


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """The facts of one plugin. Extensions are in lower case without a leading dot.

    `options` is None if the plugin declares none and takes pairs; `magic` has (extension, offset, bytes) for each way
    in which such a file can begin.
    """

    version: str
    api: int
    priority: int
    provides: tuple[str, ...]
    accepts: tuple[str, ...]
    extras: tuple[str, ...] = ()
    lossless: tuple[str, ...] = ()
    tolerance: tuple[tuple[str, float], ...] = ()
    default_extension: str | None = None
    magic: tuple[tuple[str, int, bytes], ...] = ()
    options: tuple[OptionSpec, ...] | None = None
    summary: str = ""

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions as files are compared with them."""
        return tuple(extension.lower().lstrip(".") for extension in self.accepts)


def facts_of(plugin: BasePlugin) -> PluginFacts:
    """Return the facts of a plugin that `check_plugin` has let through."""
    keeps = isinstance(plugin, KeepsOriginals)
    extras = (isinstance(plugin, SavesMany), keeps, keeps, isinstance(plugin, KnowsForms))
    magic = [
        (extension.lower().lstrip("."), *((0, one) if isinstance(one, bytes) else one))
        for extension, several in plugin.MAGIC.items()
        for one in several
    ]
    return PluginFacts(
        version=str(plugin.VERSION),
        api=plugin.API_VERSION,
        priority=plugin.PRIORITY,
        provides=tuple(plugin.provides),
        accepts=tuple(plugin.accepts),
        extras=tuple(name for name, there in zip(EXTRAS, extras, strict=True) if there),
        lossless=tuple(plugin.LOSSLESS),
        tolerance=tuple((extension, float(limit)) for extension, limit in plugin.TOLERANCE.items()),
        default_extension=plugin.DEFAULT_EXTENSION,
        magic=tuple(magic),
        options=None if plugin.Options is None else specs_of(plugin.Options),
        summary=_first_line(type(plugin)),
    )


def to_json(facts: PluginFacts) -> dict[str, Any]:
    """Return the facts as values of JSON."""
    content = dataclasses.asdict(facts)
    content["magic"] = [[extension, offset, signature.hex()] for extension, offset, signature in facts.magic]
    return content


def from_json(content: Any) -> PluginFacts:
    """Return what `to_json` gave. Raises ValueError, KeyError or TypeError for anything that it cannot have given."""
    options = content["options"]
    facts = PluginFacts(
        version=_checked(content["version"], str),
        api=_checked(content["api"], int),
        priority=_checked(content["priority"], int),
        provides=_texts(content["provides"]),
        accepts=_texts(content["accepts"]),
        extras=_texts(content["extras"]),
        lossless=_texts(content["lossless"]),
        tolerance=tuple((_checked(name, str), float(limit)) for name, limit in content["tolerance"]),
        default_extension=None if content["default_extension"] is None else _checked(content["default_extension"], str),
        magic=tuple(
            (_checked(extension, str), _checked(offset, int), bytes.fromhex(signature))
            for extension, offset, signature in content["magic"]
        ),
        options=None if options is None else tuple(map(_option, options)),
        summary=_checked(content["summary"], str),
    )
    if not (facts.accepts and facts.provides and set(facts.provides) <= set(METHODS)):
        raise ValueError("a plugin accepts and provides something")
    return facts


def _option(content: Mapping[str, Any]) -> OptionSpec:
    values: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    for name in ("name", "kind", "help", "metavar"):
        _checked(values[name], str)
    return OptionSpec(**values)


def _texts(content: Any) -> tuple[str, ...]:
    return tuple(_checked(one, str) for one in _checked(content, list))


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _first_line(of: type) -> str:
    # Not `inspect.getdoc`: a class without a docstring would pass for `BasePlugin`.
    return (inspect.cleandoc(of.__dict__.get("__doc__") or "").splitlines() or [""])[0]
