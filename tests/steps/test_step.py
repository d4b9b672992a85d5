"""What a step is: its arguments, its id, and whether its result is kept."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from hangar_core.errors import ContainsItself, NotHashable, WrongType
from hangar_core.hashing import det_hash
from hangar_steps import (
    ConfigurationError,
    Format,
    JsonFormat,
    LocalWorkspace,
    MemoryWorkspace,
    PickleFormat,
    RepositoryWorkspace,
    Step,
    StepError,
    StepResources,
    TextFormat,
    WithUnresolvedSteps,
    register,
    step,
)


class Add(Step[int]):
    VERSION = "001"

    def run(self, a: int, b: int = 1) -> int:
        return a + b


class Random(Step[float]):
    DETERMINISTIC = False

    def run(self) -> float:
        return random.random()


# --- construction ---------------------------------------------------------------------------------------------------


def test_the_eight_parameters_may_stand_by_position_and_all_else_is_for_run() -> None:
    made = Add("sum", a=1)
    assert made.name == "sum"
    assert made.kwargs == {"a": 1, "b": 1}
    assert Add(a=1).name == Add(a=1).unique_id


class Unfit(Format): ...


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("step_format", "json", "a format or a class of formats, such as JsonFormat(), not 'json'"),
        ("step_format", int, "a format or a class of formats"),
        ("step_format", Unfit, "a format or a class of formats"),
        ("step_extra_dependencies", ["x"], "[0] is a step, not 'x'"),
        ("step_extra_dependencies", [Add], "[0] is a step"),
        ("step_extra_dependencies", Add(a=1), "a list or set of steps, not <Add-001-"),
        ("step_extra_dependencies", 3, "a list or set of steps, not 3"),
        ("step_metadata", 3, "a dict, not 3"),
        ("step_metadata", [("a", 1)], "a dict"),
        ("step_config", 3, "a dict or a dataclass, not 3"),
        ("step_resources", {"cpu_count": 1}, "a StepResources"),
        ("step_name", 3, "text"),
        ("step_name", b"x" * 99, "not an object of type bytes"),
        ("cache_results", "yes", "None, True or False"),
    ],
)
def test_a_wrong_argument_of_a_step_is_refused_by_name_with_what_is_accepted(
    argument: str, value: Any, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)) as caught:
        Add(a=1, **{argument: value})
    assert caught.value.message.startswith(argument)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("FORMAT", "json"),
        ("METADATA", 3),
        ("SKIP_ID_ARGUMENTS", "abc"),
        ("SKIP_ID_ARGUMENTS", 3),
        ("SKIP_DEFAULT_ARGUMENTS", ["a"]),
        ("massage_kwargs", classmethod(lambda cls, kwargs: None)),
    ],
)
def test_a_wrong_attribute_of_a_class_is_refused_by_name(attribute: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"Wrong\\.{attribute}"):
        type("Wrong", (Add,), {attribute: value})(a=1)
    with pytest.raises(ConfigurationError, match=r"Wrong\.run is a method, not 3"):
        type("Wrong", (Step,), {"run": 3})


@pytest.mark.parametrize("workspace", ["ws", "", 3, LocalWorkspace])
def test_what_is_no_workspace_is_refused(workspace: Any) -> None:
    for use in (Add(a=1).result, Add(a=1).ensure_result):
        with pytest.raises(ConfigurationError, match=r"workspace is a workspace, such as LocalWorkspace\(directory\)"):
            use(workspace)
    for make in (LocalWorkspace, RepositoryWorkspace):
        with pytest.raises(ConfigurationError, match="is a"):
            make(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("kwargs", [{}, {"a": 1, "c": 2}])
def test_arguments_that_run_does_not_take_are_told_with_what_it_takes(kwargs: dict[str, Any]) -> None:
    with pytest.raises(WrongType, match=r"Add\.run\(a: .*, b: .* cannot be called: .* '[ac]'"):
        Add(**kwargs).result()


@pytest.mark.parametrize(
    "make",
    [
        lambda: step(len),  # without parentheses
        lambda: step()(3),
        lambda: step(format="json"),
        lambda: step(skip_id_arguments="abc"),
        lambda: step(metadata=3),
        lambda: register(3),
        lambda: register("one more")(3),
        lambda: WithUnresolvedSteps(3),
    ],
)
def test_what_no_step_can_be_made_of_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError):
        make()


@pytest.mark.parametrize("name", ["step_name", "cache_results", "step_format", "step_config", "step_resources"])
def test_run_cannot_have_a_parameter_that_every_step_has(name: str) -> None:
    def run(self: Any, **kwargs: Any) -> None: ...

    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(one, inspect.Parameter.POSITIONAL_OR_KEYWORD) for one in ("self", name)]
    )
    with pytest.raises(ConfigurationError, match=name):
        type("Bad", (Step,), {"run": run})


@pytest.mark.parametrize("version", ["1.0", "a-b", "", "é", 1])
def test_a_version_is_letters_and_digits(version: Any) -> None:
    class Versioned(Step[None]):
        VERSION = version

        def run(self) -> None: ...

    with pytest.raises(ConfigurationError, match="VERSION"):
        Versioned()


def test_wrong_arguments_are_found_when_run_is_called() -> None:
    with pytest.raises(TypeError):
        Add().result(MemoryWorkspace())
    with pytest.raises(TypeError):
        Add(a=1, c=2).result(MemoryWorkspace())


def test_a_format_may_be_a_class() -> None:
    class Formatted(Add):
        FORMAT = JsonFormat

    assert isinstance(Formatted(a=1).format, JsonFormat)


def test_metadata_are_a_copy_and_those_of_the_step_win() -> None:
    class Noted(Add):
        METADATA: ClassVar[dict[str, Any]] = {"tags": ["x"], "by": "class"}

    one = Noted(a=1, step_metadata={"by": "step"})
    one.metadata["tags"].append("y")
    assert one.metadata == {"tags": ["x", "y"], "by": "step"}
    assert Noted(a=1).metadata == {"tags": ["x"], "by": "class"}


def test_metadata_that_were_given_are_not_those_of_the_step() -> None:
    given = {"tags": ["x"]}
    Add(a=1, step_metadata=given).metadata["tags"].append("y")
    assert given == {"tags": ["x"]}


def test_the_version_is_looked_at_before_anything_else() -> None:
    class Wrong(Add):
        VERSION = "1.0"

        @classmethod
        def massage_kwargs(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
            raise AssertionError("too early")

    with pytest.raises(ConfigurationError, match="VERSION"):
        Wrong(a=1, step_format="json")  # type: ignore[arg-type]


def test_the_config_is_there_only_if_it_was_given_and_names_steps() -> None:
    @dataclass
    class Given:
        input: Any

    inner = Add("inner", a=1)
    with pytest.raises(ConfigurationError):
        _ = Add(a=1).config
    assert Add(a=1, step_config={"x": [inner]}).config == {"x": [{"type": "ref", "ref": "inner"}]}
    assert Add(a=1, step_config=Given(inner)).config == {"input": {"type": "ref", "ref": "inner"}}


def test_resources_are_advice() -> None:
    resources = StepResources("local", 0.5, 1, "any", "2.5GiB", "1024m")
    assert Add(a=1, step_resources=resources).resources == resources
    assert Add(a=1).resources == StepResources()
    assert Add(a=1, step_resources=resources).unique_id == Add(a=1).unique_id
    with pytest.raises(ConfigurationError):
        Add(a=1, step_resources={"machine": "local"})  # type: ignore[arg-type]


def test_resources_may_be_a_property_of_the_class() -> None:
    class Large(Add):
        @property
        def resources(self) -> StepResources:
            return StepResources(gpu_count=self.kwargs["b"])

    assert Large(a=1, b=3).resources == StepResources(gpu_count=3)


def test_looking_for_a_class_of_steps_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hangar_steps import step_class

    (tmp_path / "nearby.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    for name in ("nearby", "nearby.step", "nearby:step"):
        with pytest.raises(ConfigurationError, match=name):
            step_class(name)
    assert set(sys.modules) == before


def test_the_logger_is_named_after_the_class() -> None:
    assert Add(a=1).logger is logging.getLogger("Add")


def test_run_is_to_be_written_and_may_be_called_directly() -> None:
    assert Add().run(1, b=2) == 3
    with pytest.raises(NotImplementedError):
        Step().run()


# --- caching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deterministic", "cacheable", "given", "kept"),
    [
        (True, None, None, True),
        (True, None, True, True),
        (True, None, False, False),
        (True, True, None, True),
        (True, True, True, True),
        (True, True, False, False),
        (True, False, None, False),
        (True, False, True, "error"),
        (True, False, False, False),
        (False, None, None, False),
        (False, None, True, "warning"),
        (False, None, False, False),
        (False, True, None, "warning"),
        (False, True, True, "warning"),
        (False, True, False, False),
        (False, False, None, False),
        (False, False, True, "error"),
        (False, False, False, False),
    ],
)
def test_the_table_of_caching(deterministic: bool, cacheable: bool | None, given: bool | None, kept: Any) -> None:
    attributes = {"DETERMINISTIC": deterministic, "CACHEABLE": cacheable, "run": lambda self: None}
    cls = type("Some", (Step,), attributes)
    if kept == "error":
        with pytest.raises(ConfigurationError):
            cls(cache_results=given)
    elif kept == "warning":
        with pytest.warns(UserWarning, match="deterministic"):
            assert cls(cache_results=given).cache_results is True
    else:
        assert cls(cache_results=given).cache_results is kept


@pytest.mark.parametrize("given", [1, 0, "yes", []])
def test_cache_results_is_none_true_or_false(given: Any) -> None:
    with pytest.raises(ConfigurationError):
        Add(a=1, cache_results=given)


# --- identity -------------------------------------------------------------------------------------------------------


def test_the_id_is_class_version_and_fingerprint() -> None:
    name, version, fingerprint = Add(a=1).unique_id.split("-")
    assert (name, version, len(fingerprint)) == ("Add", "001", 32)
    assert len(Random().unique_id.split("-")) == 2


def test_the_id_is_the_same_in_another_process() -> None:
    script = (
        "from hangar_steps import step\n"
        "@step(version='1')\n"
        "def f(a, b={1, 'x'}): ...\n"
        "print(f(a=[1, 'y', 2.5]).unique_id)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in "012"
    }
    assert len(found) == 1


def test_defaults_and_the_order_of_keywords_do_not_matter_and_values_do() -> None:
    assert Add(a=1).unique_id == Add(a=1, b=1).unique_id == Add(b=1, a=1).unique_id
    assert Add(a=1).unique_id != Add(a=2).unique_id != Add(a=2, b=2).unique_id


def test_name_metadata_config_and_extra_dependencies_do_not_count() -> None:
    other = Add("x", a=1, step_metadata={"m": 1}, step_config={"c": 1}, step_extra_dependencies=[Add(a=5)])
    assert other.unique_id == Add(a=1).unique_id
    assert other == Add(a=1)
    assert other.recursive_dependencies == {Add(a=5)}


def test_arguments_can_be_left_out_of_the_id() -> None:
    class Skips(Step[int]):
        SKIP_ID_ARGUMENTS: ClassVar[set[str]] = {"batch"}
        SKIP_DEFAULT_ARGUMENTS: ClassVar[dict[str, Any]] = {"late": np.zeros(3)}

        def run(self, a: int, batch: int = 1, late: Any = None) -> int:
            return a

    assert Skips(a=1, batch=5).unique_id == Skips(a=1).unique_id
    assert Skips(a=1, late=np.zeros(3)).unique_id != Skips(a=1, late=np.ones(3)).unique_id

    class Before(Step[int]):
        def run(self, a: int) -> int:
            return a

    Before.__name__ = "Skips"
    assert Before(a=1).unique_id == Skips(a=1, late=np.zeros(3)).unique_id


def test_a_step_among_the_arguments_counts_by_its_own_id() -> None:
    assert Add(a=Add("name", a=1)) == Add(a=Add(a=1, step_metadata={"m": 1}))
    assert Add(a=Add(a=Add(a=1))) != Add(a=Add(a=Add(a=2)))
    assert Add(a=[Add(a=1)]) != Add(a=[Add(a=2)])


def test_a_step_that_is_not_deterministic_has_an_id_for_each_object() -> None:
    random.seed(1)
    first = Random()
    random.seed(1)
    second = Random()
    assert first.unique_id == first.unique_id != second.unique_id


def test_the_format_counts_and_its_options_do_not() -> None:
    assert Add(a=1, step_format=JsonFormat()) != Add(a=1)
    assert Add(a=1, step_format=JsonFormat()) == Add(a=1, step_format=JsonFormat())
    assert Add(a=1, step_format=JsonFormat()) != Add(a=1, step_format=PickleFormat())


class Upper(TextFormat):
    """Has the `NAME` and `VERSION` of the class that it extends, and other files."""

    def write(self, value: Any, directory: Path) -> None:
        super().write(value.upper(), directory)


class Named(Format):
    """Calls itself like another."""

    NAME: ClassVar[str] = "text"

    def write(self, value: Any, directory: Path) -> None:
        (directory / "other").write_text(value[::-1])

    def read(self, directory: Path) -> str:
        return (directory / "other").read_text()


@step("says", version="1")
def says(text: str) -> str:
    return text


def test_a_format_of_one_s_own_counts_by_its_class_whatever_name_it_has_or_inherits(tmp_path: Path) -> None:
    """Else one would read what the other has written."""
    several = [says(text="ab", step_format=one) for one in (TextFormat(), Upper(), Named())]
    assert len({one.unique_id for one in several}) == 3
    workspace = LocalWorkspace(tmp_path)
    assert [one.result(workspace) for one in several] == ["ab", "ab", "ab"]
    assert [one.result(workspace) for one in several] == ["ab", "AB", "ba"]
    later = type("Upper", (Upper,), {"VERSION": "2", "__module__": Upper.__module__})
    assert says(text="ab", step_format=later()) not in several


def test_the_id_can_be_overridden_by_what_may_be_a_file_name() -> None:
    first, second = (Add(a=number, step_unique_id_override="mine") for number in (1, 2))
    assert first == second
    assert first.unique_id == "mine"
    for bad in ("../x", "a/b", "", "a b", "x" * 129, "é", 3):
        with pytest.raises(ConfigurationError):
            Add(a=1, step_unique_id_override=bad)  # type: ignore[arg-type]


def test_the_name_of_a_class_may_be_any(tmp_path: Path) -> None:
    """The id is a file name: of a name that cannot be in one only a part is, and all of it counts."""
    names = ["Größe", "Gräße", "A" * 300, "A" * 299 + "B", "\u05d0" * 200, "A" * 84, "A" * 200]
    made = [type(name, (Add,), {"VERSION": "1" * 10})(a=1) for name in names]
    assert len({one.unique_id for one in made}) == len(names)
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,128}", one.unique_id) for one in made)
    assert made[0].unique_id.startswith("Gr__e-1111111111-")
    assert made[5].unique_id.startswith("A" * 84 + "-")
    assert [one.result(LocalWorkspace(tmp_path)) for one in made] == [2] * len(names)


def test_a_version_leaves_room_for_the_name() -> None:
    assert type("Long", (Add,), {"VERSION": "1" * 64})(a=1).unique_id.startswith("Long-1111")
    with pytest.raises(ConfigurationError, match=r"VERSION.*64"):
        type("Long", (Add,), {"VERSION": "1" * 65})(a=1)


def test_text_hash_and_equality_follow_the_id() -> None:
    one = Add(a=1)
    assert str(one) == one.unique_id
    assert hash(one) == hash(one.unique_id)
    assert one != one.unique_id
    assert {one, Add(a=1, b=1)} == {one}


def test_what_has_no_hash_is_refused_with_the_place_of_the_argument() -> None:
    with pytest.raises(NotHashable, match=r'\["a"\]\[1\]'):
        _ = Add(a=[0, object()]).unique_id
    cycle: list[Any] = []
    cycle.append(cycle)
    for value, error, place in [
        ([0, object()], NotHashable, 'Add.arguments["b"][1]: an object of type object'),
        (object(), NotHashable, 'Add.arguments["b"]: an object of type object'),
        (cycle, ContainsItself, 'Add.arguments["b"][0]: the value contains itself'),
        (WithUnresolvedSteps(max, object()), NotHashable, 'Add.arguments["b"].det_hash_object()'),
    ]:
        with pytest.raises(error, match=re.escape(place)) as caught:
            _ = Add(a=1, b=value).unique_id
        assert caught.value.message.startswith(caught.value.place)
    for default, given, place in ((object(), 1, "SKIP_DEFAULT_ARGUMENTS"), (1, object(), "arguments")):
        with pytest.raises(NotHashable, match=re.escape(f'Skips.{place}["b"]: ')):
            _ = type("Skips", (Add,), {"SKIP_DEFAULT_ARGUMENTS": {"b": default}})(a=1, b=given).unique_id


def test_massage_kwargs_sees_defaults_and_steps_once_and_feeds_id_and_run() -> None:
    seen = []

    class Lower(Step[str]):
        @classmethod
        def massage_kwargs(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
            seen.append(kwargs)
            return {**kwargs, "text": kwargs["text"].lower()}

        def run(self, text: str, other: Any = 0) -> str:
            return text

    inner = Add(a=1)
    made = Lower(text="ABC", other=inner)
    assert made == Lower(text="abc", other=inner)
    assert made.result(MemoryWorkspace()) == "abc"
    assert seen[0] == {"text": "ABC", "other": inner}
    assert len(seen) == 2


# --- dependencies ---------------------------------------------------------------------------------------------------


def test_steps_are_found_in_containers_and_nowhere_else() -> None:
    one, two, three, four = (Add(a=number) for number in range(4))

    class Holder:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

    nested = [one, ({"k": two},), {three}, frozenset({four})]
    assert Add(a=nested).dependencies == {one, two, three, four}
    holder = Add(a={one: 1}, b=WithUnresolvedSteps(list, [two]))
    assert holder.dependencies == {two}
    assert Add(a=[np.zeros(3), "text"]).dependencies == set()
    assert Add(a=Add(a=one)).recursive_dependencies == {Add(a=one), one}
    assert Add(a=WithUnresolvedSteps(Holder, WithUnresolvedSteps(list, [one]))).dependencies == {one}


def test_unresolved_steps_count_by_function_and_arguments() -> None:
    base = det_hash(WithUnresolvedSteps(dict, Add(a=1), x=1))
    assert base == det_hash(WithUnresolvedSteps(dict, Add(a=1, b=1), x=1))
    others = [
        WithUnresolvedSteps(list, Add(a=1), x=1),
        WithUnresolvedSteps(dict, Add(a=2), x=1),
        WithUnresolvedSteps(dict, Add(a=1), x=2),
    ]
    assert base not in map(det_hash, others)


def test_unresolved_functions_without_a_name_of_their_own_count_by_what_tells_them_apart() -> None:
    functions: list[Any] = [lambda x: x + 1, lambda x: x + 2, functools.partial(max, 1), functools.partial(max, 2)]
    functions += ["a".join, "b".join, max, sorted]
    ids = [Add(a=WithUnresolvedSteps(one, [Add(a=1)])).unique_id for one in functions]
    assert len(set(ids)) == len(ids)
    assert ids == [Add(a=WithUnresolvedSteps(one, [Add(a=1)])).unique_id for one in functions]


# --- the decorator --------------------------------------------------------------------------------------------------


def test_a_function_becomes_a_class_of_steps() -> None:
    @step("some-name", version="003", metadata={"m": 1}, skip_id_arguments={"b"})
    def subtract(a: int, b: int = 1) -> int:
        return a - b

    made = subtract(a=5)
    assert made.unique_id.startswith("subtract-003-")
    assert made == subtract(a=5, b=2)
    assert made.result(MemoryWorkspace()) == 4
    assert (made.metadata, issubclass(subtract, Step)) == ({"m": 1}, True)


def test_a_bound_function_gets_the_step() -> None:
    @step("bound", bind=True)
    def where(self: Step[Any], sub: str) -> str:
        return str((self.work_dir / sub).parent.is_dir())

    assert where(sub="x").result(MemoryWorkspace()) == "True"

    @step("misnamed", bind=True)
    def wrong(this: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="self"):
        wrong()


def test_a_name_can_be_taken_once_unless_it_is_to_be_replaced() -> None:
    from hangar_steps import step_class

    @step("taken")
    def first() -> int:
        return 1

    with pytest.raises(ConfigurationError, match="taken"):

        @step("taken")
        def second() -> int:
            return 2

    @step("taken", exist_ok=True)
    def third() -> int:
        return 3

    assert step_class("taken") is third
    assert first().result(MemoryWorkspace()) == 1
    with pytest.raises(ConfigurationError, match="nobody"):
        step_class("nobody")


def test_a_function_cannot_have_a_parameter_that_every_step_has() -> None:
    with pytest.raises(ConfigurationError, match="step_name"):

        @step("unlucky")
        def unlucky(step_name: str) -> None: ...


def test_work_dir_and_workspace_exist_only_while_the_step_runs() -> None:
    for name in ("work_dir", "workspace"):
        with pytest.raises(StepError):
            getattr(Add(a=1), name)
