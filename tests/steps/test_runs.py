"""Runs: what made a result is on record, and two of them can be compared."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_steps import Config, ConfigurationError, ExperimentParameters, StepError, derive, set_hash_functions, step

from .conftest import hangar


@dataclass
class Params(ExperimentParameters):
    lr: float = 0.1
    gpus: int = 1
    model: Any = None
    hash_representations: dict[str, Any] = set_hash_functions(gpus=None)  # noqa: RUF009 - it makes a field


@step("run-train", version="1")
def train(lr: float) -> float:
    return lr * 2


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a git repository with a commit."""
    place = tmp_path / "code"
    place.mkdir()
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "A")
        monkeypatch.setenv(f"{name}_EMAIL", "a@b.org")
    (place / "train.py").write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=place, check=True)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def filled(repo: Repository) -> Repository:
    put(repo, range(3))
    return repo


def put(repo: Repository, numbers: Any) -> None:
    writer: Any = repo.checkout(write=True)
    with closing(writer):
        if "x" not in writer.arraysets:
            writer.arraysets.init_arrayset("x", shape=(), dtype=np.int64)
        writer["x"].update({f"n{number}": np.array(number) for number in numbers})
        writer.commit("numbers")


def test_code_under_no_git_is_told_once_and_by_the_line_of_the_user(
    filled: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "main.py"), raising=False)
    with pytest.warns(RuntimeWarning, match="no git repository") as told, filled.run(), filled.run(config=Config()):
        pass
    assert [Path(one.filename) for one in told] == [Path(__file__)] * 2
    assert filled.runs[0].facts["experiment_id"] is None


def test_a_run_records_code_data_parameters_steps_and_how_it_went(filled: Repository, code: Path) -> None:
    params = Params(name="base", lr=0.5, gpus=2)
    (code / "train.py").write_text("2")
    with filled.run(params, Config(seed=1)) as run:
        assert run.result(train(lr=params.lr)) == 1.0
        assert run.result(train(lr=params.lr)) == 1.0
        put(filled, [7])
        run.results["loss"] = 0.25
    [record] = filled.runs
    facts = record.facts
    assert (record.status, record.attempt, record.run_id) == ("completed", 1, run.config.run_id)
    assert facts["experiment_id"] == run.config.experiment_id
    assert facts["dirty"] is True
    assert (record.read, record.wrote) == (digests.text(filled.resolve("HEAD~1")), digests.text(filled.resolve()))
    assert record.params["hash"] == params.hash == Params(lr=0.5).params_hash()
    assert (record.params["name"], record.params["counted"], record.params["ignored"]) == (
        "base",
        {"lr": 0.5},
        {"gpus": 2, "model": None},
    )
    assert record.params["class"].endswith("Params")
    assert [(one["id"], one["status"]) for one in facts["steps"]] == [
        (train(lr=0.5).unique_id, "ran"),
        (train(lr=0.5).unique_id, "hit"),
    ]
    assert facts["config"]["seed"] == 1
    assert facts["results"] == {"loss": 0.25}
    assert record.ended is not None
    assert record.started <= record.ended
    assert {"python", "hangar-core"} <= facts["versions"].keys()


@step("run-total", version="1")
def total(data: Any) -> int:
    return sum(int(value) for value in data.values())


@step("run-oldest", version="1")
def oldest(path: str) -> int:
    with closing(Repository(path).checkout(commit="HEAD~1")) as reader:
        return len(reader["x"])


@derive(input="x", output="doubled", version="1")
def doubled(number: Any) -> Any:
    return np.asarray(number * 2)


