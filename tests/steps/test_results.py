"""Results: computed once, kept whole, the same in every kind of workspace."""

from __future__ import annotations

import collections
import json
import logging
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from blake3 import blake3

from hangar_core import Repository
from hangar_steps import (
    JsonFormat,
    LocalWorkspace,
    MemoryWorkspace,
    PickleFormat,
    Step,
    StepError,
    StepNotFound,
    WithUnresolvedSteps,
    Workspace,
)

calls: collections.Counter[str] = collections.Counter()


@pytest.fixture(autouse=True)
def _fresh_calls() -> None:
    calls.clear()


class Count(Step[Any]):
    """Returns its input, and counts how often it runs."""

    def run(self, value: Any, name: str = "count") -> Any:
        calls[name] += 1
        return value


class Uncached(Count):
    CACHEABLE = False


class Pair(NamedTuple):
    left: Any
    right: Any


class Failing(Step[None]):
    def run(self, fail: Any) -> None:
        calls["failing"] += 1
        raise ZeroDivisionError("as told")


def test_the_log_says_which_step_needs_a_result(caplog: pytest.LogCaptureFixture) -> None:
    inner = Count(value=1, name="inner", step_name="inner")
    outer = Count(value=inner, name="outer", step_name="outer")
    with caplog.at_level(logging.INFO, logger="hangar_steps"):
        assert outer.result(MemoryWorkspace()) == 1
        assert Count(value=2, step_name="alone").result(MemoryWorkspace(), needed_by=outer) == 2
    assert caplog.messages == ["running inner for outer", "running outer", "running alone for outer"]


@pytest.mark.parametrize("value", [0, None, "", [], {"a": (1, 2.5)}, float("inf")], ids=repr)
def test_a_result_is_computed_once_and_comes_back_equal(workspace: Workspace, value: Any) -> None:
    first, second = Count(value=value).result(workspace), Count(value=value).result(workspace)
    assert first == second == value
    assert type(first) is type(second)
    assert calls["count"] == 1


def test_each_workspace_in_memory_is_its_own() -> None:
    Count(value=1).result(MemoryWorkspace())
    Count(value=1).result(MemoryWorkspace())
    assert calls["count"] == 2
    Count(value="default").result()
    Count(value="default").result()
    assert calls["count"] == 3


def test_inputs_are_computed_first_and_replaced_wherever_they_are(workspace: Workspace) -> None:
    inner = Count(value=7, name="inner")
    given = {
        "list": [inner],
        "tuple": (inner,),
        "set": {inner},
        "frozen": frozenset({inner}),
        "pair": Pair(inner, 1),
        "ordered": collections.OrderedDict(a=inner),
        "default": collections.defaultdict(list, a=inner),
    }
    seen: dict[str, Any] = Uncached(value=given).result(workspace)
    assert seen == {
        "list": [7],
        "tuple": (7,),
        "set": {7},
        "frozen": frozenset({7}),
        "pair": Pair(7, 1),
        "ordered": collections.OrderedDict(a=7),
        "default": {"a": 7},
    }
    assert [type(value) for value in seen.values()] == [type(value) for value in given.values()]
    assert calls["inner"] == 1


def test_a_shared_input_that_is_not_kept_runs_once_in_one_call(workspace: Workspace) -> None:
    shared = Uncached(value=1, name="shared")
    outer = Count(value=[shared, Uncached(value=shared)])
    assert outer.result(workspace) == [1, 1]
    assert calls["shared"] == 1


def test_run_may_take_keywords_only_and_whatever_else_comes(workspace: Workspace) -> None:
    class Takes(Step[Any]):
        def run(self, *, a: int, b: int = 2, **more: Any) -> Any:
            return [a, b, sorted(more.items())]

    assert Takes(a=1, z=Count(value=3), c=4).result(workspace) == [1, 2, [("c", 4), ("z", 3)]]
    assert Takes(a=1) == Takes(b=2, a=1) != Takes(a=1, c=1)


