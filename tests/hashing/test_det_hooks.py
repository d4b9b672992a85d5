"""The classes by which objects say what of them is hashed."""

from __future__ import annotations

import copy
import pickle
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from hangar_core.errors import ContainsItself
from hangar_core.hashing import CustomDetHash, DetHashFromInitParams, DetHashWithVersion, det_hash


class Answers(CustomDetHash):
    def __init__(self, answer: Any, note: Any = None) -> None:
        self.answer, self.note = answer, note

    def det_hash_object(self) -> Any:
        return self.answer


class AnswersToo(Answers): ...


class Silent:
    """`Answers` without the hook."""


def test_the_answer_counts_with_the_class_and_nothing_else() -> None:
    assert det_hash(Answers(1, "x")) == det_hash(Answers(1, "y"))
    assert len({det_hash(value) for value in (Answers(1), Answers(2), AnswersToo(1), 1)}) == 4


def test_none_means_the_ordinary_way() -> None:
    class Plain:
        def __init__(self) -> None:
            self.answer = self.note = None

    ordinary = Plain()
    Plain.__module__, Plain.__qualname__ = Answers.__module__, Answers.__qualname__
    assert det_hash(Answers(None)) == det_hash(ordinary)
    assert det_hash(Answers(None, "x")) != det_hash(Answers(None, "y"))


def test_it_works_at_any_depth() -> None:
    holder = Silent()
    holder.inner = Answers(1, "x")  # type: ignore[attr-defined]
    other = Silent()
    other.inner = Answers(1, "y")  # type: ignore[attr-defined]
    for wrap in (lambda x: [x], lambda x: {"a": x}, lambda x: Answers(x), lambda x: {1: (x,)}):
        assert det_hash(wrap(holder)) == det_hash(wrap(other))


def test_the_answer_may_contain_the_object_itself() -> None:
    class Itself(CustomDetHash):
        def __init__(self, value: int) -> None:
            self.value = value

        def det_hash_object(self) -> Any:
            return ("salt", self)

    assert det_hash(Itself(1)) == det_hash(Itself(1)) != det_hash(Itself(2))
    assert det_hash([Itself(1), Itself(1)]) != det_hash([Itself(1), Itself(2)])
    one = Itself(1)
    assert det_hash([one, one]) == det_hash([Itself(1), Itself(1)])
    one.value = one  # type: ignore[assignment]
    with pytest.raises(ContainsItself):
        det_hash(one)


def test_a_subclass_without_the_hook_says_so() -> None:
    class Forgot(CustomDetHash): ...

    with pytest.raises(NotImplementedError, match="Forgot"):
        det_hash(Forgot())


def test_what_a_hook_raises_comes_through() -> None:
    class Fails(CustomDetHash):
        def det_hash_object(self) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        det_hash([Fails()])


# --- init params ----------------------------------------------------------------------------------------------------


class Model(DetHashFromInitParams):
    def __init__(self, a: int, b: int = 2, **others: Any) -> None:
        self.lock = threading.Lock()
        self.a = a


class Larger(Model):
    def __init__(self, size: int) -> None:
        super().__init__(size * 2, b=7)


class Sized(DetHashFromInitParams):
    def __init__(self, size: int) -> None:
        self.size = size * 2


def test_only_what_init_was_given_counts_exactly_as_it_was_given() -> None:
    model = Model(1)
    hashed = det_hash(model)
    model.a = 5
    assert det_hash(model) == hashed == det_hash(Model(1))
    assert model.det_hash_object() == ((1,), {})
    assert Model(1, b=3).det_hash_object() == ((1,), {"b": 3})
    assert len({det_hash(value) for value in (Model(1), Model(a=1), Model(1, 2), Model(2))}) == 4
    assert det_hash(Model(1, b=1, c=2)) == det_hash(Model(1, c=2, b=1))


def test_of_a_subclass_the_outermost_arguments_count() -> None:
    assert Larger(1).det_hash_object() == ((1,), {})
    assert det_hash(Larger(1)) != det_hash(Model(1))


def test_without_an_init_of_its_own_there_are_no_arguments() -> None:
    class Bare(DetHashFromInitParams): ...

    assert Bare().det_hash_object() == ((), {})
    with pytest.raises(TypeError, match="no arguments"):
        Bare(1)


def test_it_fits_a_frozen_dataclass_and_other_bases() -> None:
    @dataclass(frozen=True)
    class Frozen(DetHashFromInitParams):
        a: int = 1

    class Words(DetHashFromInitParams, str): ...

    assert Frozen(a=3).det_hash_object() == ((), {"a": 3})
    assert Words("x") == "x"
    assert Words("x").det_hash_object() == (("x",), {})


def test_a_copy_keeps_what_init_was_given() -> None:
    for made in (copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
        assert det_hash(made(Sized(2))) == det_hash(Sized(2))


# --- version --------------------------------------------------------------------------------------------------------


def test_the_version_changes_the_hash_and_going_back_gives_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model(DetHashWithVersion):
        def __init__(self, state: int) -> None:
            self.state = state

    hashes = {}
    for version in (None, "1", "2"):
        monkeypatch.setattr(Model, "VERSION", version)
        hashes[version] = det_hash(Model(1)), det_hash(Model(2))
    assert len({one for pair in hashes.values() for one in pair}) == 6
    monkeypatch.setattr(Model, "VERSION", "1")
    assert det_hash(Model(1)) == hashes["1"][0]
    model = Model(1)
    assert model.det_hash_object() == ("1", model)


def test_without_a_version_it_is_hashed_in_the_ordinary_way() -> None:
    class Model(DetHashWithVersion):
        def __init__(self) -> None:
            self.state = 1

    class Ordinary:
        def __init__(self) -> None:
            self.state = 1

    ordinary = Ordinary()
    Ordinary.__qualname__ = Model.__qualname__
    assert Model().det_hash_object() is None
    assert det_hash(Model()) == det_hash(ordinary)
