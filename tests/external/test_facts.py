"""The facts of plugins in the user's cache: a choice by extension imports the plugin that is chosen, and no other."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from hangar_core.external import PluginManager
from hangar_core.external.declared import OptionSpec
from hangar_core.external.facts import PluginFacts, from_json, to_json


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hangar" / "plugins.json"


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.startswith("installed_")]:
        del sys.modules[name]


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("installed_")}


def test_the_second_choice_imports_one_plugin(install):
    for name in ("one", "two", "three"):
        install(f"{name}-dist", name, accepts=(name,))
    PluginManager().match("a.two")
    assert imported() == {"installed_one_dist", "installed_two_dist", "installed_three_dist"}
    forget_modules()
    assert PluginManager().match("a.two")[0].plugin_name == "two"
    assert imported() == {"installed_two_dist"}


def test_facts_are_known_without_an_import(install):
    install("one-dist", "one", accepts=("one",), priority=7)
    assert PluginManager().facts("one").priority == 7
    forget_modules()
    facts = PluginManager().facts("one")
    assert (facts.priority, facts.accepts, facts.version, facts.options) == (7, ("one",), "1", None)
    assert imported() == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 2, "plugins": {}}',
        b'{"version": 1, "plugins": 5}',
        b"\xff\xfe",
        b"[" * 100_000,
        "key",
        "facts",
        "types",
        "folder",
    ],
)
def test_a_damaged_cache_is_made_anew_and_nobody_notices(install, cache, content):
    install("one-dist", "one", accepts=("one",))
    PluginManager().match("a.one")
    good = cache.read_bytes()
    if isinstance(content, bytes):
        cache.write_bytes(content)
    elif content == "folder":
        cache.unlink()
        cache.mkdir()
    else:
        document = json.loads(good)
        for key, entry in document["plugins"].items():
            if content == "key":
                document["plugins"][key] = None
            elif content == "facts":
                entry["facts"] = {}
            else:
                entry["facts"]["accepts"] = "one"
        cache.write_text(json.dumps(document))
    forget_modules()
    assert PluginManager().match("a.one")[0].plugin_name == "one"
    if content != "folder":
        assert json.loads(cache.read_bytes()) == json.loads(good)


def test_another_version_of_a_distribution_is_looked_at_anew(install, tmp_path):
    install("one-dist", "one", accepts=("one",), version="1.0")
    PluginManager().match("a.one")
    forget_modules()
    site = tmp_path / "site" / "one-dist"
    (site / "one_dist-1.0.dist-info").rename(site / "one_dist-1.1.dist-info")
    metadata = site / "one_dist-1.1.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "1.1"))
    PluginManager().facts("one")
    assert imported() == {"installed_one_dist"}


def test_a_plugin_that_is_being_written_is_looked_at_anew_although_its_version_stays(install, tmp_path):
    install("one-dist", "one", accepts=("one",))
    PluginManager().match("a.one")
    forget_modules()
    module = tmp_path / "site" / "one-dist" / "installed_one_dist.py"
    module.write_text(module.read_text().replace("('one',)", "('other',)").replace("['one']", "['other', 'more']"))
    assert PluginManager().facts("one").accepts == ("other", "more")


def test_a_plugin_that_broke_since_its_facts_were_kept_gives_way_to_the_next(install, tmp_path):
    install("good-dist", "good", accepts=("one",), priority=10)
    install("best-dist", "best", "X = 1\n" + source("one"), priority=90)
    assert PluginManager().match("a.one")[0].plugin_name == "best"
    forget_modules()
    module = tmp_path / "site" / "best-dist" / "installed_best_dist.py"
    before = module.stat()
    module.write_text("X = 1/0\n".ljust(before.st_size))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    for cached in module.parent.glob("__pycache__/*"):
        cached.unlink()
    manager = PluginManager()
    assert manager.match("a.one")[0].plugin_name == "good"
    assert {entry.name: entry.state for entry in manager.entries()}["best"] == "broken"


def source(extension: str) -> str:
    return (
        "from hangar_core.external import BasePlugin\nclass Plugin(BasePlugin):\n    PRIORITY = 90\n"
        f"    def __init__(self): super().__init__(['load'], ['{extension}'])\n"
    )


def test_a_folder_that_cannot_be_written_is_no_error(install, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    install("one-dist", "one", accepts=("one",))
    assert PluginManager().match("a.one")[0].plugin_name == "one"


def test_facts_survive_the_way_through_json():
    facts = PluginFacts(
        version="7", api=1, priority=3, provides=("load", "save"), accepts=("Nii.gz", "nii"), extras=("save_many",),
        lossless=("nii",), tolerance=(("nii.gz", 0.5),), default_extension="nii", magic=(("nii", 344, b"n+1\0"),),
        options=(OptionSpec("level", "whole number", 0, "Level.", (0, 5), many=True, of=("load",)),), summary="Brains.",
    )  # fmt: skip
    assert from_json(json.loads(json.dumps(to_json(facts)))) == facts
