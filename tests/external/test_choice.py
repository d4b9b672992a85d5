"""Which plugin is used: the same one whatever the order of installation, and never disturbed by a broken one."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from hangar_core.errors import HangarError
from hangar_core.external import (
    BasePlugin,
    InvalidInput,
    MethodNotProvided,
    NoPluginFor,
    PluginBroken,
    PluginManager,
    PluginNotFound,
)

CLASS = "from hangar_core.external import BasePlugin\nclass Plugin(BasePlugin):\n"
BROKEN_SOURCES = {
    "import": ("import module_that_is_nowhere", "No module named 'module_that_is_nowhere'"),
    "raise": ("raise RuntimeError('bad\\nday')", "RuntimeError: bad day"),
    "exit": ("import sys\nsys.exit(3)", "it called sys.exit(3)"),
    "syntax": ("def", "SyntaxError"),
    "missing": ("", "Plugin"),
    "construct": ("class Plugin:\n    def __init__(self):\n        1 / 0", "ZeroDivisionError"),
    "foreign": ("class Plugin: pass", "not a subclass of hangar_core.external.BasePlugin"),
    "no-super": (
        CLASS + "    def __init__(self): pass",
        "super().__init__",
    ),
    "provides": (
        CLASS + "    def __init__(self): super().__init__(['fly'], ['ext'])",
        "`provides` names `fly`",
    ),
    "accepts": (
        CLASS + "    def __init__(self): super().__init__(['load'], None)",
        "`accepts` must be a list",
    ),
    "api": (
        CLASS + "    API_VERSION = 99\n    def __init__(self): super().__init__(['load'], ['ext'])",
        "it needs plugin API 99",
    ),
}


def chosen_for(filename: str) -> str:
    return PluginManager().match(filename)[0].plugin_name


@pytest.mark.parametrize("extension", ["csv", "tsv", "npy", "png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp"])
def test_bundled_plugins_are_found_by_their_entry_points(extension):
    plugin, found = PluginManager().match(f"folder.d/x.{extension.upper()}")
    assert found == extension
    assert extension in plugin.accepts


def test_the_longest_registered_suffix_wins(install):
    install("long-tail", "long", accepts=("ext.bz2",))
    install("short-tail", "short", accepts=("bz2",), priority=99)
    manager = PluginManager()
    assert [manager.match("a.ext.bz2")[0].plugin_name, manager.match("a.ext.bz2")[1]] == ["long", "ext.bz2"]
    assert [manager.match("a.v2.EXT.bz2")[0].plugin_name, manager.match("a.v2.EXT.bz2")[1]] == ["long", "ext.bz2"]
    assert [manager.match("a.other.bz2")[0].plugin_name, manager.match("a.other.bz2")[1]] == ["short", "bz2"]


def test_dots_inside_a_file_name_do_not_hide_its_extension():
    assert PluginManager().match("cat.v2.jpg")[1] == "jpg"
    assert PluginManager().match(".hidden.npy")[1] == "npy"


def test_a_plugin_is_passed_over_for_a_method_it_does_not_provide(install):
    install("writer-only", "writer", accepts=("npy",), provides=("save",), priority=99)
    manager = PluginManager()
    assert manager.choose("load", extension="npy").plugin_name == "npy"
    assert manager.choose("save", extension=".npy").plugin_name == "writer"


def test_choice_does_not_depend_on_the_order_of_installation(install, monkeypatch):
    install("zz-dist", "zeta", accepts=("ext",), priority=70)
    install("aa-dist", "alpha", accepts=("ext",), priority=60)
    install("mm-dist", "mu", accepts=("ext",), priority=70)
    path = list(sys.path)
    for order in itertools.permutations(path[:3]):
        monkeypatch.setattr(sys, "path", [*order, *path[3:]])
        assert chosen_for("a.ext") == "mu"


def test_priority_beats_bundled_and_bundled_beats_the_rest(install):
    install("aaa-npy", "aaa", accepts=("npy",))
    assert chosen_for("a.npy") == "npy"
    install("zzz-npy", "zzz", accepts=("npy",), priority=51)
    assert chosen_for("a.npy") == "zzz"


def test_the_plugin_named_is_used_whatever_the_extension(install):
    install("some-dist", "mine", accepts=("npy",), priority=1)
    assert PluginManager().choose("load", plugin="mine", extension="npy").plugin_name == "mine"


@pytest.mark.parametrize("kind", BROKEN_SOURCES)
def test_a_broken_plugin_disturbs_nobody_until_it_is_asked_for_by_name(install, kind):
    source, reason = BROKEN_SOURCES[kind]
    install("broken-dist", "broken", source, version="0.2")
    manager = PluginManager()
    assert manager.match("a.npy")[0].plugin_name == "npy"
    with pytest.raises(NoPluginFor):
        manager.match("a.ext")
    (entry,) = [entry for entry in manager.entries() if entry.name == "broken"]
    assert (entry.state, entry.distribution, entry.version) == ("broken", "broken-dist", "0.2")
    assert reason in entry.reason
    assert "\n" not in entry.reason
    for _ in range(2):
        with pytest.raises(PluginBroken, match=r"plugin 'broken' \(broken-dist 0\.2\) failed to load: "):
            manager.get("broken")


def test_ctrl_c_while_a_plugin_is_imported_is_not_taken_for_a_broken_plugin(install):
    install("slow-dist", "slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        PluginManager().get("slow")


def test_asking_for_one_plugin_by_name_imports_no_other(install):
    install("other-dist", "other", "raise RuntimeError")
    PluginManager().get("npy")
    assert "installed_other_dist" not in sys.modules


def test_bundled_wins_over_another_plugin_of_its_name_and_the_loser_is_listed(install, states):
    install("aaa-thief", "npy", accepts=("npy", "other"), priority=99)
    assert PluginManager().get("npy").accepts == ["npy"]
    assert states()["npy@hangar-core"] == "ok"
    assert states()["npy@aaa-thief"] == "shadowed"
    (loser,) = [entry for entry in PluginManager().entries() if entry.state == "shadowed"]
    assert "'npy' (hangar-core" in loser.reason


def test_of_two_strangers_with_one_name_the_first_distribution_by_name_wins(install, states):
    install("bbb", "twin")
    install("aaa", "twin")
    assert states()["twin@aaa"] == "ok"
    assert states()["twin@bbb"] == "shadowed"


def test_conflicts_name_the_extensions_that_another_plugin_gets(install):
    install("rival", "rival", accepts=("npy", "rival"))
    entries = {entry.name: entry for entry in PluginManager().entries()}
    assert entries["rival"].conflicts == ("npy",)
    assert entries["npy"].conflicts == ()
    assert entries["npy"].bundled
    assert not entries["rival"].bundled


def test_a_damaged_entry_point_file_of_a_stranger_hides_no_plugin(install, tmp_path, states):
    install("good-dist", "good")
    (tmp_path / "site" / "good-dist" / "damaged-1.dist-info").mkdir()
    (tmp_path / "site" / "good-dist" / "damaged-1.dist-info" / "entry_points.txt").write_text("[x]\nno equals sign\n")
    assert states()["good@good-dist"] == "ok"
    assert states()["npy@hangar-core"] == "ok"


@pytest.mark.parametrize(
    ("filename", "shown"),
    [("a.xyz", "xyz"), ("a.Ext.bz2", "Ext.bz2"), ("README", "''"), (".profile", "''"), ("dir.npy/plain", "''")],
)
def test_no_plugin_names_everything_after_the_first_dot(filename, shown):
    with pytest.raises(NoPluginFor) as caught:
        PluginManager().match(filename)
    assert str(caught.value) == f"No plugins found for the file extension {shown} that could do load"
    assert isinstance(caught.value, ValueError)


def test_unknown_name_is_a_value_error_with_a_suggestion():
    with pytest.raises(ValueError, match=r"^Plugin imgae not found$") as caught:
        PluginManager().get("imgae")
    assert isinstance(caught.value, PluginNotFound)
    assert caught.value.hint == "did you mean `image`?"


def test_a_method_that_the_named_plugin_lacks_is_a_runtime_error(install):
    install("loader-dist", "loader")
    with pytest.raises(RuntimeError, match="does not provide `save`, only load") as caught:
        PluginManager().choose("save", plugin="loader")
    assert isinstance(caught.value, MethodNotProvided)


def test_neither_plugin_nor_extension_is_a_value_error():
    with pytest.raises(ValueError, match="neither was given") as caught:
        PluginManager().choose("load")
    assert isinstance(caught.value, InvalidInput)


def test_a_registered_plugin_comes_before_an_installed_one_of_its_name(register, states):
    class Mine(BasePlugin):
        def __init__(self) -> None:
            super().__init__(provides=["load"], accepts=["mine"])

    mine = register("npy", Mine())
    assert PluginManager().get("npy") is mine
    assert PluginManager().match("a.mine")[0] is mine
    assert states()["npy@hangar-core"] == "shadowed"


def test_register_refuses_what_is_no_plugin():
    with pytest.raises(InvalidInput, match="not a subclass"):
        PluginManager().register("x", object)


def test_refresh_finds_what_was_installed_meanwhile(install):
    manager = PluginManager()
    with pytest.raises(HangarError):
        manager.get("late")
    install("late-dist", "late")
    manager.refresh()
    assert manager.get("late").plugin_name == "late"


LAZY = """
import sys
import hangar_core.external as external
before = set(sys.modules)
heavy = ("numpy", "PIL", "rich", "hangar_image", "hangar_csv", "hangar_npy", "importlib.metadata")
assert not before & set(heavy), before & set(heavy)
external.PluginManager().entries()
heavy = ("numpy", "PIL", "rich")
assert not set(sys.modules) & set(heavy), set(sys.modules) & set(heavy)
"""


def test_neither_the_contract_nor_a_bundled_plugin_imports_heavy_libraries(tmp_path: Path):
    done = subprocess.run([sys.executable, "-W", "error", "-c", LAZY], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_nobody_for_a_format_points_at_a_broken_plugin_that_may_have_been_for_it(install):
    with pytest.raises(NoPluginFor) as caught:
        PluginManager().match("a.ext")
    assert caught.value.hint is None
    install("broken-dist", "broken", "import module_that_is_nowhere")
    with pytest.raises(NoPluginFor) as caught:
        PluginManager().match("a.ext")
    assert caught.value.message == "No plugins found for the file extension ext that could do load"
    assert caught.value.hint == (
        "plugin 'broken' is broken: No module named 'module_that_is_nowhere'; see `hangar plugins list`"
    )
