"""load, save, show and board_show: a guest's result or one of hangar's errors, and nothing else."""

from __future__ import annotations

import pytest

from hangar_core import external
from hangar_core.errors import CorruptDataError
from hangar_core.external import BadFile, BasePlugin, PluginError, PluginManager


class Guest(BasePlugin):
    """Does what the test has put into it."""

    VERSION = "7"

    def __init__(self, **does):
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["guest"])
        self.does = does

    def load(self, fpath, *args, **options):
        return self.does["load"](fpath, **options)

    def save(self, arr, outdir, sample_detail, extension, *args, **options):
        return self.does["save"](arr, outdir, sample_detail, extension, **options)

    def show(self, arr, *args, **options):
        return self.does["show"](arr, **options)

    def board_show(self, arr, *args, **options):
        return self.does["board_show"](arr, **options)


def raising(error):
    def raises(*args, **options):
        raise error

    return raises


@pytest.fixture
def guest(register):
    return lambda **does: register("guest", Guest(**does))


def test_results_and_options_go_through_unchanged(guest):
    guest(
        load=lambda fpath, **options: ((fpath, options), "name"),
        save=lambda *arguments, **options: (arguments, options),
        show=lambda arr, **options: (arr, options),
        board_show=lambda arr, **options: ("text/plain", str((arr, options)).encode()),
    )
    assert external.load("x.guest", plugin="guest", a="1") == (("x.guest", {"a": "1"}), "name")
    assert external.load("x.guest", extension=".guest") == (("x.guest", {}), "name")
    assert external.save(5, "out", "str:x", ".guest", b="2") == ((5, "out", "str:x", "guest"), {"b": "2"})
    assert external.save(5, "out", "int:3", "", plugin="guest") == ((5, "out", "int:3", "guest"), {})
    assert external.show(5, extension="guest", c="3") == (5, {"c": "3"})
    assert external.board_show(5, plugin="guest") == ("text/plain", b"(5, {})")


@pytest.mark.parametrize("error", [OSError("cannot identify"), KeyError("x"), MemoryError(), SystemExit(2)])
def test_any_exception_of_a_plugin_names_it_and_the_file(guest, error):
    guest(load=raising(error), show=raising(error), save=raising(error), board_show=raising(error))
    for call in (
        lambda: external.load("dir/x.guest", plugin="guest"),
        lambda: external.save(1, "out", "str:dir/x.guest", "guest"),
    ):
        with pytest.raises(PluginError, match=r"plugin 'guest' \(registered by this process\) failed on") as caught:
            call()
        assert caught.value.plugin == "guest"
        assert caught.value.file.endswith("dir/x.guest")
        assert caught.value.__cause__ is error
        assert type(error).__name__ in caught.value.reason or "sys.exit" in caught.value.reason
    with pytest.raises(PluginError):
        external.show(1, extension="guest")
    with pytest.raises(PluginError):
        external.board_show(1, extension="guest")


def test_the_distribution_and_its_version_are_named(install):
    source = (
        "from hangar_core.external import BasePlugin\nclass Plugin(BasePlugin):\n"
        "    def __init__(self): super().__init__(['load'], ['sick'])\n"
        "    def load(self, fpath, **options): raise RuntimeError('oh')\n"
    )
    install("sick-dist", "sick", source, version="0.3")
    external.plugin_manager().refresh()
    try:
        with pytest.raises(PluginError, match=r"plugin 'sick' \(sick-dist 0\.3\) failed on `x`: RuntimeError: oh"):
            external.load("x", plugin="sick")
    finally:
        external.plugin_manager().refresh()


def test_a_bad_file_comes_out_as_it_is_with_the_plugin_added(guest):
    bad = external.bad_file("x.guest", code="truncated", reason="it ends early", fix="get it again")
    guest(load=raising(bad))
    with pytest.raises(BadFile) as caught:
        external.load("x.guest", plugin="guest")
    assert caught.value is bad
    assert (bad.plugin, bad.version, bad.code, bad.fix, str(bad)) == (
        "guest", "7", "truncated", "get it again", "x.guest: it ends early",
    )  # fmt: skip


def test_a_generator_is_lazy_and_its_late_failures_are_reported_too(guest):
    asked = []

    def rows(fpath, **options):
        for index in range(3):
            asked.append(index)
            if index == 2:
                raise ZeroDivisionError("late")
            yield index * 10, index

    guest(load=rows)
    pairs = external.load("x.guest", plugin="guest")
    assert asked == []
    assert [next(pairs), next(pairs)] == [(0, 0), (10, 1)]
    with pytest.raises(PluginError, match="ZeroDivisionError: late"):
        next(pairs)


def test_a_generator_that_is_left_half_way_is_closed(guest):
    closed = []

    def rows(fpath, **options):
        try:
            yield 1, 0
            yield 2, 1
        finally:
            closed.append(True)

    guest(load=rows)
    pairs = external.load("x.guest", plugin="guest")
    next(pairs)
    pairs.close()
    assert closed == [True]


@pytest.mark.parametrize("result", [None, 5, (1,), (1, 2.5), [(1, "a", "b")], iter([None])])
def test_load_must_give_pairs_of_data_and_name(guest, result):
    guest(load=lambda fpath, **options: result)
    with pytest.raises(PluginError, match="failed on `x`"):
        list(external.load("x", plugin="guest"))


@pytest.mark.parametrize("result", [("text/html", b"<script>"), ("image/svg+xml", b""), ("text/plain", "text"), None])
def test_the_board_gets_only_harmless_types(guest, result):
    guest(board_show=lambda arr, **options: result)
    with pytest.raises(PluginError):
        external.board_show(1, plugin="guest")


def test_save_many_writes_one_file_each_with_a_plugin_that_has_no_other_way(guest):
    saved = []
    guest(save=lambda arr, outdir, detail, extension, **options: saved.append((detail, arr)) or detail)
    written = external.save_many([(3, "a"), ("x/y", "b")], "out", "aset", "guest")
    assert written == ["int:3", "str:x/y"]
    assert saved == [("int:3", "a"), ("str:x/y", "b")]


def test_an_error_of_the_samples_is_not_blamed_on_the_plugin(guest):
    def samples():
        yield 1, "a"
        raise error

    guest(save=lambda *arguments, **options: None)
    for error in (CorruptDataError("damaged"), LookupError("a bug of ours")):
        with pytest.raises(type(error)) as caught:
            external.save_many(samples(), "out", "aset", "guest")
        assert caught.value is error


def test_a_provided_method_that_is_missing_is_the_plugins_failure(register):
    class Hollow(BasePlugin):
        def __init__(self):
            super().__init__(provides=["show"], accepts=["hollow"])

    register("hollow", Hollow())
    with pytest.raises(PluginError, match="Hollow does not implement `show`"):
        external.show(1, extension="hollow")


def test_the_documented_names_can_be_imported():
    assert {"BasePlugin", "PluginManager", "load", "save", "show", "board_show"} <= set(external.__all__)
    assert all(hasattr(external, name) for name in external.__all__)
    assert PluginManager().get("npy").API_VERSION == 1
