"""Options that a plugin declares: one place gives them their types, wherever they come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from hangar_core import external
from hangar_core.external import BasePlugin, InvalidInput, NoOptions, PluginManager, option, specs_for

ALL = ("load", "save", "show", "board_show")


@dataclass(frozen=True)
class Options:
    scale: float = option(1.0, help="Multiply.", minimum=0)
    count: int = option(3, help="How many.", minimum=1, maximum=9)
    order: Literal["rows", "columns"] = option("rows", help="Order.")
    level: Literal[0, 5] = option(0, help="Level.")
    flip: bool = option(False, help="Turn.", of="load")
    na: tuple[str, ...] = option((), help="Missing.", of=("load", "save"))
    title: str | None = option(None, help="Title.", of="show")


class Typed(BasePlugin):
    """Returns the options that it was called with."""

    Options = Options

    def __init__(self):
        super().__init__(provides=list(ALL), accepts=["typed"])

    def load(self, fpath, **options):
        return options, "name"

    def save(self, arr, outdir, sample_detail, extension, **options):
        return options

    def save_many(self, samples, outdir, arrayset, extension, **options):
        return [options]

    def show(self, arr, **options):
        return options

    def board_show(self, arr, **options):
        return "text/plain", " ".join(sorted(options)).encode()

    def describe(self, fpath, **options):
        return options

    def decode(self, data, **options):
        return options

    def encode(self, arr, extension, **options):
        return " ".join(sorted(options)).encode()


@pytest.fixture
def typed(register):
    return register("typed", Typed())


def loaded(**options):
    return external.load("x", plugin="typed", **options)[0]


def test_a_method_gets_each_of_its_options_with_its_type_and_the_default_for_what_is_not_given(typed):
    everywhere = {"scale": 1.0, "count": 3, "order": "rows", "level": 0}
    assert loaded() == everywhere | {"flip": False, "na": ()}
    assert loaded(scale="2.5", count=" 4 ", order="Columns", level="5", flip="yes", na="?") == {
        "scale": 2.5, "count": 4, "order": "columns", "level": 5, "flip": True, "na": ("?",),
    }  # fmt: skip
    assert external.show(1, plugin="typed", title="x") == everywhere | {"title": "x"}
    assert external.save(1, "out", "str:x", "typed", na=["a", "b"]) == everywhere | {"na": ("a", "b")}


def test_values_from_python_have_their_type_already(typed):
    given = loaded(scale=np.float32(0.5), count=np.int64(2), flip=True, na=("a", 7))
    assert (given["scale"], given["count"], given["flip"], given["na"]) == (0.5, 2, True, ("a", "7"))
    assert type(given["count"]) is int
    assert loaded(scale=None, count=None)["count"] == 3  # None is the same as not given


def test_methods_of_one_kind_take_the_same_options(typed):
    assert "flip" in external.describe("x", plugin="typed")
    assert external.decode(b"", plugin="typed")["flip"] is False
    assert external.encode(1, "typed", plugin="typed") == b"count level na order scale"
    assert list(external.save_many([], "out", "aset", "typed")[0]) == ["scale", "count", "order", "level", "na"]
    assert external.board_show(1, plugin="typed")[1] == b"count level order scale"
    assert list(specs_for(Options, "save_many")) == list(specs_for(Options, "save"))


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"scael": "1"}, "has no option `scael` here; it knows count, flip, level, na, order, scale", "`scale`"),
        ({"title": "x"}, "has no option `title` here", ""),
        ({"scale": "much"}, "option `scale` of plugin 'typed' is a number of at least 0, not `much`", ""),
        ({"scale": -0.5}, "at least 0, not `-0.5`", ""),
        ({"scale": "nan"}, "at least 0, not `nan`", ""),
        ({"count": "10"}, "whole number from 1 to 9, not `10`", ""),
        ({"count": 2.0}, "whole number from 1 to 9, not `2.0`", ""),
        ({"count": True}, "whole number from 1 to 9, not `True`", ""),
        ({"order": "colums"}, "one of rows, columns, not `colums`", "`columns`"),
        ({"level": "4"}, "one of 0, 5, not `4`", ""),
        ({"flip": "so-so"}, "yes or no, not `so-so`", ""),
        ({"na": [["a"]]}, "is text", ""),
    ],
)
def test_what_breaks_a_rule_is_refused_with_the_rule_the_option_and_a_suggestion(typed, given, message, hint):
    with pytest.raises(InvalidInput) as caught:
        loaded(**given)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert caught.value.option == next(iter(given))


def test_a_plugin_that_is_called_directly_reads_its_options_in_the_same_way(typed):
    given = typed.typed_options(Options, "load", {"count": "4"})
    assert (given.count, given.scale, given.title) == (4, 1.0, None)
    with pytest.raises(InvalidInput, match="plugin 'typed' has no option `rows`"):
        typed.typed_options(Options, "load", {"rows": "4"})


def test_no_options_means_that_none_is_taken(register):
    class Bare(Typed):
        Options = NoOptions

    register("typed", Bare())
    assert loaded() == {}
    with pytest.raises(InvalidInput, match="it knows none"):
        loaded(scale="1")


def test_without_declared_options_pairs_go_to_a_plugin_that_can_take_them(register):
    class Undeclared(Typed):
        Options = None

        def show(self, arr, gray=None):
            return gray

    register("typed", Undeclared())
    assert loaded(anything="x") == {"anything": "x"}
    assert external.show(1, plugin="typed", gray="yes") == "yes"
    with pytest.raises(InvalidInput, match="has no option `grey` here; it knows gray") as caught:
        external.show(1, plugin="typed", grey="yes")
    assert caught.value.hint == "did you mean `gray`?"


def declaring(**fields):
    """A plugin whose `Options` has these fields: name=(type, field)."""
    made = dataclasses.make_dataclass("Options", [(name, *field) for name, field in fields.items()])
    return type("Declaring", (Typed,), {"Options": made})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"x": (int,)}, "`x` has no default"),
        ({"x": (list[int], option(None, help="?"))}, "`x` has the type"),
        ({"x": (dict, option(None, help="?"))}, "`x` has the type"),
        ({"x": (int, option("many", help="?"))}, "whole number, not `many`"),
        ({"x": (int, option(9, help="?", maximum=5))}, "at most 5"),
        ({"x": (int, option(1, help="?", of="fly"))}, "it can be of load, save"),
        ({"outdir": (str, option("", help="?"))}, "`outdir` needs another name"),
        ({"Big": (str, option("", help="?"))}, "`Big` needs another name"),
    ],
)
def test_a_declaration_that_cannot_work_makes_the_plugin_unusable_with_its_reason(fields, reason):
    with pytest.raises(InvalidInput) as caught:
        PluginManager().register("declaring", declaring(**fields))
    assert reason in str(caught.value)


def test_options_must_be_a_dataclass():
    plain = type("Declaring", (Typed,), {"Options": type("Options", (), {"x": 1})})
    with pytest.raises(InvalidInput, match="not a dataclass"):
        PluginManager().register("declaring", plain)


@pytest.mark.parametrize(
    "magic",
    [{"typed": b"x"}, {"typed": (b"",)}, {"typed": ((-1, b"x"),)}, {"typed": ((4096, b"x"),)}, [b"x"], {1: (b"x",)}],
)
def test_signatures_that_cannot_be_looked_for_make_the_plugin_unusable(magic):
    with pytest.raises(InvalidInput, match="its MAGIC is"):
        PluginManager().register("typed", type("Signed", (Typed,), {"MAGIC": magic}))


def test_an_older_contract_is_refused_with_what_to_change():
    with pytest.raises(InvalidInput, match=r"written for plugin API 0, this hangar has 1: read docs/plugins\.md"):
        PluginManager().register("typed", type("Older", (Typed,), {"API_VERSION": 0}))


def test_originals_need_a_plugin_that_keeps_them():
    for call in (lambda: external.decode(b"", plugin="npy"), lambda: external.encode(1, "npy")):
        with pytest.raises(external.MethodNotProvided, match=r"plugin 'npy' does not provide `..code`"):
            call()


@pytest.mark.parametrize(
    ("data", "fine"), [({"left": 1, "right": "text"}, True), ("text", True), (b"bytes", True), ({1: 2}, False)]
)
def test_one_file_may_give_text_bytes_or_data_for_several_arraysets(register, data, fine):
    class Giving(Typed):
        def load(self, fpath, **options):
            yield data, "name"

    register("typed", Giving())
    if fine:
        assert list(external.load("x", plugin="typed")) == [(data, "name")]
    else:
        with pytest.raises(external.PluginError, match="mapping from the name of an arrayset"):
            list(external.load("x", plugin="typed"))
