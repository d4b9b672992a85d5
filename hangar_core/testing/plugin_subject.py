"""What the checks of a plugin look at: the plugin, files it reads, samples it writes; and how values are compared."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hangar_core import external
from hangar_core.external import BasePlugin, PluginFacts, plugin_manager

Pair = tuple[Any, str | int]


class Flaw(AssertionError):
    """What a plugin does and should not, in a sentence for its author."""


@dataclass(frozen=True)
class Subject:
    """A plugin under test. `samples` has, for an extension that is written, data that `save` takes.

    `files` are files that `load` reads. `folder` is an empty folder for whatever a check writes.
    """

    name: str
    folder: Path
    files: Sequence[Path] = ()
    samples: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    load_options: Mapping[str, Any] = field(default_factory=dict)
    save_options: Mapping[str, Any] = field(default_factory=dict)
    detects_truncation: bool = True
    import_seconds: float = 1.0

    @cached_property
    def plugin(self) -> BasePlugin:
        """The plugin itself. Raises `PluginNotFound`, `PluginBroken`."""
        return plugin_manager().get(self.name)

    @property
    def facts(self) -> PluginFacts:
        """What is fixed about it."""
        return plugin_manager().facts(self.name)

    @property
    def provides(self) -> frozenset[str]:
        """Its methods."""
        return frozenset(self.plugin.provides)

    def load(self, path: Path, **options: Any) -> Iterator[Pair]:
        """Yield what is in a file, through hangar's own door."""
        loaded = external.load(path, plugin=self.name, **{**self.load_options, **options})
        return iter([loaded]) if isinstance(loaded, tuple) else loaded

    def some_data(self) -> list[Any]:
        """Return a few samples, from `samples` or from the files."""
        given = [one for several in self.samples.values() for one in several]
        if given or "load" not in self.provides:
            return given[:8]
        pairs = itertools.chain.from_iterable(itertools.islice(self.load(path), 3) for path in self.files)
        return [each for data, _ in itertools.islice(pairs, 8) for each in _each(data)]

    def scratch(self, name: str) -> Path:
        """Return a new folder inside `folder`."""
        path = self.folder / name
        path.mkdir(parents=True)
        return path


def digest_of(pairs: Iterator[Pair]) -> str:
    """Return a digest of names and data, the same only if all of them are the same to the last bit."""
    told = hashlib.sha256()
    for data, name in pairs:
        told.update(f"{type(name).__name__}:{name}\n".encode("utf-8", "surrogatepass"))
        parts = sorted(data.items()) if isinstance(data, Mapping) else [("", data)]
        for arrayset, part in parts:
            told.update(f"{arrayset}:{_form(part)}\n".encode())
            told.update(_content(part))
    return told.hexdigest()


def same(one: Any, other: Any) -> bool:
    """Whether two samples are the same to the last bit."""
    return _form(one) == _form(other) and _content(one) == _content(other)


def difference(one: Any, other: Any) -> float:
    """Return the largest difference between two samples, infinite if they are not of one dtype and shape."""
    import numpy as np

    if same(one, other):
        return 0.0
    if not (hasattr(one, "dtype") and hasattr(other, "dtype")) or _form(one) != _form(other):
        return float("inf")
    apart = np.abs(np.asarray(one, "float64") - np.asarray(other, "float64"))
    return float(apart.max(initial=0.0)) if np.isfinite(apart).all() else float("inf")


def form(data: Any) -> str:
    """Return dtype and shape of a sample, or what it is, in words."""
    return _form(data)


def _each(data: Any) -> list[Any]:
    return list(data.values()) if isinstance(data, Mapping) else [data]


def _form(data: Any) -> str:
    return f"{data.dtype.str} {data.shape}" if hasattr(data, "dtype") else type(data).__name__


def _content(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    if isinstance(data, bytes):
        return data
    if not hasattr(data, "tobytes"):
        raise Flaw(f"load gives {type(data).__name__}: data are an array, str or bytes")
    return bytes(data.tobytes())
