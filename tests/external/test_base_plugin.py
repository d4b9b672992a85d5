"""What every plugin inherits: the facts it states, the documented names, and options with a type."""

from __future__ import annotations

from pathlib import Path

import pytest

from hangar_core.external import BasePlugin, InvalidInput


class Plain(BasePlugin):
    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["ext", "Nii.gz"])


def test_provides_and_accepts_can_be_read_as_they_were_given():
    assert Plain().provides == ["load", "save", "show", "board_show"]
    assert Plain().accepts == ["ext", "Nii.gz"]


@pytest.mark.parametrize(
    ("provides", "accepts"),
    [
        ([], ["ext"]),
        (None, ["ext"]),
        (["load"], []),
        (["load"], None),
        (["load"], "ext"),
        (["load"], ["."]),
        (["fly"], ["x"]),
    ],
)
def test_empty_or_unknown_facts_are_a_value_error(provides, accepts):
    with pytest.raises(ValueError, match=r"provides|accepts"):
        BasePlugin(provides, accepts)


@pytest.mark.parametrize(
    "call",
    [
        lambda plugin: plugin.load("x.ext"),
        lambda plugin: plugin.save(1, ".", "str:x", "ext"),
        lambda plugin: plugin.show(1),
        lambda plugin: plugin.board_show(1),
    ],
)
def test_methods_that_are_not_overridden_are_not_implemented(call):
    with pytest.raises(NotImplementedError, match="Plain does not implement"):
        call(Plain())


def test_a_plugin_without_description_wants_no_options_back(tmp_path):
    assert Plain().describe(tmp_path / "x.ext") == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [("/path/to/myfile.ext", "myfile"), ("a.ext.bz2", "a.ext"), (Path("noext"), "noext"), (".hidden", ".hidden")],
)
def test_sample_name_is_the_file_name_without_its_last_extension(path, name):
    assert BasePlugin.sample_name(path) == name


def test_the_accepted_extension_is_the_longest_tail_that_fits():
    assert Plain().accepted_extension(".v2.NII.GZ") == "nii.gz"
    with pytest.raises(InvalidInput, match=r"has no format `gz`, only ext, nii\.gz"):
        Plain().accepted_extension("gz")


def test_an_unknown_option_is_refused_with_the_known_ones_and_a_suggestion():
    with pytest.raises(InvalidInput, match="it knows lossless, quality") as caught:
        Plain().read_options({"qualty": "3"}, "quality", "lossless")
    assert "has no option `qualty`" in str(caught.value)
    assert caught.value.hint == "did you mean `quality`?"
    assert caught.value.option == "qualty"


def test_options_come_with_their_type_from_text_or_from_python():
    read = Plain().read_options({"a": "Yes", "b": True, "c": " 12 ", "d": 12, "e": "rgb"}, "a", "b", "c", "d", "e", "f")
    assert [read.yes_no("a", default=False), read.yes_no("b", default=False), read.yes_no("f", default=True)] == [
        True
    ] * 3
    assert [read.integer("c", 0, 1, 20), read.integer("d", 0, 1, 20), read.integer("f", 7, 1, 20)] == [12, 12, 7]
    assert [read.choice("e", ("L", "RGB")), read.choice("f", ("L",)), read.text("f")] == ["RGB", None, None]


@pytest.mark.parametrize(
    ("use", "rule"),
    [
        (lambda read: read.yes_no("x", default=True), "is yes or no, not `40`"),
        (lambda read: read.integer("x", 1, 1, 39), "whole number from 1 to 39, not `40`"),
        (lambda read: read.integer("y", 1, 1, 39), "whole number from 1 to 39, not `many`"),
        (lambda read: read.choice("y", ("any", "none")), "is one of any, none, not `many`"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_the_rule(use, rule):
    with pytest.raises(InvalidInput, match=rule) as caught:
        use(Plain().read_options({"x": "40", "y": "many"}, "x", "y"))
    assert caught.value.option in {"x", "y"}