def test_arrays_are_handed_on_as_they_are_whatever_is_in_them(workspace: Workspace) -> None:
    given = [np.array(3), np.array([{"a": 1}], object), np.zeros((0, 2)), memoryview(b"x").tobytes()]
    seen = Uncached(value=[*given, Count(value=1)]).result(workspace)
    assert all(one is other for one, other in zip(given, seen, strict=False))
    assert seen[-1] == 1


def test_extra_dependencies_run_first(workspace: Workspace) -> None:
    extra = Count(value=1, name="extra")
    Count(value=2, step_extra_dependencies=[extra]).result(workspace)
    assert calls["extra"] == 1


def test_unresolved_steps_are_constructed_of_results(workspace: Workspace) -> None:
    later = WithUnresolvedSteps(Pair, Count(value=1), right=WithUnresolvedSteps(str, Count(value=2)))
    assert later.construct(workspace) == Pair(1, "2")
    assert Uncached(value=[later]).result(workspace) == [Pair(1, "2")]
    assert WithUnresolvedSteps.with_resolved_steps({"a": [Count(value=3)]}, workspace) == {"a": [3]}


def test_an_exception_passes_unchanged_and_nothing_is_kept(workspace: Workspace) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="as told"):
            Failing(fail=1).result(workspace)
    assert calls["failing"] == 2
    [state] = workspace.states()
    assert (state.status, state.error) == ("failed", "ZeroDivisionError: as told")


def test_a_failing_input_fails_the_dependent_before_it_runs(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError):
        Count(value=Failing(fail=2)).result(workspace)
    assert calls["count"] == 0
    assert {state.status for state in workspace.states()} == {"failed"}


def test_a_step_that_asks_for_itself_is_told_so(workspace: Workspace) -> None:
    class Itself(Step[Any]):
        def run(self) -> Any:
            return Itself().result(self.workspace)

    with pytest.raises(StepError, match="own result"):
        Itself().result(workspace)


def test_every_reader_of_an_iterator_gets_all_of_it(workspace: Workspace) -> None:
    class Numbers(Step[Iterator[int]]):
        def run(self) -> Iterator[int]:
            yield from range(3)

    class NotKept(Numbers):
        CACHEABLE = False

    for _ in range(3):
        assert list(Numbers().result(workspace)) == [0, 1, 2]

    class Both(Step[list[list[int]]]):
        def run(self, inputs: list[Iterator[int]]) -> list[list[int]]:
            return [list(one) for one in inputs]

    assert Both(inputs=[NotKept(), NotKept(), Numbers(), Numbers()]).result(workspace) == [[0, 1, 2]] * 4


def test_deterministic_steps_draw_the_same_numbers_and_disturb_nobody(workspace: Workspace) -> None:
    class Draws(Step[list[float]]):
        CACHEABLE = False

        def run(self) -> list[float]:
            return [random.random(), float(np.random.random())]

    random.seed(5)
    np.random.seed(5)
    wanted = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    assert Draws().result(workspace) == Draws().result(workspace)
    assert (random.random(), np.random.random()) == wanted


def test_ensuring_computes_only_what_is_absent_and_returns_nothing(workspace: Workspace) -> None:
    made = Count(value=1)
    assert made.ensure_result(workspace) is None  # type: ignore[func-returns-value]
    made.ensure_result(workspace)
    assert calls["count"] == 1
    with pytest.raises(StepError):
        Uncached(value=1).ensure_result(workspace)


def test_a_working_directory_is_there_while_the_step_runs_and_a_temporary_one_goes(workspace: Workspace) -> None:
    class Where(Step[str]):
        def run(self) -> str:
            assert self.work_dir.is_dir()
            return str(self.work_dir)

    class Temporary(Where):
        CACHEABLE = False

        def run(self) -> str:
            calls["dir " + super().run()] += 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Temporary().result(workspace)
    [used] = [name.removeprefix("dir ") for name in calls]
    assert not Path(used).exists()
    assert Path(Where().result(workspace)).exists() == isinstance(workspace, LocalWorkspace)


