"""`hangar run` and `hangar steps`, as typed at a terminal, and the socket by which commands enter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core import Repository

from .conftest import hangar

PIPELINE = textwrap.dedent("""
    import numpy as np
    from hangar_steps import Step, derive, step

    @derive(input="images", output="small", version="1")
    def small(image, size: int = 2):
        if image[0, 0] == 99:
            raise ValueError("bad image")
        return image[:size, :size].copy()

    @derive(input=("images", "small"), output="means", version="1")
    def means(image, corner):
        return np.array([image.mean(), corner.mean()])

    @step(version="1", exist_ok=True)
    def train(data, lr=0.1):
        with open("trained", "a") as log:
            log.write("x")
        return {"lr": lr, "n": len(data)}

    both = [means, small]
    number = 3
    empty = []

    @step(version="1", exist_ok=True)
    def loud(n: int = 0):
        print("loud", n)
        return object() if n == 9 else n

    several = [loud(n=1), loud(n=2)]

    @derive(input="images", output="noisy", version="1")
    def noisy(image):
        print("noise")
        return image

    def model(lr: float = 0.1):
        from hangar_core import Repository
        return train(data=Repository(".").checkout()["images"], lr=lr)
""")


@pytest.fixture
def place(repo: Repository) -> Path:
    folder = Path(repo.path)
    (folder / "pipeline.py").write_text(PIPELINE)
    put(repo, range(5))
    return folder


def put(repo: Repository, numbers: Any, offset: int = 0) -> None:
    writer: Any = repo.checkout(write=True)
    with closing(writer):
        if "images" not in writer.arraysets:
            writer.arraysets.init_arrayset("images", shape=(4, 4), dtype=np.uint8)
        for number in numbers:
            writer["images"][number] = np.full((4, 4), number + offset, np.uint8)
        writer.commit("images")


def facts(place: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hangar(place, *words, "--json").stdout)
    return found


def test_the_plan_is_printed_and_nothing_is_computed(place: Path) -> None:
    plan = facts(place, "run", "pipeline:both", "--dry-run")
    assert plan["version"] == "hangar.run/1"
    assert [(row["output"], row["plan"], row["samples"]) for row in plan["steps"]] == [
        ("small", "run", "5 of 5"),
        ("means", "waits", "?"),
    ]
    assert "small-1-" in hangar(place, "run", "pipeline:small", "--dry-run").stdout
    assert Repository(place).status().clean
    assert not (place / ".hangar" / "steps").exists()


def test_derived_arraysets_are_staged_and_status_tells_when_they_are_stale(place: Path, repo: Repository) -> None:
    done = hangar(place, "run", "pipeline:both")
    assert "Staged: small" in done.stderr
    assert "waits" in done.stdout
    hangar(place, "commit", "-m", "small")
    assert [row["done"] for row in facts(place, "run", "pipeline:both", "--commit", "all")["steps"]] == ["hit", "ran"]
    assert facts(place, "status")["derived"][1]["changed"] == []
    put(repo, [1], 100)
    plan = facts(place, "run", "pipeline:small", "--dry-run")["steps"]
    assert [(row["plan"], row["samples"]) for row in plan] == [("stale", "1 of 5")]
    assert facts(place, "run", "pipeline:small", "--dry-run", "--force", "small")["steps"][0]["plan"] == "run"
    assert "STALE\n  means: images changed since means-1-" in hangar(place, "status").stdout
    rows = facts(place, "run", "pipeline:both", "--commit", "again", "--jobs", "2")["steps"]
    assert [(row["computed"], row["reused"], bool(row["commit"])) for row in rows] == [(1, 4, True)] * 2
    assert "STALE" not in hangar(place, "status").stdout


def test_what_is_only_staged_is_not_computed_again(place: Path) -> None:
    hangar(place, "run", "pipeline:small")
    assert facts(place, "run", "pipeline:small", "--dry-run")["steps"][0]["samples"] == "0 of 5"
    assert facts(place, "run", "pipeline:small")["steps"][0]["computed"] == 0
    hangar(place, "reset", "--hard")
    assert facts(place, "run", "pipeline:small", "--commit", "small")["steps"][0]["commit"]
    with closing(Repository(place).checkout()) as reader:
        assert reader["small", 3].tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize("words", [["pipeline:several"], ["pipeline:noisy"], ["pipeline:noisy", "--jobs", "2"]])
def test_what_the_users_code_prints_is_not_in_the_document(place: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "hangar_cli", "run", *words, "--json"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["version"] == "hangar.run/1"
    assert "loud 2" in done.stderr or done.stderr.count("noise") == 5


def test_what_is_forced_is_named_by_id_by_its_beginning_or_by_its_arrayset(place: Path) -> None:
    ids = [row["id"] for row in facts(place, "run", "pipeline:several")["steps"]]
    rows = facts(place, "run", "pipeline:several", "--dry-run", "--force", ids[1][:-3])["steps"]
    assert [row["plan"] for row in rows] == ["hit", "run"]
    assert "could be any of: loud-1-" in hangar(place, "run", "pipeline:several", "--force", "loud", code=2).stderr
    assert "is none of: loud-1-" in hangar(place, "run", "pipeline:several", "--force", "", code=2).stderr
    hangar(place, "run", "pipeline:small")
    assert facts(place, "run", "pipeline:small", "--force", "small")["steps"][0]["computed"] == 5


def test_what_steps_warn_of_is_told_in_a_line(place: Path) -> None:
    module = place / "again.py"
    module.write_text(
        "import warnings\nfrom hangar_steps import step\n"
        "@step('again', version='1', exist_ok=True)\ndef again():\n    return 1\nthis = again()\n"
    )
    [row] = facts(place, "run", "again:this")["steps"]
    [result] = (place / ".hangar" / "steps" / "results" / row["id"]).glob("result.json")
    result.write_text("damaged")
    said = typed(place, "run", "again:this")
    assert f"Warning: The stored result of {row['id']} cannot be used: its bytes are not those" in said
    assert ".py" not in said
    module.write_text(module.read_text().replace("return 1", "return 1 + 0") + "warnings.warn('mine')\n")
    said = typed(place, "run", "again:this")
    assert "Warning: The source of again has changed" in said
    assert "again.py:7: UserWarning: mine" in said


def test_a_damaged_result_that_is_computed_again_was_run(place: Path) -> None:
    [row] = facts(place, "run", "pipeline:model")["steps"]
    assert (row["plan"], row["done"]) == ("run", "ran")
    assert facts(place, "run", "pipeline:model")["steps"][0]["done"] == "hit"
    (place / ".hangar" / "steps" / "results" / row["id"] / "result.json").write_text("damaged")
    command = [sys.executable, "-m", "hangar_cli", "run", "pipeline:model"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[1].split()[:2] == [row["id"], "ran"]
    assert f"Warning: The stored result of {row['id']} cannot be used" in done.stderr
    assert (place / "trained").read_text() == "xx"


def test_the_plan_leaves_out_what_was_computed_and_only_has_to_be_published(place: Path, repo: Repository) -> None:
    with closing(repo.checkout(write=True)):
        hangar(place, "run", "pipeline:small", code=7)
    put(repo, [5])
    for _ in range(2):
        assert facts(place, "run", "pipeline:small", "--dry-run")["steps"][0]["samples"] == "1 of 6"
    forced = facts(place, "run", "pipeline:small", "--dry-run", "--force", "small")
    assert forced["steps"][0]["samples"] == "6 of 6"
    assert facts(place, "run", "pipeline:small")["steps"][0]["computed"] == 1


def test_status_says_what_is_to_be_committed_before_anything_can_be_computed(place: Path, repo: Repository) -> None:
    hangar(place, "run", "pipeline:both", "--commit", "all")
    hangar(place, "run", "pipeline:both", "--commit", "all")
    with closing(repo.checkout(write=True)) as writer:
        writer["images"][1] = np.full((4, 4), 9, np.uint8)  # type: ignore[index]
    said = hangar(place, "status").stdout
    assert "small: images changed since" in said
    assert "Commit the changes of images first: `hangar run` reads what is committed." in said
    assert "computes what has changed" not in said
    hangar(place, "commit", "-m", "images")
    said = hangar(place, "status").stdout
    assert "`hangar run MODULE:FUNCTION` computes what has changed." in said
    assert "first" not in said


def test_what_a_clone_lacks_is_told_once_in_a_line(place: Path, tmp_path: Path) -> None:
    hangar(place, "run", "pipeline:small", "--commit", "small")
    (tmp_path / "clone").mkdir()
    other = Repository(tmp_path / "clone", exists=False)
    other.clone("Bob", "bob@example.org", str(place))
    (tmp_path / "clone" / "pipeline.py").write_text(PIPELINE)
    for target in ("pipeline:small", "pipeline:means", "pipeline:model"):
        said = typed(tmp_path / "clone", "run", target, "--dry-run")
        assert said.count("Warning: Arrayset: images contains `reference-only` samples") == 1
        assert ".py" not in said
        assert "UserWarning" not in said


@pytest.mark.parametrize("content", ["{", '{"version": "hangar.step-state/1", "started": "x"}'])
def test_a_damaged_state_is_told_once_and_set_aside(place: Path, content: str) -> None:
    ids = [row["id"] for row in facts(place, "run", "pipeline:several")["steps"]]
    state = place / ".hangar" / "steps" / "state" / f"{ids[0]}.json"
    state.write_text(content)
    said = typed(place, "steps", "ls")
    assert f"The state of {ids[0]} is damaged" in said
    assert "set aside" in said
    assert (state.parent / f"{ids[0]}.json.damaged").read_text() == content
    assert typed(place, "steps", "ls") == ""
    assert [one["id"] for one in facts(place, "steps", "ls")["steps"]] == [ids[1]]
    assert facts(place, "run", "pipeline:several")["steps"][0]["done"] == "ran"
    assert facts(place, "run", "pipeline:several")["steps"][0]["done"] == "hit"


def typed(place: Path, *words: str) -> str:
    """Return what is said of a command in a process of its own, where warnings are no errors."""
    command = [sys.executable, "-m", "hangar_cli", *words]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=True).stderr


def test_an_empty_list_has_nothing_to_run(place: Path) -> None:
    done = hangar(place, "run", "pipeline:empty")
    assert (done.stdout, done.stderr) == ("", "`pipeline:empty` is empty: there is nothing to run.\n")
    assert facts(place, "run", "pipeline:empty")["steps"] == []


def test_a_result_that_cannot_be_kept_is_told_with_its_step(place: Path) -> None:
    said = hangar(place, "run", "pipeline:loud", "--set", "n=9", code=1).stderr
    assert "The result of loud-1-" in said
    assert "PickleFormat" in said


def test_two_processes_that_derive_the_same_compute_each_sample_once(place: Path) -> None:
    (place / "slow.py").write_text(
        "import time\nfrom hangar_steps import derive\n"
        "@derive(input='images', output='slow', version='1')\n"
        "def slow(image):\n"
        "    time.sleep(0.2)\n"
        "    with open('computed', 'a') as log:\n"
        "        log.write('x')\n"
        "    return image[:1].copy()\n"
    )
    command = [sys.executable, "-m", "hangar_cli", "run", "slow:slow", "--commit", "slow", "--wait", "60"]
    both = [subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert (place / "computed").read_text() == 5 * "x"
    with closing(Repository(place).checkout()) as reader:
        assert len(reader.arraysets["slow"]) == 5


def test_settings_go_to_the_target_and_steps_are_kept(place: Path) -> None:
    for plan in ("run", "hit"):
        assert facts(place, "run", "pipeline:model", "--set", "lr=0.5")["steps"][0]["plan"] == plan
    assert facts(place, "run", "pipeline:model")["steps"][0]["plan"] == "run"
    assert (place / "trained").read_text() == "xx"
    [step, _] = facts(place, "steps", "ls")["steps"]
    assert step["status"] == "completed"
    hangar(place, "run", "pipeline:model", "--force", facts(place, "run", "pipeline:model")["steps"][0]["id"])
    assert (place / "trained").read_text() == "xxx"
    assert facts(place, "run", "pipeline:small", "--set", "size=3")["steps"][0]["done"] == "ran"


def test_steps_are_listed_and_forgotten(place: Path) -> None:
    assert "Nothing is kept" in hangar(place, "steps", "ls").stderr
    hangar(place, "run", "pipeline:model")
    hangar(place, "run", "pipeline:small")
    listed = hangar(place, "steps", "ls").stdout
    assert "completed" in listed
    assert "5 samples" in listed
    assert "Forgotten: train-1-" in hangar(place, "steps", "rm", "train").stdout
    hangar(place, "steps", "rm", "small")
    assert facts(place, "steps", "ls") == {"version": "hangar.steps/1", "steps": [], "derived": []}
    assert "no step `train`" in hangar(place, "steps", "rm", "train", code=4).stderr


def test_steps_are_forgotten_by_age(place: Path) -> None:
    hangar(place, "run", "pipeline:several")
    first, second = (place / ".hangar" / "steps" / "state").iterdir()
    first.write_text(json.dumps(json.loads(first.read_text()) | {"ended": time.time() - 3 * 86_400}))
    assert "No step is as old" in hangar(place, "steps", "rm", "--older-than", "4").stderr
    assert facts(place, "steps", "rm", "--older-than", "2.5")["removed"] == [first.stem]
    assert facts(place, "steps", "rm", "--older-than", "0", second.stem)["removed"] == [second.stem]
    assert "Say which" in hangar(place, "steps", "rm", code=2).stderr
    for days in ("-1", "x"):
        assert "older-than" in hangar(place, "steps", "rm", "--older-than", days, code=2).stderr


def test_a_name_that_several_steps_have_is_told(place: Path) -> None:
    ids = sorted(row["id"] for row in facts(place, "run", "pipeline:several")["steps"])
    said = hangar(place, "steps", "rm", "loud", code=4).stderr
    assert "no single step `loud`" in said
    assert ", ".join(ids) in said
    assert "no step ``" in hangar(place, "steps", "rm", "", code=4).stderr
    assert len(facts(place, "steps", "ls")["steps"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["pipeline"], 4, "MODULE:OBJECT"),
        (["nobody:x"], 4, "no module `nobody`"),
        (["../pipeline:small"], 4, "MODULE is a name such as `pipeline`, not a path"),
        (["../pipeline:small"], 4, "hangar run pipeline:small"),
        (["./pipeline.py:small"], 4, "not a path"),
        (["pipeline.py:small"], 4, "not a path"),
        (["/tmp/pipeline.py"], 4, "not a path"),
        ([".pipeline:small"], 4, "not a path"),
        (["pipeline:"], 4, "MODULE:OBJECT"),
        (["pipeline:nobody"], 4, "no `nobody`"),
        (["pipeline:number"], 4, "int, not a step"),
        (["pipeline:model", "--set", "q=1"], 4, "do not fit"),
        (["pipeline:both", "--set", "q=1"], 4, "--set needs"),
        (["pipeline:small", "--set", "q=1"], 1, "no option `q`"),
        (["pipeline:model", "--set", "q"], 2, "NAME=VALUE"),
        (["pipeline:model", "--force", "x"], 2, "none of"),
        (["pipeline:small", "--jobs", "0"], 2, "--jobs"),
        (["broken:x"], 1, "SyntaxError"),
        (["raises:x"], 1, "raises.py, line 2"),
    ],
)
def test_a_mistake_is_told_in_a_line(place: Path, words: list[str], code: int, says: str) -> None:
    (place / "broken.py").write_text("def")
    (place / "raises.py").write_text("\n1 / 0")
    assert says in hangar(place, "run", *words, code=code).stderr


def test_code_that_raises_is_told_with_sample_and_line(place: Path, repo: Repository) -> None:
    put(repo, [4], 95)
    said = hangar(place, "run", "pipeline:small", code=1).stderr
    assert "ValueError: bad image, while deriving the sample 4 of images (pipeline.py, line 8)" in said
    assert Repository(place).status().clean


def test_a_locked_repository_is_told_after_the_work_and_the_work_is_kept(place: Path, repo: Repository) -> None:
    with closing(repo.checkout(write=True)):
        hangar(place, "run", "pipeline:small", code=7)
    assert facts(place, "run", "pipeline:small")["steps"][0]["computed"] == 0


# --- the socket -----------------------------------------------------------------------------------------------------


def distribution(place: Path, name: str, points: str, module: str = "") -> None:
    """Lay down an installed package as pip leaves it."""
    metadata = place / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[hangar.commands]\n" + points)
    (place / f"{name}.py").write_text(module)


def guests(place: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hangar_cli", *words],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(place), "NO_COLOR": "1"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_commands_of_packages_are_found_and_built_in_ones_win(tmp_path: Path) -> None:
    module = "import click\n@click.command()\ndef hello():\n    click.echo('hi')\nnumber = 3\n"
    distribution(tmp_path, "guest", "hello = guest:hello\nstatus = guest:hello\nnumber = guest:number", module)
    distribution(tmp_path, "worse", "broken = worse:x\nhello = worse:x", "raise SystemExit(5)")
    overview = guests(tmp_path, "--help")
    assert "hello   from guest 1.0" in overview
    assert "hangar has a command of that name" in overview
    assert "guest 1.0 has a command of that name" in overview
    assert guests(tmp_path, "hello") == "hi\n"
    assert "hangar init" in guests(tmp_path, "status", code=4)
    assert "broken` of worse 1.0 cannot be loaded: SystemExit" in guests(tmp_path, "broken", code=1)
    assert "is int, not a click command" in guests(tmp_path, "number", code=1)
    assert "Did you mean 'hello'" in guests(tmp_path, "helo", code=2)


def test_at_a_terminal_it_is_the_same(place: Path) -> None:
    words = [sys.executable, "-m", "hangar_cli", "run", "pipeline:small", "--commit", "small"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=60, check=True)
    assert "small: 5 computed, 0 known, 0 dropped." in done.stderr
    assert done.stdout.splitlines()[0].split() == ["STEP", "DONE", "SECONDS"]


DERIVED_TOGETHER = textwrap.dedent("""
    from hangar_steps import derive

    def half(image):
        return image // 2

    one = derive(input="images", output="one", version="1")(half)
    two = derive(input="images", output="two", version="1")(half)
    both = [one, two]
    against = [one, derive(input="images", output="one", version="2")(half)]
    loop = []
    for factor in (2, 3):
        @derive(input="images", output=f"times{factor}", version="1")
        def times(image):
            return image * factor
        loop.append(times)
""")


def test_one_function_derives_several_arraysets(place: Path) -> None:
    (place / "together.py").write_text(DERIVED_TOGETHER)
    done = json.loads(hangar(place, "run", "together:both", "--commit", "both", "--json").stdout)
    assert [(row["output"], row["computed"]) for row in done["steps"]] == [("one", 5), ("two", 0)]
    with closing(Repository(place).checkout()) as reader:
        assert len(reader["one"]) == len(reader["two"]) == 5


@pytest.mark.parametrize(
    ("target", "says"), [("against", "`one` is derived in two ways"), ("loop", "two functions of one name, `times`")]
)
def test_derivations_that_would_take_each_other_s_place_are_refused(place: Path, target: str, says: str) -> None:
    (place / "together.py").write_text(DERIVED_TOGETHER)
    assert says in hangar(place, "run", f"together:{target}", code=4).stderr
