"""Options that a plugin declares, as options of `import`, `export` and `view`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Terminal

TYPED = """
from dataclasses import dataclass
import numpy as np
from hangar_core.external import BasePlugin, option

@dataclass(frozen=True)
class Options:
    count: int = option(1, of="load", minimum=1, maximum=5, help="How many values.")
    flip: bool = option(False, of="load", help="Turn it round.")
    add: tuple[float, ...] = option((), of="load", help="Add this.")
    wait: int = option(0, of="load", help="Has the name of an option of the command.")
    mark: str = option("*", of="show", help="What to draw.")

class Plugin(BasePlugin):
    Options = Options

    def __init__(self):
        super().__init__(provides=["load", "show"], accepts=["typed"])

    def load(self, fpath, **options):
        given = self.typed_options(Options, "load", options)
        values = np.arange(given.count) + sum(given.add) + given.wait
        return values[::-1].copy() if given.flip else values, self.sample_name(fpath)

    def show(self, arr, *, mark):
        return mark + str(arr.tolist())
"""

InstallPlugin = Callable[[str, str], None]


@pytest.fixture
def typed(hangar: Terminal, strangers_plugin: InstallPlugin) -> Terminal:
    strangers_plugin("typed", TYPED)
    (hangar.directory / "a.typed").write_text("x")
    return hangar


def test_the_help_lists_the_options_of_the_plugin_that_is_named_for_this_command(typed: Terminal) -> None:
    text = typed("import", "aset", "a.typed", "--plugin", "typed", "--help").stdout
    words = " ".join(text.split())
    assert "Options of plugin typed 1 (hangar-typed 0.3): --count N How many values. [1..5] [default: 1]" in words
    assert "--flip / --no-flip Turn it round." in words
    assert "--add X Add this. May be given several times." in words
    assert "--typed-wait N" in words
    assert "--mark" not in words
    assert "--mark TEXT" in typed("view", "aset", "a", "--plugin=typed", "--help").stdout
    assert "It has none here." in typed("export", "aset", "--plugin=npy", "--help").stdout
    assert "--plugin NAME --help" in typed("import", "--help").stdout


@pytest.mark.parametrize("named", [True, False])
def test_options_reach_the_plugin_with_their_type(typed: Terminal, named: bool) -> None:
    words = ["--count", "3", "--flip", "yes", "--add", "0.5"]
    typed("import", "aset", "a.typed", *words, *(["--plugin", "typed"] if named else []))
    typed("commit", "-m", "x")
    assert typed("view", "aset", "a", "--mark", "#", "--plugin", "typed").stdout.startswith("#[2.5, 1.5, 0.5]\n")
    assert typed("view", "aset", "a").stdout.startswith("*[2.5, 1.5, 0.5]\n")


def test_switches_repeated_options_and_names_that_the_command_has_itself(typed: Terminal) -> None:
    words = ["--flip", "--add", "1", "--add=2", "--typed-wait", "4", "--wait", "1", "--count=2"]
    typed("import", "aset", "a.typed", "--plugin", "typed", *words)
    typed("import", "aset", "a.typed", "--plugin", "typed", "--overwrite", "--flip", "--no-flip", *words[1:])
    typed("commit", "-m", "x")
    assert typed("view", "aset", "a").stdout.startswith("*[7.0, 8.0]\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--counttt", "3"], "No such option '--counttt'. Did you mean '--count'?"),
        (["--count", "9"], "whole number from 1 to 5, not `9`"),
        (["--count", "x"], "whole number from 1 to 5, not `x`"),
        (["--count"], "requires an argument"),
        (["--mark", "x"], "No such option '--mark'"),
        (["--plugn", "x"], "No such option '--plugn'. Did you mean '--plugin'?"),
    ],
)
def test_a_wrong_option_of_the_plugin_that_is_named_is_a_usage_error(
    typed: Terminal, words: list[str], text: str
) -> None:
    assert text in typed("import", "aset", "a.typed", "--plugin", "typed", *words, code=2).stderr
    assert typed.json("status")["clean"] is True


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--coount", "3"], "has no option `coount` here; it knows add, count, flip, wait. did you mean `count`?"),
        (["--count", "9"], "whole number from 1 to 5, not `9`"),
    ],
)
def test_a_wrong_option_of_the_plugin_that_is_chosen_is_a_usage_error_too(
    typed: Terminal, words: list[str], text: str
) -> None:
    assert text in typed("import", "aset", "a.typed", *words, code=2).stderr


@pytest.mark.parametrize(("switch", "first"), [("--flip", 1), ("--no-flip", 0)])
def test_a_switch_needs_no_value_although_no_plugin_is_named(typed: Terminal, switch: str, first: int) -> None:
    typed("import", "aset", "a.typed", switch, "--count", "2")
    typed("commit", "-m", "x")
    assert typed("view", "aset", "a").stdout.startswith(f"*[{first}, {1 - first}]\n")
    assert "--count VALUE" in typed("import", "aset", "a.typed", "--count", code=2).stderr


def test_the_plugin_that_is_named_last_counts_and_an_unknown_one_is_refused(typed: Terminal) -> None:
    assert "Options of plugin typed" in typed("import", "--plugin=csv", "--plugin", "typed", "--help").stdout
    assert typed("import", "a", "a.typed", "--plugin", "nope", code=1).stderr == "Error: Plugin nope not found\n"