def test_a_run_records_the_commits_that_its_steps_have_really_read(filled: Repository) -> None:
    """HEAD may be another one when the run begins, and move while it lasts."""
    old = digests.text(filled.resolve())
    data = filled.checkout(commit=old)["x"]
    put(filled, [7])
    head = digests.text(filled.resolve())
    with filled.run(config=Config(run_id="a")) as run:
        run.result(total(data=data))
    with filled.run(config=Config(run_id="b")) as run:
        run.result(total(data=data))  # it is known now, and was made of that commit all the same
    with filled.run(config=Config(run_id="c")) as run:
        run.result(oldest(path=filled.path))
    with filled.run(config=Config(run_id="d")) as run:
        put(filled, [8])
        derived_from = digests.text(filled.resolve())
        doubled.update(filled, commit="doubled")
        run.result(total(data=data))
    by_id = {record.run_id: record for record in filled.runs}
    assert [(by_id[name].read, by_id[name].reads) for name in "abc"] == [(old, (old,))] * 3
    last = by_id["d"]
    assert (last.read, last.reads, last.wrote) == (
        derived_from, (derived_from, old), digests.text(filled.resolve())
    )  # fmt: skip
    assert [one["reads"] for one in last.facts["steps"]] == [[derived_from], [old]]
    listed = json.loads(hangar(Path(filled.path), "runs", "--commit", old, "--json").stdout)
    assert {one["run_id"] for one in listed["runs"]} == {"a", "b", "c", "d"}
    assert json.loads(hangar(Path(filled.path), "runs", "--commit", head, "--json").stdout)["runs"] == []
    assert f"reads: {derived_from}, {old}\n" in hangar(Path(filled.path), "runs", "show", "d").stdout
    assert f"{derived_from[:12]}, {old[:12]}" in hangar(Path(filled.path), "runs").stdout
    assert (
        f"data: {old[:12]} -> {derived_from[:12]}, {old[:12]}\n"
        in hangar(Path(filled.path), "runs", "diff", "a", "d").stdout
    )
    noted = hangar(Path(filled.path), "log", "--runs").stdout.splitlines()
    assert [line for line in noted if line.startswith(old[:12]) and line.endswith("read by run d")]


def test_what_is_read_in_the_block_itself_counts_and_what_was_read_before_it_does_not(filled: Repository) -> None:
    put(filled, [7])
    filled.checkout(commit="HEAD~1").close()
    with filled.run(config=Config(run_id="a")), closing(filled.checkout(commit="HEAD~1")):
        pass
    with filled.run(config=Config(run_id="b")):
        pass
    by_id = {record.run_id: record for record in filled.runs}
    assert by_id["a"].reads == (digests.text(filled.resolve("HEAD~1")),)
    # Nobody has told of another: it is the one that was there.
    assert by_id["b"].reads == (digests.text(filled.resolve()),)


def test_an_exception_is_recorded_and_passes_on(filled: Repository) -> None:
    @step("run-fails")
    def fails() -> None:
        raise ZeroDivisionError("oh")

    run = filled.run()
    run.results["odd"] = object()
    with pytest.raises(ZeroDivisionError), run:
        run.result(fails())
    [record] = filled.runs
    assert (record.status, record.facts["error"]) == ("failed", "ZeroDivisionError: oh")
    assert record.facts["steps"][0]["status"] == "failed"
    assert record.params == {}


def test_only_steps_are_results_of_a_run(filled: Repository) -> None:
    with filled.run() as run, pytest.raises(ConfigurationError, match=r"a step .a derived arrayset has `update`"):
        run.result(doubled)  # type: ignore[arg-type]


def test_repeated_runs_are_attempts_and_come_newest_first(filled: Repository) -> None:
    for _ in range(2):
        with filled.run(Params(), Config()):
            pass
    with filled.run(Params(), Config(seed=3)):
        pass
    assert [record.attempt for record in filled.runs] == [1, 2, 1]
    assert [record.attempts for record in filled.runs] == [1, 2, 2]
    run_id = filled.runs[2].run_id
    assert [record.id for record in filled.runs[1:]] == [f"{run_id}#2", f"{run_id}#1"]
    assert filled.runs[0].id == filled.runs[0].run_id


def test_parameters_may_ask_for_everything_anew(filled: Repository) -> None:
    for overwrite, statuses in ((False, ["ran"]), (True, ["ran", "hit"]), (False, ["hit"])):
        with filled.run(Params(overwrite=overwrite)) as run:
            for _ in statuses:
                assert run.result(train(lr=0.5)) == 1.0
        assert [one["status"] for one in filled.runs[0].facts["steps"]] == statuses


def test_the_workspace_of_a_repository_is_that_of_its_runs(filled: Repository) -> None:
    made = train(lr=0.25)
    made.ensure_result(filled.workspace)
    with filled.run() as run:
        run.result(made)
    assert [one["status"] for one in filled.runs[0].facts["steps"]] == ["hit"]


def test_the_hash_of_the_parameters_stays_once_a_run_has_begun(filled: Repository) -> None:
    params = Params()
    with filled.run(params):
        before = params.params_hash()
        params.lr = 9
        assert params.params_hash() == before
    params.hash = None
    assert params.params_hash() != before


def test_only_parameters_and_configurations_are_taken_and_a_run_begins_once(repo: Repository) -> None:
    for wrong in ((1,), (None, {"a": 1})):
        with pytest.raises(ConfigurationError):
            repo.run(*wrong)
    run = repo.run()
    with run:
        pass
    with pytest.raises(StepError):
        run.__enter__()
    assert repo.runs[0].read is None


