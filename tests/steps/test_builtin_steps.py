"""The steps that come with the package."""

from __future__ import annotations

import logging
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core.errors import HangarError, WrongType
from hangar_steps import (
    ConfigurationError,
    DatasetCombineStep,
    DatasetDict,
    DatasetRemixStep,
    MemoryWorkspace,
    PrintStep,
    ShellStep,
    StepError,
    step_class,
)

OLD = {"train": list(range(10)), "dev": list(range(10, 15))}


def as_lists(dataset: DatasetDict) -> dict[str, list[Any]]:
    return {name: list(split) for name, split in dataset.items()}


def combine(*inputs: dict[str, Any], **kwargs: Any) -> DatasetDict:
    step = DatasetCombineStep(inputs=[DatasetDict(one, {"m": 1}) for one in inputs], **kwargs)
    return step.result(MemoryWorkspace())


def remix(new: dict[str, str], **kwargs: Any) -> DatasetDict:
    return DatasetRemixStep(input=DatasetDict(OLD, {"m": 1}), new_splits=new, **kwargs).result(MemoryWorkspace())


def test_a_dataset_is_a_mapping_of_splits() -> None:
    dataset = DatasetDict(OLD, {"m": 1})
    assert (len(dataset), list(dataset), "train" in dataset, dataset["dev"][0]) == (2, ["train", "dev"], True, 10)
    assert dataset.metadata == {"m": 1}
    assert DatasetDict({}).metadata == {}


def test_they_are_registered_and_keep_nothing() -> None:
    names = {"dataset_combine": DatasetCombineStep, "dataset_remix": DatasetRemixStep, "print": PrintStep}
    for name, cls in (names | {"shell_step": ShellStep}).items():
        assert step_class(name) is cls
    assert {cls.VERSION for cls in (DatasetCombineStep, DatasetRemixStep)} == {"001"}
    assert {cls.CACHEABLE for cls in names.values()} == {False}
    assert (ShellStep.CACHEABLE, ShellStep.VERSION) == (None, None)


def test_combining_joins_splits_in_order_of_the_inputs() -> None:
    both = combine(OLD, {"val": [1], "train": [20, 21]})
    assert as_lists(both) == {"train": [*range(10), 20, 21], "dev": OLD["dev"], "val": [1]}
    assert both.metadata == {}
    assert as_lists(combine()) == {}
    one, two = DatasetDict({"a": [1]}), DatasetDict({"a": [2]})
    assert DatasetCombineStep(inputs=[one, two]) != DatasetCombineStep(inputs=[two, one])


def test_shuffling_is_the_same_for_a_seed_and_disturbs_nobody() -> None:
    random.seed(3)
    before = random.getstate()
    first, again = combine(OLD, shuffle=True), combine(OLD, shuffle=True)
    other = combine(OLD, shuffle=True, random_seed=2)
    assert random.getstate() == before
    assert as_lists(first) == as_lists(again) != as_lists(other)
    assert sorted(first["train"]) == OLD["train"] != list(first["train"])


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("train", range(10)),
        ("train + dev", range(15)),
        (" train+dev ", range(15)),
        ("dev+dev", [*range(10, 15)] * 2),
        ("train[0:5] + train[7:]", [*range(5), 7, 8, 9]),
        ("train[5:7]", [5, 6]),
        ("train[:-8]", [0, 1]),
        ("train[-2:]", [8, 9]),
        ("train[:]", range(10)),
        ("train[5:2]", []),
        ("train[8:99]", [8, 9]),
        ("train[-99:1]", [0]),
    ],
)
def test_expressions_cut_and_join(expression: str, wanted: Any) -> None:
    assert list(remix({"new": expression})["new"]) == list(wanted)


@pytest.mark.parametrize(
    "term",
    ["train[3]", "train[::2]", "train[:3][1:]", "train [0:2]", "train[ 0:2]", "", "nobody", "nobody[1:]", "train[a:]"],
)
def test_anything_else_is_taken_for_a_name_that_nobody_has(term: str) -> None:
    with pytest.raises(KeyError) as caught:
        remix({"new": f"dev + {term}"})
    assert caught.value.args == (term,)
    assert isinstance(caught.value, HangarError)
    assert str(caught.value) == f"new_splits['new']: there is no split `{term}`; there are: train, dev."