def test_what_is_known_is_listed_and_can_be_forgotten(workspace: Workspace) -> None:
    made = Count(value=[1, 2])
    made.result(workspace)
    [state] = workspace.states()
    assert (state.id, state.status) == (made.unique_id, "completed")
    assert workspace.has(made.unique_id)
    workspace.remove(made.unique_id)
    assert workspace.states() == []
    assert not workspace.has(made.unique_id)
    with pytest.raises(StepNotFound):
        workspace.remove(made.unique_id)
    made.result(workspace)
    assert calls["count"] == 2


# --- on disk --------------------------------------------------------------------------------------------------------


def test_what_a_failed_attempt_left_in_its_directory_is_there_for_the_next(tmp_path: Path) -> None:
    class Resumes(Step[str]):
        def run(self) -> str:
            part = self.work_dir / "part"
            if not part.exists():
                part.write_text("half")
                raise KeyboardInterrupt
            return part.read_text()

    workspace = LocalWorkspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Resumes().result(workspace)
    assert Resumes().result(workspace) == "half"


def test_files_that_are_no_states_are_passed_over(tmp_path: Path) -> None:
    workspace = LocalWorkspace(tmp_path)
    Count(value=1).result(workspace)
    for name in ("a copy (1).json", ".hidden.json", "x.json~"):
        (tmp_path / "state" / name).write_text("{")
    assert [state.id for state in workspace.states()] == [Count(value=1).unique_id]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "state"])
def test_a_damaged_result_is_computed_again_with_a_warning_that_names_it(tmp_path: Path, damage: str) -> None:
    workspace, made = LocalWorkspace(tmp_path), Count(value=[1, 2, 3])
    made.result(workspace)
    [file] = (tmp_path / "results" / made.unique_id).glob("result*")
    if damage == "flip":
        file.write_bytes(file.read_bytes().replace(b"2", b"4"))
    elif damage == "cut":
        os.truncate(file, 5)
    elif damage == "remove":
        file.unlink()
    else:
        (tmp_path / "state" / f"{made.unique_id}.json").write_bytes(b"{")
        assert made.result(workspace) == [1, 2, 3]
        assert calls["count"] == 2
        return
    with pytest.warns(UserWarning, match=made.unique_id):
        assert made.result(workspace) == [1, 2, 3]
    assert calls["count"] == 2
    assert made.result(workspace) == [1, 2, 3]
    assert calls["count"] == 2


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def test_a_pickle_that_another_machine_has_kept_is_computed_again_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    workspace, made = LocalWorkspace("steps"), Count(value=1, step_format=PickleFormat())
    made.result(workspace)
    monkeypatch.setenv("HOME", str(tmp_path / "another"))
    with pytest.warns(UserWarning, match=f"{made.unique_id}.*not signed"):
        assert made.result(workspace) == 1
    # Whoever made the folder may have written anything into it, checksum included.
    [file] = Path("steps", "results", made.unique_id).iterdir()
    file.write_bytes(file.read_bytes()[:48] + pickle.dumps(Bomb()))
    state = Path("steps", "state", f"{made.unique_id}.json")
    size = file.stat().st_size.to_bytes(8, "little")
    checksum = blake3(file.name.encode() + b"\0" + size + file.read_bytes()).hexdigest()
    state.write_text(json.dumps(json.loads(state.read_text()) | {"checksum": checksum}))
    with pytest.warns(UserWarning, match="not signed"):
        assert made.result(workspace) == 1
    assert calls["count"] == 3
    assert not Path("exploded").exists()


def test_a_clone_brings_no_results_of_steps(repo: Repository, tmp_path: Path) -> None:
    with closing(repo.checkout(write=True)) as writer:
        writer.metadata["note"] = "x"
        writer.commit("something to clone")
    Count(value=1).result(repo.workspace)
    repo.remote.add("origin", str(tmp_path / "bare"))
    repo.remote.push("origin", "master")
    (tmp_path / "clone").mkdir()
    clone = Repository(tmp_path / "clone", exists=False)
    clone.clone("Bo", "bo@example.org", str(tmp_path / "bare"))
    assert clone.workspace.states() == []
    assert not (tmp_path / "clone" / ".hangar" / "steps").exists()


