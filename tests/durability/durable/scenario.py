"""Scenarios: sequences of steps, each done to a real repository and to the model of one.

`predict` gives the state before the first step and after each. What a crash leaves must be one of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hangar_core import Repository
from hangar_core.checkout import WriterCheckout
from hangar_core.records.keys import encode_key
from hangar_core.storage.segments import SegmentWriter

from .state import State, Table, observe, value

Key = str | int

# name -> (dtype, shape, whether the shape is only the largest)
ARRAYSETS: dict[str, tuple[str, tuple[int, ...], bool]] = {
    "a": ("<i4", (4,), False),
    "b": ("<f8", (6, 6), True),
    "large": ("|u1", (1100, 1000), False),  # a payload that is written by calls of its own
    "sealed": ("<i2", (5,), False),
    "small": ("<f4", (3,), True),
}
# Where a commit moves samples to; all others stay in packs.
BACKENDS = {"sealed": "10", "small": "30"}


@cache
def sample(arrayset: str, number: int) -> np.ndarray[Any, Any]:
    """Return the array that step scripts call `number`; different for each."""
    dtype, shape, variable = ARRAYSETS[arrayset]
    if variable:
        shape = tuple(1 + (number + axis) % size for axis, size in enumerate(shape))
    values = np.random.default_rng(number).integers(0, 256, size=shape)
    return np.ascontiguousarray(values.astype(dtype))


@dataclass
class World:
    """The real thing: a directory, its repository, the writer that is open, the `with` block it is in."""

    directory: Path
    writer: WriterCheckout | None = None
    block: ExitStack | None = None
    entered: str = ""

    @property
    def repo(self) -> Repository:
        return Repository(self.directory, exists=False)

    @property
    def open(self) -> WriterCheckout:
        assert self.writer is not None
        return self.writer

    def abandon(self) -> None:
        """Close what is open, whatever state it is in."""
        if self.writer is not None:
            self.writer.close()
        self.writer = self.block = None


@dataclass(frozen=True)
class Step:
    """One call of a user, and what of the state survives a power cut once it has returned."""

    name: str
    do: Callable[[World], object]
    expect: Callable[[State], object] = lambda _: None
    durable: Literal["nothing", "history", "everything"] = "nothing"


def predict(steps: Sequence[Step], start: State | None = None) -> list[State | None]:
    """Return the states before the first step and after each of them; before `init` there is none."""
    states: list[State | None] = [start]
    state = deepcopy(start) if start is not None else State()
    for step in steps:
        step.expect(state)
        states.append(deepcopy(state))
    return states


def play(directory: Path, steps: Iterable[Step], done: Callable[[int, Step], object]) -> None:
    """Do the steps; `done` hears of each one that has returned, with the number of those behind it."""
    world = World(directory)
    for number, step in enumerate(steps, 1):
        step.do(world)
        done(number, step)
    world.abandon()


# --- steps ----------------------------------------------------------------------------------------------------------


def init() -> Step:
    return Step("init", lambda world: world.repo.init("Ada", "ada@example.org"), durable="everything")


def opened() -> Step:
    def do(world: World) -> None:
        writer = world.repo.checkout(write=True)
        assert isinstance(writer, WriterCheckout)
        world.writer = writer

    return Step("open", do)


def closed() -> Step:
    return Step("close", World.abandon)


def arrayset(name: str) -> Step:
    dtype, shape, variable = ARRAYSETS[name]

    def do(world: World) -> None:
        world.open.arraysets.init_arrayset(
            name, shape=shape, dtype=np.dtype(dtype), variable_shape=variable, backend_opts=BACKENDS.get(name)
        )

    def expect(state: State) -> None:
        state.staged.arraysets[name] = Table(dtype, shape)

    return Step(f"arrayset {name}", do, expect)


def remove_arrayset(name: str) -> Step:
    return Step(
        f"remove arrayset {name}",
        lambda world: world.open.arraysets.remove_aset(name),
        lambda state: state.staged.arraysets.pop(name),
    )


def put(name: str, key: Key, number: int) -> Step:
    def do(world: World) -> None:
        world.open.arraysets[name][key] = sample(name, number)

    def expect(state: State) -> None:
        state.staged.arraysets[name].samples[key] = value(sample(name, number))

    return Step(f"put {name}[{key!r}]", do, expect)


def update(name: str, numbers: dict[Key, int]) -> Step:
    def do(world: World) -> None:
        world.open.arraysets[name].update({key: sample(name, number) for key, number in numbers.items()})

    def expect(state: State) -> None:
        state.staged.arraysets[name].samples.update(
            {key: value(sample(name, number)) for key, number in numbers.items()}
        )

    return Step(f"update {name}", do, expect)


def adopt(name: str, numbers: dict[Key, int]) -> Step:
    """Have a worker store samples in a segment of its own, take that over, and stage them together."""

    def do(world: World) -> None:
        staging = world.open._staging
        with SegmentWriter(staging.data.segment_directory) as worker:
            digests = worker.put_many(sample(name, number) for number in numbers.values())
            segment = worker.finish()
        assert segment is not None
        staging.data.adopt_segment(segment)
        staging.stage_samples(name, list(zip(map(encode_key, numbers), digests, strict=True)))

    return Step(f"adopt {name}", do, update(name, numbers).expect)


def delete(name: str, key: Key) -> Step:
    return Step(
        f"delete {name}[{key!r}]",
        lambda world: world.open.arraysets[name].remove(key),
        lambda state: state.staged.arraysets[name].samples.pop(key),
    )


def note(key: Key, text: str) -> Step:
    return Step(
        f"note {key!r}",
        lambda world: world.open.metadata.add(key, text),
        lambda state: state.staged.metadata.update({key: text}),
    )


def forget(key: Key) -> Step:
    return Step(
        f"forget {key!r}",
        lambda world: world.open.metadata.remove(key),
        lambda state: state.staged.metadata.pop(key),
    )


def enter(name: str) -> Step:
    def do(world: World) -> None:
        world.entered = name
        world.block = ExitStack()
        world.block.enter_context(world.open.arraysets[name])

    return Step(f"enter {name}", do)


def leave() -> Step:
    """Leave the block; if that failed and is tried again, enter it anew."""

    def do(world: World) -> None:
        if world.block is None:
            enter(world.entered).do(world)
        assert world.block is not None
        block, world.block = world.block, None
        block.close()

    return Step("leave", do, durable="everything")


def commit(message: str) -> Step:
    return Step(
        f"commit {message}",
        lambda world: world.open.commit(message),
        lambda state: state.commit(message),
        durable="everything",
    )


def commit_without_writer(message: str) -> Step:
    return Step(
        f"commit {message} from outside",
        lambda world: world.repo.commit(message),
        lambda state: state.commit(message),
        durable="everything",
    )


def reset() -> Step:
    return Step(
        "reset", lambda world: world.open.reset_staging_area(), lambda state: state.reset(), durable="everything"
    )


def branch(name: str) -> Step:
    def expect(state: State) -> None:
        state.history[name] = list(state.history[state.branch])

    return Step(f"branch {name}", lambda world: world.repo.create_branch(name), expect, durable="history")


def switch(name: str) -> Step:
    def expect(state: State) -> None:
        state.branch = name
        state.reset()

    return Step(f"switch {name}", lambda world: world.repo.switch(name), expect, durable="everything")


# --- scenarios ------------------------------------------------------------------------------------------------------


def essentials() -> list[Step]:
    """Each kind of step, few of each: for harnesses that start a process for every point."""
    return [
        init(),
        opened(),
        arrayset("a"),
        put("a", "one", 1),
        note("about", "numbers"),
        enter("a"),
        update("a", {2: 2, "three": 3}),
        leave(),
        commit("first"),
        put("a", "one", 4),
        delete("a", 2),
        closed(),
        opened(),
        put("a", "dropped", 5),
        reset(),
        put("a", "kept", 6),
        closed(),
        branch("dev"),
        commit_without_writer("second"),
        switch("dev"),
        opened(),
        put("a", "last", 7),
        closed(),
    ]


def sealing() -> list[Step]:
    """Arraysets whose samples a commit moves to other backends, beside one whose samples stay in packs."""
    return [
        init(),
        opened(),
        arrayset("a"),
        arrayset("sealed"),
        arrayset("small"),
        put("a", "one", 1),
        enter("sealed"),
        update("sealed", {"one": 1, 2: 2}),
        leave(),
        put("small", "one", 1),
        commit("first"),
        put("sealed", "two", 2),
        put("sealed", "two", 3),
        put("small", "two", 2),
        closed(),
        opened(),
        put("small", "dropped", 5),
        put("sealed", "dropped", 5),
        reset(),
        put("sealed", "kept", 6),
        put("small", "kept", 6),
        closed(),
        commit_without_writer("second"),
        opened(),
        put("sealed", "last", 7),
        closed(),
    ]


def adopting() -> list[Step]:
    """Samples that workers have stored, some of them known already, and some dropped in the end."""
    return [
        init(),
        opened(),
        arrayset("a"),
        arrayset("sealed"),
        put("a", "own", 1),
        enter("a"),
        adopt("a", {"own again": 1, "one": 2, 3: 3}),
        leave(),
        adopt("sealed", {"one": 1, "two": 2}),
        commit("first"),
        adopt("a", {"old": 3}),
        adopt("a", {"dropped": 5}),
        reset(),
        adopt("a", {"one": 6, "kept": 7}),
        closed(),
        opened(),
        adopt("a", {"last": 8, "kept again": 7}),
        closed(),
        commit_without_writer("second"),
    ]


def rotting() -> list[Step]:
    """A history to look after: three commits on two branches, and a block of staged changes that was left."""
    return [
        init(),
        opened(),
        arrayset("a"),
        arrayset("b"),
        enter("a"),
        update("a", {f"number {number}": number for number in range(30)}),
        leave(),
        update("b", {number: number for number in range(10)}),
        note("about", "numbers"),
        note("long", "a text of some length, " * 300),
        commit("first"),
        update("a", {f"number {number}": 100 + number for number in range(0, 30, 7)}),
        delete("b", 3),
        note("about", "other numbers"),
        commit("second"),
        closed(),
        branch("dev"),
        switch("dev"),
        opened(),
        update("a", {f"more {number}": 200 + number for number in range(10)}),
        remove_arrayset("b"),
        commit("third"),
        enter("a"),
        update("a", {f"staged {number}": 300 + number for number in range(10)}),
        delete("a", "number 1"),
        note("staged", "text"),
        leave(),
        closed(),
    ]


def everything() -> list[Step]:
    """Each promise of the contract, in sessions that leave staged samples to the next."""
    return [
        init(),
        opened(),
        arrayset("a"),
        put("a", "one", 1),
        put("a", 2, 2),
        note("about", "numbers"),
        enter("a"),
        put("a", "three", 3),
        update("a", {"four": 4, 5: 5, "six": 6}),
        leave(),
        put("a", "again", 3),  # data that are staged already
        commit("first"),
        put("a", "one", 7),
        delete("a", 2),
        arrayset("b"),
        put("b", "x", 8),
        closed(),
        opened(),
        enter("a"),  # a block without changes makes durable what the session before staged
        leave(),
        put("a", "nine", 9),
        enter("b"),
        put("b", "y", 10),
        put("b", "large enough", 34),
        leave(),
        commit("second"),
        forget("about"),
        put("a", "dropped", 11),
        reset(),
        put("a", "kept", 12),
        put("a", "known", 1),  # data that are committed already
        note("more", "text " * 50),
        closed(),
        branch("dev"),
        commit_without_writer("third"),
        switch("dev"),
        opened(),
        put("b", "z", 13),
        remove_arrayset("a"),
        commit("on dev"),
        closed(),
        switch("master"),
        opened(),
        arrayset("large"),
        put("large", "picture", 14),
        put("a", "last", 15),
        closed(),
    ]


def sequel(state: State) -> list[Step]:
    """What the next user does on top of `state`; all names are new. What is staged already is committed with it."""
    fresh = [] if "a" in state.staged.arraysets else [arrayset("a")]
    return [
        opened(),
        *fresh,
        put("a", "sequel one", 51),
        put("a", "sequel two", 52),
        closed(),
        opened(),
        enter("a"),
        put("a", "sequel one", 53),
        leave(),
        put("a", "sequel three", 54),
        closed(),
        commit_without_writer("sequel"),
    ]


def called(name: str, do: Callable[[Repository], object]) -> Step:
    """One call of the repository, whose effect `watch` finds out."""
    return Step(name, lambda world: do(world.repo), durable="everything")


def integrating() -> list[Step]:
    """Merges, stashes, resets, tags. For `watch`: the model does not know what they do."""
    return [
        init(),
        opened(),
        arrayset("a"),
        arrayset("b"),
        update("a", {"one": 1, "two": 2, "three": 3}),
        update("b", {"x": 4, "y": 5}),
        note("about", "base"),
        commit("base"),
        closed(),
        branch("dev"),
        switch("dev"),
        opened(),
        update("a", {"one": 11, "new": 12}),
        remove_arrayset("b"),
        arrayset("large"),
        note("dev", "was here"),
        note("also", "here"),
        commit("on dev"),
        closed(),
        switch("master"),
        opened(),
        update("a", {"one": 21, "two": 22}),
        commit("on master"),
        closed(),
        called("tag", lambda repo: repo.tags.create("v1")),
        called("merge", lambda repo: repo.merging.merge("dev")),
        called("resolve", lambda repo: repo.merging.resolve("a", side="theirs")),
        called("conclude", lambda repo: repo.merging.conclude("merged")),
        called("revert", lambda repo: repo.merging.revert("v1", strategy="theirs")),
        called("reset softly", lambda repo: repo.reset("HEAD~1")),
        called("stash", lambda repo: repo.stashes.save("put aside")),
        called("pop", lambda repo: repo.stashes.pop()),
        called("commit", lambda repo: repo.commit("popped")),
        opened(),
        Step("rename", lambda world: world.open.arraysets.rename("a", "renamed")),
        closed(),
        called("reset hard", lambda repo: repo.reset("HEAD~1", hard=True)),
        called("rename branch", lambda repo: repo.rename_branch("dev", "other")),
        called("remove branch", lambda repo: repo.remove_branch("other", force_delete=True)),
    ]


def watch(directory: Path, steps: Sequence[Step], forget: Callable[[Path], object]) -> list[State | None]:
    """Play the steps and return the states before, between and after, as they are found. No model is asked."""
    states: list[State | None] = [None]
    world = World(directory / "world")
    world.directory.mkdir()
    for number, step in enumerate(steps):
        step.do(world)
        place = directory / str(number)
        shutil.copytree(world.directory, place, ignore=shutil.ignore_patterns("lock.mdb"))
        states.append(observe(place))
        forget(place)
    world.abandon()
    forget(world.directory)
    return states


def carry_on(directory: Path, state: State) -> None:
    """Check that a new writer can add and commit on top of `state`, and read all of it back."""
    world = World(directory)
    if state.conflicts:
        world.repo.merging.abort()
        state = replace(state, conflicts=[], staged=state.base)
    opened().do(world)
    try:
        if "a" not in state.staged.arraysets:
            arrayset("a").do(world)
        put("a", "afterwards", 99).do(world)
        world.open.commit("afterwards")
        assert (world.open.arraysets["a"]["afterwards"] == sample("a", 99)).all()
    finally:
        world.abandon()
    reader = world.repo.checkout()
    try:
        for name, table in state.staged.arraysets.items():
            for key, wanted in table.samples.items():
                assert value(reader.arraysets[name][key]) == wanted, f"{name}[{key!r}] changed when committed"
        assert dict(reader.metadata.items()) == state.staged.metadata
    finally:
        reader.close()