def test_new_splits_come_behind_old_ones_and_see_only_those() -> None:
    mixed = remix({"train": "dev", "all": "train + dev"})
    assert list(mixed) == ["train", "dev", "all"]
    assert (list(mixed["train"]), list(mixed["all"])) == (OLD["dev"], list(range(15)))
    assert mixed.metadata == {"m": 1}
    assert as_lists(remix({"x": "dev[:1]"}, keep_old_splits=False)) == {"x": [10]}
    with pytest.raises(KeyError):
        remix({"x": "dev", "y": "x"})


def test_new_splits_are_cut_from_what_was_shuffled_before() -> None:
    mixed = remix({"head": "train[:5]"}, shuffle_before=True)
    assert list(mixed["head"]) == list(mixed["train"])[:5] != OLD["train"][:5]
    after = remix({"head": "train[:5]"}, shuffle_after=True)
    assert sorted(after["head"]) == OLD["train"][:5] != list(after["head"])
    assert list(after["train"]) != OLD["train"]


class Watched(list[int]):
    reads = 0

    def __getitem__(self, at: Any) -> Any:
        type(self).reads += 1
        return super().__getitem__(at)


def test_nothing_is_read_before_it_is_asked_for_and_then_once() -> None:
    Watched.reads = 0
    both = combine({"a": Watched(range(50))}, {"a": Watched(range(50, 90))}, shuffle=True)["a"]
    view = both[10:60][::-2]
    assert (len(view), Watched.reads) == (25, 0)
    assert view[np.int64(3)] == view[-22]
    assert Watched.reads == 2
    assert 89 in both
    assert both[both.index(89)] == 89
    assert sorted(both) == list(range(90))
    assert list(both)[::-1] == list(reversed(both))
    for wrong in (90, -91):
        with pytest.raises(IndexError):
            _ = both[wrong]


# --- shell ----------------------------------------------------------------------------------------------------------


def shell(command: Any, **kwargs: Any) -> str:
    return ShellStep(shell_command=command, **kwargs).result(MemoryWorkspace())


def test_a_command_gives_what_it_prints() -> None:
    assert shell([sys.executable, "-c", "print('é')"]) == "é\n"
    assert shell("echo 'a  b' $HOME") == "a  b $HOME\n"
    assert shell("echo $MINE", shell=True, env={"MINE": "x"}) == "x\n"
    assert shell(["echo", "$MINE"], shell=True, env={"MINE": "x"}) == "$MINE\n"
    assert shell("pwd", cwd="/") == "/\n"


def test_what_a_command_says_on_stderr_is_no_part_of_the_result_and_other_keywords_go_to_the_command() -> None:
    assert shell("echo said >&2; echo printed", shell=True) == "printed\n"
    assert shell("cat", input=b"given") == "given"
    with pytest.raises(subprocess.TimeoutExpired):
        shell("sleep 20", timeout=0.05)
    with pytest.raises(FileNotFoundError):
        shell("no-such-program-here")


def test_a_command_is_told_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = tmp_path / "made"
    with caplog.at_level(logging.INFO, logger="ShellStep"):
        assert (
            shell("echo out; echo err >&2; touch $MADE", shell=True, env={"MADE": str(made)}, output_path=made)
            == "out\n"
        )
    text = "\n".join(caplog.messages)
    assert all(word in text for word in ("touch $MADE", "out", str(made)))


def test_a_command_that_fails_fails_the_step_with_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="ended with 3: oh no"):
        shell("echo oh no >&2; exit 3", shell=True)
    with pytest.raises(FileNotFoundError, match="no program `no-such-program-here`") as missing:
        shell("no-such-program-here")
    with pytest.raises(FileNotFoundError, match="no directory `/no/such/place`"):
        shell("true", cwd="/no/such/place")
    with pytest.raises(StepError, match=r"'/etc/passwd'.* cannot be started: Permission denied"):
        shell("/etc/passwd")
    with pytest.raises(subprocess.TimeoutExpired, match=r"sleep.* more than 0\.05 seconds") as late:
        shell("sleep 5", timeout=0.05)
    assert isinstance(missing.value, HangarError)
    assert isinstance(late.value, StepError)
    assert (late.value.timeout, late.value.stderr) == (0.05, None)
    for taken in ("stdout", "capture_output"):
        with pytest.raises(TypeError, match=taken):
            shell("true", **{taken: None})


