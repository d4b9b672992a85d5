"""Distributions that exist for one test: a folder with metadata and modules, put on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from hangar_core.external import BasePlugin, PluginManager, plugin_manager

Install = Callable[..., None]

PLUGIN_SOURCE = """
from hangar_core.external import BasePlugin

class Plugin(BasePlugin):
    PRIORITY = {priority}

    def __init__(self):
        super().__init__(provides={provides!r}, accepts={accepts!r})

    def load(self, fpath, *args, **options):
        return "{module}", self.sample_name(fpath)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that installs one plugin under an entry-point name, as the only one of its distribution."""
    modules: list[str] = []

    def installed(
        distribution: str,
        name: str,
        source: str | None = None,
        *,
        accepts: tuple[str, ...] = ("ext",),
        provides: tuple[str, ...] = ("load",),
        priority: int = 50,
        version: str = "1.0",
    ) -> None:
        module = "installed_" + distribution.replace("-", "_").lower()
        site = tmp_path / "site" / distribution
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        entry_points = f"[hangar.external.plugins]\n{name} = {module}:Plugin\n"
        info.joinpath("entry_points.txt").write_text(entry_points)
        facts = {"module": module, "provides": list(provides), "accepts": list(accepts), "priority": priority}
        site.joinpath(f"{module}.py").write_text(PLUGIN_SOURCE.format(**facts) if source is None else source)
        monkeypatch.syspath_prepend(str(site))
        modules.append(module)

    yield installed
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def register() -> Iterator[Callable[[str, BasePlugin], BasePlugin]]:
    """A function that registers a plugin in this process until the test ends."""
    manager = plugin_manager()
    names: list[str] = []

    def registered(name: str, plugin: BasePlugin) -> BasePlugin:
        manager.register(name, plugin)
        names.append(name)
        return plugin

    yield registered
    for name in names:
        manager.unregister(name)


@pytest.fixture
def states() -> Callable[[], Mapping[str, str]]:
    """A function that returns name@distribution -> state of everything that is found now."""
    return lambda: {f"{entry.name}@{entry.distribution}": entry.state for entry in PluginManager().entries()}
