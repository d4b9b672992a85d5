"""Parameters: the hash says what matters, and the dry run says why."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core.errors import NotHashable, WrongType
from hangar_steps import ExperimentParameters, set_hash_functions


@dataclass
class Nested:
    x: int = 1
    name: str = "n"


@dataclass
class Params(ExperimentParameters):
    a: int = 1
    b: Any = 2
    nested: Any = None


def test_the_fields_come_in_their_order_and_each_instance_has_its_own_dict() -> None:
    one, two = ExperimentParameters(), ExperimentParameters()
    assert (one.name, one.hash, one.overwrite, one.hash_representations) == ("UNNAMED", None, False, {})
    one.hash_representations["a"] = None
    assert two.hash_representations == {}
    assert Params("n", "h", True, {}, 5).a == 5
    assert "hash_representations" not in repr(Params())
    assert Params(a=1) == Params(a=1) != Params(a=2)
    assert Params(name="x") != Params()


def test_the_hash_is_letters_and_digits_and_follows_the_values() -> None:
    params = Params()
    first = params.params_hash()
    assert first.isalnum()
    params.a = 5
    assert params.params_hash() != first
    assert params.hash is None
    params.a = 1
    assert params.params_hash() == first


def test_a_hash_that_is_set_is_returned_whatever_the_values() -> None:
    for given in ("mine", ""):
        assert Params(hash=given, a=9).params_hash() == given
    assert Params(hash="mine").params_hash(dry=True)["a"][1] == "1"


def test_names_class_and_what_is_none_do_not_count() -> None:
    @dataclass
    class Other(ExperimentParameters):
        b: Any = 2
        a: int = 1
        late: Any = None

    assert Params(name="x", overwrite=True).params_hash() == Params().params_hash() == Other().params_hash()
    listed = Params(hash_representations={"name": lambda p, v: "x", "nobody": lambda p, v: 1})
    assert listed.params_hash() == Params().params_hash()


def test_values_are_bound_to_their_names() -> None:
    assert Params(a=1, b=2).params_hash() != Params(a=2, b=1).params_hash()
    # An outer and an inner value changing places.
    assert Params(a=2, nested=Nested(1)).params_hash() != Params(a=1, nested=Nested(2)).params_hash()


def test_functions_decide_what_counts() -> None:
    by_length = {"b": lambda self, value: len(value) + self.a}
    assert (
        Params(b="ab", hash_representations=by_length).params_hash()
        == Params(b="cd", hash_representations=by_length).params_hash()
    )
    assert (
        Params(b="ab", hash_representations=by_length).params_hash()
        != Params(b="c", hash_representations=by_length).params_hash()
    )
    for none in ({"b": None}, {"b": lambda self, value: None}):
        assert Params(b=5, hash_representations=none).params_hash() == Params(b=None).params_hash()
    called = []
    Params(b=None, hash_representations={"b": lambda self, value: called.append(value)}).params_hash()
    assert called == [None]


def test_what_a_function_raises_comes_through_and_what_is_none_is_refused() -> None:
    def fails(self: Any, value: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Params(hash_representations={"a": fails}).params_hash()
    with pytest.raises(TypeError, match="hash_representations"):
        Params(hash_representations={"a": "text"}).params_hash()  # type: ignore[dict-item]
    with pytest.raises(NotHashable):
        Params(b=object()).params_hash()


def test_what_has_no_hash_is_told_with_the_name_of_the_parameter() -> None:
    for params, place in [
        (Params(b=object()), "params.b: "),
        (Params(b={"k": [object()]}), 'params.b["k"][0]: '),
        (Params(b=Nested(x=object())), "params.b.x: "),  # type: ignore[arg-type]
        (Params(b=1, hash_representations={"b": lambda p, v: [object()]}), "params.b[0]: "),
    ]:
        for dry in (False, True):
            with pytest.raises(NotHashable, match=re.escape(place)) as caught:
                params.params_hash(dry)
            assert caught.value.message.startswith(place)


def test_nested_dataclasses_count_by_the_same_rules_of_their_own() -> None:
    @dataclass
    class WithRules:
        x: int = 1
        gpus: int = 1
        hash_representations: dict[str, Any] = field(default_factory=lambda: {"gpus": None})

    assert Params(nested=WithRules(gpus=8)).params_hash() == Params(nested=WithRules()).params_hash()
    assert Params(nested=WithRules(x=2)).params_hash() != Params(nested=WithRules()).params_hash()
    assert Params(nested=Nested(name="m")).params_hash() != Params(nested=Nested()).params_hash()
    assert Params(nested=Nested).params_hash() != Params(nested=Nested()).params_hash()


def test_any_value_that_has_a_hash_may_be_a_parameter() -> None:
    values = [
        np.zeros(10_000),
        np.ones(10_000),
        len,
        functools.partial(len, [1]),
        functools.partial(len, [2]),
        {"a": 1},
        {3, 1},
    ]
    assert len({Params(b=value).params_hash() for value in values}) == len(values)
    assert Params(b={"x": 1, "y": 2}).params_hash() == Params(b={"y": 2, "x": 1}).params_hash()


def test_the_dry_run_tells_every_field() -> None:
    params = Params(b=len, nested=Nested(), hash_representations={"a": lambda self, value: value + 1})
    dry = params.params_hash(dry=True)
    assert list(dry) == ["name", "hash", "overwrite", "hash_representations", "a", "b", "nested"]
    assert dry["name"] == ("SKIPPED: blacklist", None)
    assert dry["a"][1] == 2
    assert dry["b"] == ("qualified name", "len")
    assert dry["nested"][1]["x"] == ("repr(field)", "1")
    assert Params(nested=None).params_hash(dry=True)["nested"] == ("SKIPPED: value is None", None)
    left_out = Params(hash_representations={"a": None}).params_hash(dry=True)["a"]
    assert left_out == ("SKIPPED: set to None in hash_representations", None)


def test_what_counts_and_what_does_not_can_be_told_apart() -> None:
    params = Params(a=3, hash_representations={"b": None})
    assert params.values() == ({"a": 3}, {"b": 2, "nested": None})


def test_set_hash_functions_makes_the_field() -> None:
    @dataclass
    class Made(ExperimentParameters):
        lr: float = 0.1
        gpus: int = 1
        hash_representations: dict[str, Any] = set_hash_functions({"lr": None}, lr=lambda p, v: v, gpus=None)  # noqa: RUF009 - it makes a field

    assert Made(gpus=4).params_hash() == Made().params_hash() != Made(lr=0.2).params_hash()
    one = Made()
    one.hash_representations["lr"] = None
    assert Made().hash_representations["lr"] is not None
    with pytest.raises(ValueError, match="dict"):
        set_hash_functions(["lr"])  # type: ignore[arg-type]


@pytest.mark.parametrize("functions", [3, ["name"], "name"])
def test_hash_representations_that_are_no_dict_are_refused(functions: Any) -> None:
    with pytest.raises(WrongType, match="hash_representations is a dict of functions by name"):
        ExperimentParameters(hash_representations=functions).params_hash()


def test_the_hash_is_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from dataclasses import dataclass\nfrom hangar_steps import ExperimentParameters\n"
        "@dataclass\nclass P(ExperimentParameters):\n    words: frozenset = frozenset('abc')\n    attribute = 1\n"
        "print(P().params_hash())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        for seed in "01"
    ]
    assert runs[0].stdout == runs[1].stdout