def test_results_must_be_plain_data(repo: Repository) -> None:
    run = repo.run()
    run.__enter__()
    run.results["odd"] = object()
    with pytest.raises(TypeError, match=r"results\.odd"):
        run.__exit__(None, None, None)


def test_the_notes_are_kept_by_a_collection_of_garbage_and_are_no_part_of_commits(filled: Repository) -> None:
    before = filled.resolve()
    with filled.run():
        pass
    assert filled.resolve() == before
    newest = filled.run_notes()[0]
    text = json.dumps(newest, sort_keys=True, separators=(",", ":"))
    assert digests.text_digest(text) in filled.roots()
    assert newest["previous"] == digests.text(
        digests.text_digest(json.dumps(filled.run_notes()[1], sort_keys=True, separators=(",", ":")))
    )


def test_many_may_note_their_runs_at_once(repo: Repository) -> None:
    def note(number: int) -> None:
        for turn in range(5):
            Repository(repo.path).note_run({"number": number, "turn": turn})

    threads = [threading.Thread(target=note, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(one["number"], one["turn"]) for one in repo.run_notes()}) == 20


def test_a_damaged_note_is_an_error(repo: Repository) -> None:
    from hangar_core.history import refs

    for text in ("[1]", "{", "{}", '{"previous": "x"}', "[" * 9999):
        digest = digests.text_digest(text)
        tables = repo._context.tables
        with tables.write() as batch, tables.read() as reader:
            batch.put("nodes", digest, text.encode())
            refs.move_run_notes(batch, refs.run_notes(reader), digest)
        with pytest.raises(CorruptRecord):
            repo.run_notes()