def test_a_step_whose_source_changed_is_taken_with_advice(tmp_path: Path) -> None:
    workspace, made = LocalWorkspace(tmp_path), Count(value=1)
    made.result(workspace)
    path = tmp_path / "state" / f"{made.unique_id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"source": "another"}))
    with pytest.warns(UserWarning, match="VERSION"):
        assert made.result(workspace) == 1
    with pytest.warns(UserWarning, match=made.unique_id):
        made.ensure_result(workspace)
    assert calls["count"] == 1


def test_ensuring_does_not_take_what_is_damaged_for_a_result_and_decodes_nothing(tmp_path: Path) -> None:
    class NeverRead(JsonFormat):
        def read(self, directory: Path) -> Any:
            raise AssertionError("it was read")

    workspace, made = LocalWorkspace(tmp_path), Count(value=[1, 2, 3], step_format=NeverRead())
    made.ensure_result(workspace)
    made.ensure_result(workspace)
    assert calls["count"] == 1
    [file] = (tmp_path / "results" / made.unique_id).glob("result*")
    file.write_bytes(file.read_bytes().replace(b"2", b"4"))
    with pytest.warns(UserWarning, match=made.unique_id) as told:
        made.ensure_result(workspace)
    assert (calls["count"], len(told)) == (2, 1)


SCRIPT = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from hangar_steps import LocalWorkspace, step

    place = Path(sys.argv[1])

    @step(bind=True, version="1")
    def slow(self, how):
        (self.work_dir / "begun").touch()
        with open(place / "calls", "a") as log:
            log.write("x")
        if how == "wait":
            while not (place / "go").exists():
                time.sleep(0.01)
        return how * 1000

    value = slow(how=sys.argv[2]).result(LocalWorkspace(place / "steps"))
    print(len(value))
""")


MORE_POINTS = ("log.write:2", "log.sync:2", "directory.sync:2", "directory.sync:3")


def start(place: Path, how: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(place), how],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def wait_for(path: Path) -> None:
    for _ in range(2000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")


def test_two_processes_racing_for_a_step_run_it_once(tmp_path: Path) -> None:
    racers = [start(tmp_path, "wait") for _ in range(2)]
    wait_for(tmp_path / "calls")
    time.sleep(0.3)
    (tmp_path / "go").touch()
    assert [racer.communicate(timeout=60)[0] for racer in racers] == ["4000\n", "4000\n"]
    assert (tmp_path / "calls").read_text() == "x"


def test_a_killed_step_is_incomplete_and_the_next_process_takes_it_up(tmp_path: Path) -> None:
    racer = start(tmp_path, "wait")
    wait_for(tmp_path / "calls")
    workspace = LocalWorkspace(tmp_path / "steps")
    assert [state.status for state in workspace.states()] == ["running"]
    racer.send_signal(signal.SIGKILL)
    racer.communicate()
    [state] = workspace.states()
    assert state.status == "incomplete"
    assert list((tmp_path / "steps" / "work" / state.id).iterdir())
    (tmp_path / "go").touch()
    assert start(tmp_path, "wait").communicate(timeout=60)[0] == "4000\n"
    assert (tmp_path / "calls").read_text() == "xx"


@pytest.mark.parametrize(
    "point", ["replace:2", "replace:3", *(pytest.param(one, marks=pytest.mark.slow) for one in MORE_POINTS)]
)
def test_a_crash_while_a_result_is_written_leaves_all_or_nothing(tmp_path: Path, point: str) -> None:
    racer = start(tmp_path, "quick", HANGAR_FAILPOINT=point)
    racer.communicate(timeout=60)
    assert racer.returncode == -signal.SIGKILL
    workspace = LocalWorkspace(tmp_path / "steps")
    [state] = workspace.states()
    assert state.status in {"incomplete", "completed"}
    assert start(tmp_path, "quick").communicate(timeout=60)[0] == "5000\n"
    again = "xx" if state.status == "incomplete" else "x"
    assert (tmp_path / "calls").read_text() == again
    assert [state.status for state in workspace.states()] == ["completed"]