def test_the_output_is_validated_after_success(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert shell(f"touch {made}", output_path=made) == ""
    with pytest.raises(AssertionError, match="absent") as missing:
        shell("true", output_path=tmp_path / "absent")
    assert isinstance(missing.value, StepError)
    assert shell("true", output_path=made, validate_output=always_false) == ""
    with pytest.raises(ZeroDivisionError):
        shell("true", output_path=made, validate_output=raises)
    assert shell("true", validate_output=raises) == ""


def always_false(_path: Any) -> bool:
    return False


def raises(_path: Any) -> None:
    raise ZeroDivisionError


def test_wrong_datasets_and_expressions_are_refused_by_name() -> None:
    data = DatasetDict(OLD)
    for step, says in [
        (DatasetCombineStep(inputs=3), "inputs is a list of datasets, not 3"),
        (DatasetCombineStep(inputs=[data, OLD]), "inputs[1] is a DatasetDict"),
        (DatasetRemixStep(input=3, new_splits={}), "input is a DatasetDict, not 3"),
        (DatasetRemixStep(input=data, new_splits=3), "new_splits is a dict of expressions by name, not 3"),
        (DatasetRemixStep(input=data, new_splits={"b": 3}), "new_splits['b'] is an expression"),
    ]:
        with pytest.raises(WrongType, match=re.escape(says)):
            step.result(MemoryWorkspace())
    for splits, metadata, what in ((3, None, "splits"), (OLD, 3, "metadata")):
        with pytest.raises(WrongType, match=f"The {what} of a DatasetDict"):
            DatasetDict(splits, metadata)  # type: ignore[arg-type]


def test_a_second_identical_command_is_looked_up(tmp_path: Path) -> None:
    workspace, log = MemoryWorkspace(), tmp_path / "log"
    for _ in range(2):
        ShellStep(shell_command=f"echo x >> {log}", shell=True).result(workspace)
    assert log.read_text() == "x\n"


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"shell_command": ""}, ConfigurationError, "shell_command is empty"),
        ({"shell_command": "  "}, ConfigurationError, "shell_command is empty"),
        ({"shell_command": []}, ConfigurationError, "shell_command is empty"),
        ({"shell_command": 3}, ConfigurationError, "text or a list of texts, not 3"),
        ({"shell_command": ["echo", 3]}, ConfigurationError, "text or a list of texts"),
        ({"shell_command": ["echo", 3], "shell": True}, ConfigurationError, "text or a list of texts"),
        ({"shell_command": "echo 'a"}, ConfigurationError, "cannot be split into words: No closing quotation"),
        ({"shell_command": "a\0b"}, ConfigurationError, "no command can have"),
        ({"shell_command": "true", "validate_output": 3}, WrongType, "validate_output is a function"),
        ({"shell_command": "true", "stdout": None}, WrongType, "`stdout` cannot be given"),
        ({}, WrongType, "'shell_command'"),
        ({"shell_command": "true", "tmeout": 3}, WrongType, "`tmeout`"),
        ({"shell_command": "true", "args": ["false"]}, WrongType, "`args`"),
        ({"shell_command": "true", "timeout": "long"}, WrongType, "timeout='long'"),
        ({"shell_command": "true", "env": {"A": 3}}, WrongType, "env={'A': 3}"),
        ({"shell_command": "true", "env": {"A": "\0"}}, ConfigurationError, "env="),
        ({"shell_command": "true", "encoding": "nope"}, ConfigurationError, "encoding='nope'"),
        ({"shell_command": "cat", "input": "text"}, WrongType, "input='text'"),
        ({"shell_command": "true", "output_path": 3}, WrongType, "output_path is a path, not 3"),
    ],
)
def test_what_is_no_command_is_refused_by_name(kwargs: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=re.escape(says)):
        ShellStep("", **kwargs).result(MemoryWorkspace())


# --- print ----------------------------------------------------------------------------------------------------------


def test_printing_shows_the_text_and_returns_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="PrintStep"):
        assert PrintStep(input=None).result(MemoryWorkspace()) == "None"
        assert PrintStep(input=[1]).result(MemoryWorkspace()) == "[1]"
    assert caplog.messages == ["None", "[1]"]


def test_where_nobody_listens_it_prints() -> None:
    script = "from hangar_steps import PrintStep; PrintStep(input='hello').result()"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "hello\n"
    )