def test_a_killed_run_is_unfinished(filled: Repository) -> None:
    script = (
        "import os, signal, sys, warnings\nwarnings.simplefilter('ignore')\nfrom hangar_core import Repository\n"
        "with Repository(sys.argv[1]).run() as run:\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, filled.path], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [(record.status, record.ended) for record in filled.runs] == [("unfinished", None)]


# --- at a terminal --------------------------------------------------------------------------------------------------


@pytest.fixture
def two(filled: Repository) -> Path:
    """A repository with two runs: other parameters, and data in between."""
    for number, name in enumerate(("base", "fast")):
        with filled.run(Params(name=name, lr=0.1 + number, model=len), Config(seed=number)) as run:
            run.result(train(lr=0.1 + number))
            run.results["loss"] = number
        put(filled, [1, number + 5])
    return Path(filled.path)


def test_runs_are_listed_and_chosen(two: Path) -> None:
    listed = hangar(two, "runs").stdout.splitlines()
    assert listed[0].split()[0] == "RUN"
    assert ["fast (Params)" in listed[1], "base (Params)" in listed[2]] == [True, True]
    rows = json.loads(hangar(two, "runs", "--params", "base", "--json").stdout)
    assert (rows["version"], len(rows["runs"])) == ("hangar.runs/1", 1)
    assert len(json.loads(hangar(two, "runs", "--commit", "HEAD~2", "--json").stdout)["runs"]) == 1
    assert "no such runs" in hangar(two, "runs", "--params", "nobody").stderr
    assert "are for the list" in hangar(two, "runs", "--json", "show", "x", code=2).stderr


def test_what_made_a_run_fail_is_part_of_the_comparison(filled: Repository) -> None:
    for number in range(2):
        with contextlib.suppress(ZeroDivisionError), filled.run(config=Config(run_id=f"r{number}")):
            _ = 1 / number if number == 0 else 1
    said = hangar(Path(filled.path), "runs", "diff", "r1", "r0").stdout
    assert "status: completed -> failed\n" in said
    assert "error: None -> ZeroDivisionError: division by zero\n" in said


def test_one_run_is_shown(two: Path) -> None:
    [row] = json.loads(hangar(two, "runs", "--params", "base", "--json").stdout)["runs"]
    shown = hangar(two, "runs", "show", row["run_id"][:8]).stdout
    for line in ("params.counted.lr: 0.1", "status: completed", "results.loss: 0", "config.seed: 0"):
        assert line in shown
    assert json.loads(hangar(two, "runs", "show", row["run_id"], "--json").stdout)["status"] == "completed"
    assert "no run" in hangar(two, "runs", "show", "nobody", code=4).stderr
    assert "no run" in hangar(two, "runs", "show", row["run_id"] + "#9", code=4).stderr


def test_two_runs_are_compared(two: Path) -> None:
    ids = [row["run_id"] for row in json.loads(hangar(two, "runs", "--json").stdout)["runs"]]
    said = hangar(two, "runs", "diff", ids[1], ids[0]).stdout
    for line in (
        "params.lr: 0.1 -> 1.1",
        "params.name: base -> fast",
        "config.seed: 0 -> 1",
        "results.loss: 0 -> 1",
        "data x: 1 added",
    ):
        assert line in said
    assert f"step {train(lr=0.1).unique_id}: only a\n" in said
    assert f"step {train(lr=1.1).unique_id}: only b\n" in said
    assert "run_id" not in said
    assert "Nothing differs" in hangar(two, "runs", "diff", ids[0], ids[0]).stdout
    document = json.loads(hangar(two, "runs", "diff", ids[1], ids[0], "--json").stdout)
    assert document["data"] == [{"arrayset": "x", "added": 1, "deleted": 0, "mutated": 0}]


def test_attempts_are_told_apart_by_what_is_listed(filled: Repository) -> None:
    place = Path(filled.path)
    for loss in (1, 2):
        with filled.run(Params(name="base"), Config(run_id="a chosen id that is long")) as run:
            run.results["loss"] = loss
    with filled.run(Params(name="base"), Config(run_id="#1")) as run:
        pass
    rows = json.loads(hangar(place, "runs", "--json").stdout)["runs"]
    assert [row["id"] for row in rows] == ["#1", "a chosen id that is long#2", "a chosen id that is long#1"]
    assert all(row["id"] in hangar(place, "runs").stdout for row in rows)
    assert "results.loss: 1 -> 2" in hangar(place, "runs", "diff", rows[2]["id"], rows[1]["id"]).stdout
    assert json.loads(hangar(place, "runs", "show", "a chosen", "--json").stdout)["id"] == rows[1]["id"]
    assert json.loads(hangar(place, "runs", "show", "#1", "--json").stdout)["run_id"] == "#1"
    for text in ("", "#2", "a chosen#3", "a chosen#x"):
        assert "no run" in hangar(place, "runs", "show", text, code=4).stderr
    said = hangar(place, "log", "--runs").stdout
    assert all(f"read by run {row['id']}\n" in said for row in rows)


def test_code_that_nobody_committed_is_told(filled: Repository, code: Path) -> None:
    place = Path(filled.path)
    for number in range(3):
        with filled.run(config=Config(run_id=f"r{number}")):
            pass
        (code / "train.py").write_text(f"{number} + 1")
    first = hangar(place, "runs", "diff", "r0", "r1")
    assert "code.dirty: False -> True" in first.stdout
    assert first.stderr == ""
    second = hangar(place, "runs", "diff", "r1", "r2")
    assert "Nothing differs" in second.stdout
    assert "nobody had committed" in second.stderr


def test_the_code_of_a_script_elsewhere_is_looked_at_where_it_lies(
    filled: Repository, code: Path, tmp_path: Path
) -> None:
    (code / "train.py").write_text("from hangar_core import Repository\nRepository('.').run().__enter__()\n")
    subprocess.run([sys.executable, code / "train.py"], cwd=filled.path, check=True)
    assert filled.runs[0].facts["dirty"] is True
    assert filled.runs[0].facts["experiment_id"] == Config()["experiment_id"]


def test_the_log_tells_which_runs_have_read_a_commit(two: Path) -> None:
    ids = [row["run_id"] for row in json.loads(hangar(two, "runs", "--json").stdout)["runs"]]
    assert f" read by run {ids[0]}\n" in hangar(two, "log", "--runs").stdout
    commits = json.loads(hangar(two, "log", "--runs", "--json").stdout)["commits"]
    assert [[run["run_id"] for run in commit["runs"]] for commit in commits] == [[], [ids[0]], [ids[1]]]
    assert "runs" not in json.loads(hangar(two, "log", "--json").stdout)["commits"][0]


def test_where_there_are_no_runs_it_says_so(filled: Repository) -> None:
    assert "There are no runs." in hangar(Path(filled.path), "runs").stderr
    assert hangar(Path(filled.path), "log", "--runs").stdout == hangar(Path(filled.path), "log").stdout


def test_a_run_records_the_code_that_is_there_whatever_its_settings_say(
    filled: Repository, code: Path, tmp_path: Path
) -> None:
    Config(lr=1).save(tmp_path / "conf.json")
    (code / "train.py").write_text("2")
    subprocess.run(["git", "commit", "-q", "-a", "-m", "second"], cwd=code, check=True)
    with filled.run(config=Config.load(tmp_path / "conf.json")):
        pass
    assert filled.runs[0].facts["experiment_id"] == Config()["experiment_id"]
