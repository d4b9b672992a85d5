"""What decides beyond suffix and priority: preferences, content, the allow-list; and ties that nothing decides."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hangar_core.errors import CorruptRecord, NoPluginFor
from hangar_core.external import PluginManager, PluginNotFound, preferring, read_preferences, write_preference

MAGIC = """
from hangar_core.external import BasePlugin

class Plugin(BasePlugin):
    PRIORITY = {priority}
    MAGIC = {{"{extension}": ({signature!r},)}}

    def __init__(self):
        super().__init__(provides=["load"], accepts=["{extension}"])
"""


@pytest.fixture(autouse=True)
def users_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "hangar" / "plugins.json"


@pytest.fixture
def three(install):
    """Three plugins for `ext`, of which `best` wins without a preference; `tail` has the longer suffix."""
    install("best-dist", "best", accepts=("ext",), priority=90)
    install("mine-dist", "mine", accepts=("ext",), priority=10)
    install("ours-dist", "ours", accepts=("ext",), priority=20)
    install("tail-dist", "tail", accepts=("two.ext",), priority=99)


def test_the_repository_wins_over_the_user_and_the_user_over_everything_else(three, users_file, tmp_path):
    def found(name="a.two.EXT"):
        choice = PluginManager().explain(name)
        return choice.slot.name, choice.why

    assert found() == ("tail", "suffix two.ext, priority 99")
    write_preference(users_file, "ext", "mine")
    assert found() == ("mine", "user preference for ext")
    write_preference(tmp_path / "repository.json", "ext", "ours")
    with preferring(tmp_path / "repository.json"):
        assert found() == ("ours", "repository preference for ext")
        assert PluginManager().choose("load", extension="ext").plugin_name == "ours"
        write_preference(tmp_path / "repository.json", "ext", None)
        assert found() == ("mine", "user preference for ext")
    write_preference(users_file, "ext", None)
    assert found() == ("tail", "suffix two.ext, priority 99")


def test_a_preference_for_a_plugin_that_is_not_there_or_cannot_do_it_has_no_effect(three, users_file):
    for name in ("gone", "csv"):
        write_preference(users_file, "ext", name)
        for method in ("load", "save") if name == "gone" else ("save",):
            if method == "load":
                assert PluginManager().choose(method, extension="ext").plugin_name == "best"
            else:
                with pytest.raises(NoPluginFor):
                    PluginManager().choose(method, extension="ext")


def test_any_plugin_can_be_preferred_for_reading_an_extension_that_nobody_has(users_file):
    write_preference(users_file, "dat", "csv")
    assert PluginManager().explain("a.dat").slot.name == "csv"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 1}', '{"version": 2, "prefer": {}}', '{"version": 1, "prefer": {"a": 1}}']
)
def test_a_damaged_file_of_preferences_is_an_error_that_names_it(users_file, content):
    users_file.parent.mkdir(parents=True)
    users_file.write_text(content)
    with pytest.raises(CorruptRecord, match=r"plugins\.json"):
        PluginManager().match("a.npy")


def test_preferences_are_kept_with_what_is_there_already(tmp_path):
    path = tmp_path / "new" / "plugins.json"
    assert read_preferences(path) == {}
    write_preference(path, "b", "two")
    write_preference(path, "a", "one")
    assert read_preferences(path) == {"a": "one", "b": "two"}


# --- content ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def test_a_file_without_a_known_suffix_is_known_by_its_content(install, files):
    install("brain-dist", "brain", MAGIC.format(priority=50, extension="brn", signature=(344, b"brn\0")))
    scan = bytes(344) + b"brn\0"
    for name in ("scan", "scan.unknown", "scan.2026.11"):
        choice = PluginManager().explain(files(name, scan))
        assert (choice.slot.name, choice.extension) == ("brain", "brn")
        assert choice.why == "magic brn at 344, priority 50"
    assert PluginManager().match(files("picture", b"\x89PNG\r\n\x1a\n..."))[1] == "png"
    assert PluginManager().explain(files("wrong.npy", scan)).slot.name == "npy"  # a suffix that is known comes first


def test_among_plugins_that_know_the_content_priority_decides(install, files):
    install("low-dist", "aaa", MAGIC.format(priority=40, extension="low", signature=b"same"))
    install("high-dist", "zzz", MAGIC.format(priority=60, extension="high", signature=b"same"))
    choice = PluginManager().explain(files("x", b"same!"))
    assert (choice.slot.name, choice.extension, choice.others) == ("zzz", "high", ("aaa",))


@pytest.mark.parametrize("content", [b"", b"n", b"no magic at all"])
def test_nobody_knows_content_without_a_signature(files, content):
    with pytest.raises(NoPluginFor):
        PluginManager().match(files("x", content))


def test_what_is_no_file_has_no_content(tmp_path):
    for name in ("absent", "."):
        with pytest.raises(NoPluginFor):
            PluginManager().match(tmp_path / name)


# --- ties -------------------------------------------------------------------------------------------------------------


def test_a_tie_is_told_once_and_marked(install, caplog):
    install("one-dist", "one", accepts=("ext", "one"))
    install("two-dist", "two", accepts=("ext",))
    install("low-dist", "low", accepts=("ext",), priority=1)
    manager = PluginManager()
    with caplog.at_level(logging.WARNING, "hangar_core.external"):
        for number in range(3):
            assert manager.match(f"{number}.ext")[0].plugin_name == "one"
    [told] = [record.getMessage() for record in caplog.records]
    assert told == (
        "plugins one and two fit ext equally well; one is used because its name comes first. "
        "`hangar plugins prefer ext NAME` decides."
    )
    entries = {entry.name: entry for entry in manager.entries()}
    assert [entries[name].ties for name in ("one", "two", "low")] == [("ext",), ("ext",), ()]
    assert [entries[name].conflicts for name in ("one", "two", "low")] == [(), ("ext",), ("ext",)]


def test_a_preference_ends_a_tie(install, caplog, users_file):
    install("one-dist", "one", accepts=("ext",))
    install("two-dist", "two", accepts=("ext",))
    write_preference(users_file, "ext", "two")
    assert PluginManager().match("a.ext")[0].plugin_name == "two"
    assert caplog.records == []


# --- allow-list -------------------------------------------------------------------------------------------------------


def test_only_plugins_on_the_list_are_used_and_the_others_are_not_even_imported(install, monkeypatch, states):
    install("other-dist", "other", "raise SystemExit('imported')")
    monkeypatch.setenv("HANGAR_PLUGINS", "npy, csv")
    manager = PluginManager()
    assert manager.match("a.npy")[0].plugin_name == "npy"
    with pytest.raises(NoPluginFor):
        manager.match("a.png")
    with pytest.raises(PluginNotFound) as caught:
        manager.get("image")
    assert "HANGAR_PLUGINS" in caught.value.hint
    assert states()["other@other-dist"] == "off"
    assert [entry.name for entry in manager.entries() if entry.state == "ok"] == ["csv", "npy"]


def test_an_empty_list_allows_all(monkeypatch):
    monkeypatch.setenv("HANGAR_PLUGINS", "")
    assert PluginManager().match("a.png")[0].plugin_name == "image"
