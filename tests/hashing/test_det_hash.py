"""`det_hash`: one name for one value, by type and content and nothing else."""

from __future__ import annotations

import array
import asyncio
import collections
import copy
import dataclasses
import datetime as dt
import enum
import functools
import io
import json
import math
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import threading
import types
import typing
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.errors import ContainsItself, NotHashable
from hangar_core.hashing import array_digest, det_hash

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=20), st.complex_numbers()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=5),
    ),
    max_leaves=20,
)


def shape_of(value: Any) -> Any:
    """Return what two values must share to be the same one: a model of the rules, slow and plain."""
    if isinstance(value, float):
        return "float", "nan" if math.isnan(value) else (value, math.copysign(1, value))
    if isinstance(value, complex):
        return "complex", shape_of(value.real), shape_of(value.imag)
    if isinstance(value, list | tuple):
        return type(value), tuple(map(shape_of, value))
    if isinstance(value, dict):
        return dict, frozenset((shape_of(key), shape_of(inner)) for key, inner in value.items())
    return type(value), value


@given(VALUES, VALUES)
def test_two_values_share_a_hash_exactly_when_they_are_the_same(first: Any, second: Any) -> None:
    assert (det_hash(first) == det_hash(second)) == (shape_of(first) == shape_of(second))


@given(VALUES)
def test_a_copy_has_the_hash_of_its_original_and_nothing_is_changed(value: Any) -> None:
    before = copy.deepcopy(value)
    assert det_hash(before) == det_hash(value)
    assert shape_of(before) == shape_of(value)


@given(st.dictionaries(VALUES.map(repr), SCALARS, max_size=6), st.randoms())
def test_the_order_of_a_dict_does_not_count(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert det_hash(dict(items)) == det_hash(value)
    assert det_hash(list(value.items())) == det_hash([(key, value[key]) for key in value])


@given(st.lists(st.integers(-(2**70), 2**70), max_size=6), st.randoms())
def test_the_order_of_a_set_does_not_count_and_that_of_a_list_does(values: list[int], random: Any) -> None:
    mixed = values[:]
    random.shuffle(mixed)
    assert det_hash(set(mixed)) == det_hash(set(values))
    assert (det_hash(mixed) == det_hash(values)) == (mixed == values)


class Named(NamedTuple):
    a: int


class Colour(enum.Enum):
    RED = 1


def all_alike() -> list[Any]:
    """Values that look alike and are of different types."""
    return [
        1,
        1.0,
        True,
        "1",
        b"1",
        bytearray(b"1"),
        None,
        1j,
        Decimal(1),
        np.int64(1),
        np.int32(1),
        np.array(1),
        np.float64(1.0),
        [1],
        (1,),
        {1},
        frozenset({1}),
        {1: None},
        {1: 1},
        {"1": 1},
        collections.OrderedDict({1: 1}),
        collections.Counter({1: 1}),
        Named(1),
        np.array([1]),
        Path("1"),
        PurePosixPath("1"),
        [[1]],
        [],
        (),
        set(),
        frozenset(),
        {},
        "",
        b"",
        Colour,
        Colour.RED,
        list,
        list[int],
        list[str],
        dict[str, int],
        "int",
        int,
        0.0,
        -0.0,
        Decimal("1.0"),
        Decimal("1.00"),
        range(3),
        slice(3),
    ]


def test_different_types_never_share_a_hash() -> None:
    hashes = [det_hash(value) for value in all_alike()]
    assert len(set(hashes)) == len(hashes)


def test_the_text_is_made_of_44_letters_and_digits() -> None:
    for value in all_alike():
        text = det_hash(value)
        assert len(text) == 44
        assert text.isascii()
        assert text.isalnum()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([12, 3], [1, 23]),
        ([1, True], [1, 1]),
        ([1, 2**64], [1, 2**64 + 1]),
        (1, "1"),
        ({"1": 0}, {1: 0}),
        ({1: 0}, {True: 0}),
        ({1: 0}, {1.0: 0}),
        ({1}, {True}),
        ([1, 2], [1.0, 2.0]),
        ([True, False], [1, 0]),
        ({1: 0, "1": 1}, {1: 1, "1": 0}),
        ([[1], 2], [[1, 2]]),
        (["\ud800"], ["\udc00"]),
        (((),), ((), ())),
    ],
)
def test_neighbours_never_run_into_one_another(first: Any, second: Any) -> None:
    assert det_hash(first) != det_hash(second)


def test_identity_never_counts() -> None:
    part, twin = [1, "x"], [1, "x"]
    assert det_hash([part, part]) == det_hash([part, twin])
    text = "".join(["a", "b"])
    assert det_hash([text, text]) == det_hash([text, "ab"])


def test_nans_are_alike_whatever_their_bits_and_wherever_they_are() -> None:
    other = -float("nan")
    assert det_hash(float("nan")) == det_hash(other)
    assert det_hash([1.0, float("nan")]) == det_hash([1.0, other])
    assert det_hash([float("inf"), float("-inf")]) != det_hash([float("inf"), float("nan")])


def test_ranges_are_alike_when_they_hold_the_same_numbers() -> None:
    assert det_hash(range(3)) == det_hash(range(0, 3, 1))
    assert det_hash(range(0, 4, 2)) == det_hash(range(0, 3, 2))
    assert det_hash(range(3)) != det_hash(range(4))


def test_an_ordered_dict_has_an_order() -> None:
    first = collections.OrderedDict([("a", 1), ("b", 2)])
    assert det_hash(first) != det_hash(collections.OrderedDict([("b", 2), ("a", 1)]))


def test_a_counter_has_no_order() -> None:
    assert det_hash(collections.Counter("ab")) == det_hash(collections.Counter("ba")) != det_hash({"a": 1, "b": 1})


def test_the_factory_of_a_defaultdict_counts() -> None:
    assert det_hash(collections.defaultdict(list)) != det_hash(collections.defaultdict(set))


# --- containers in themselves, and deep ones ------------------------------------------------------------------------


def test_a_value_that_contains_itself_is_refused_with_the_place() -> None:
    value: dict[str, Any] = {"list": [1]}
    value["list"].append({"again": value["list"]})
    with pytest.raises(ContainsItself, match=r'\$\["list"\]\[1\]\["again"\]') as caught:
        det_hash(value)
    assert isinstance(caught.value, ValueError)


def test_whatever_contains_itself_is_refused() -> None:
    thing, array, part = Plain(), np.empty(1, object), functools.partial(len)
    thing.again = [thing]  # type: ignore[attr-defined]
    array[0] = array
    part.__setstate__((len, (part,), {}, None))  # type: ignore[attr-defined]
    keyed: dict[Any, Any] = {1: 0}
    keyed[1] = keyed
    for value in (thing, array, part, keyed, Data(1, thing)):
        with pytest.raises(ContainsItself):
            det_hash(value)


def test_objects_and_sets_may_be_as_deep_as_lists() -> None:
    value: Any = 1
    for _ in range(1500):
        value = Plain(a=frozenset([value]))
    assert len(det_hash(value)) == 44


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: {1: x}], ids="ltds")
def test_thousands_of_levels_are_no_matter(wrap: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(3000):
        value = wrap(value)
    assert det_hash(value) != det_hash(wrap(value))


# --- objects --------------------------------------------------------------------------------------------------------


class Plain:
    setting = 1
    VERSION = "1"

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None: ...


class Other(Plain): ...


@dataclasses.dataclass
class Data:
    a: int
    b: Any = None


def test_a_plain_object_counts_by_class_and_attributes_in_any_order() -> None:
    assert det_hash(Plain(a=1, b=[2])) == det_hash(Plain(b=[2], a=1))
    assert det_hash(Plain(a=1)) != det_hash(Plain(a=2))
    assert det_hash(Plain(a=1)) != det_hash(Other(a=1))
    assert det_hash(Plain()) != det_hash(Other())


def test_attributes_of_the_class_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = det_hash(Plain(a=1)), det_hash(Plain)
    monkeypatch.setattr(Plain, "setting", 2)
    monkeypatch.setattr(Plain, "VERSION", "2")
    assert (det_hash(Plain(a=1)), det_hash(Plain)) == before


def test_a_dataclass_counts_by_its_fields_alone() -> None:
    one = Data(1, "x")
    hashed = det_hash(one)
    one.note = "not a field"  # type: ignore[attr-defined]
    assert det_hash(one) == hashed == det_hash(Data(b="x", a=1))
    assert det_hash(Data(1, [2])) != det_hash(Data(1, [3]))


def test_a_class_may_say_its_state() -> None:
    class Says:
        def __init__(self, counts: int) -> None:
            self.counts, self.lock = counts, threading.Lock()

        def __getstate__(self) -> int:
            return self.counts

    assert det_hash(Says(1)) == det_hash(Says(1)) != det_hash(Says(2))


def test_slots_count() -> None:
    class Slots:
        __slots__ = ("a", "b")

    one, two = Slots(), Slots()
    one.a = two.a = 1
    assert det_hash(one) == det_hash(two)
    two.b = None
    assert det_hash(one) != det_hash(two)


def test_extending_a_builtin_adds_the_class_and_its_attributes() -> None:
    class Words(list[str]): ...

    words, plain = Words(["a"]), ["a"]
    assert det_hash(words) != det_hash(plain)
    hashed = det_hash(words)
    words.note = 1  # type: ignore[attr-defined]
    assert det_hash(words) != hashed


def test_a_class_with_equality_but_without_state_is_its_name() -> None:
    class Equal:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    assert det_hash(Equal()) == det_hash(Equal())


class Calls:
    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self) -> int:
        return self.by


class Flags(enum.Flag):
    A = 1
    B = 2


MOMENT = dt.datetime(2026, 11, 27, 12, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "same", "others"),
    [
        (Path("a/b"), Path("a/./b/"), [Path("a/c"), Path("b/a"), Path("/a/b"), PureWindowsPath("a/b")]),
        (MOMENT, dt.datetime.fromisoformat("2026-11-27T12:30+00:00"), [MOMENT.replace(tzinfo=None), MOMENT.date()]),
        (dt.timedelta(hours=24), dt.timedelta(days=1), [dt.timedelta(days=2), dt.timedelta(microseconds=1)]),
        (uuid.UUID(int=1), uuid.UUID(hex="0" * 31 + "1"), [uuid.UUID(int=2), 1]),
        (re.compile("a"), re.compile("a"), [re.compile("b"), re.compile("a", re.IGNORECASE), re.compile(b"a")]),
        (slice(1, 2), slice(1, 2, None), [slice(1, 3), slice(1, 2, 1), (1, 2, None)]),
        (1 + 2j, complex(1, 2), [2 + 1j, 1 - 2j]),
        (np.dtype("<f4"), np.dtype(np.float32), [np.dtype("<f8"), np.dtype("<i4"), np.float32]),
        (Flags.A | Flags.B, Flags.B | Flags.A, [Flags.A, Flags.B, Flags(0), 3]),
        (Calls(1), Calls(1), [Calls(2), Calls]),
        (json, json, [re, "json"]),
        (np.add, np.add, [np.subtract, "add"]),
        (len, len, [max, "len"]),
        (json.dumps, json.dumps, [json.dump, json.loads]),
        (typing.List[int], typing.List[int], [typing.List[str], typing.List]),  # noqa: UP006 - the old spelling
        (np.float32(1), np.array(1, np.float32)[()], [np.float64(1), np.array(1, np.float32), 1.0]),
        (
            collections.deque([1], 2),
            collections.deque([1], 2),
            [collections.deque([1], 3), collections.deque([1]), [1]],
        ),
        (types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 1}), [{"a": 1}]),
        (KeyError("a"), KeyError("a"), [KeyError("b"), IndexError("a")]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_counts_by_its_value(value: Any, same: Any, others: list[Any]) -> None:
    hashes = [det_hash(one) for one in (value, *others)]
    assert det_hash(same) == hashes[0]
    assert len(set(hashes)) == len(hashes)
    assert det_hash([same, {"k": value}]) == det_hash([value, {"k": same}])


def test_a_path_is_not_opened(tmp_path: Path) -> None:
    there = tmp_path / "there"
    before = det_hash(there)
    there.write_text("x")
    assert det_hash(there) == before


def test_what_asking_an_object_for_its_state_raises_comes_through() -> None:
    class Fails:
        def __getstate__(self) -> Any:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        det_hash({"a": [Fails()]})


def test_the_place_of_what_is_refused_tells_key_index_attribute_and_argument() -> None:
    lock = threading.Lock()
    places = {
        '$["key"][3].attr': {"key": [0, 0, 0, Plain(attr=lock)]},
        "$.b": Data(1, lock),
        "$.keywords": functools.partial(len, x=lock),
        "$[2]": {2: lock},
    }
    for place, value in places.items():
        with pytest.raises(NotHashable) as caught:
            det_hash(value)
        assert caught.value.place.startswith(place)
        assert caught.value.type == "_thread.lock"


# --- functions ------------------------------------------------------------------------------------------------------


def add(a: int, b: int = 1) -> int:
    return a + b


def test_a_function_counts_by_its_name() -> None:
    hashed = det_hash(add)
    before, add.__defaults__ = add.__defaults__, (2,)
    try:
        assert det_hash(add) == hashed
    finally:
        add.__defaults__ = before
    assert hashed != det_hash(all_alike)


def test_lambdas_of_one_scope_differ_by_their_code_and_by_what_they_close_over() -> None:
    def scale(by: int) -> Callable[[int], int]:
        return lambda x: x * by

    first, second = (lambda x: x + 1), (lambda x: x + 2)
    assert det_hash(first) != det_hash(second)
    assert det_hash(scale(2)) == det_hash(scale(2)) != det_hash(scale(3))


def test_a_local_function_that_calls_itself_has_a_hash() -> None:
    def factorial(n: int) -> int:
        return 1 if n < 2 else n * factorial(n - 1)

    assert len(det_hash(factorial)) == 44


def test_a_bound_method_counts_with_its_instance() -> None:
    assert det_hash(Plain(a=1).method) == det_hash(Plain(a=1).method) != det_hash(Plain(a=2).method)
    assert det_hash([1].append) != det_hash([2].append)


def test_a_partial_counts_function_args_and_keywords() -> None:
    base = det_hash(functools.partial(add, 1, b=2))
    assert base == det_hash(functools.partial(add, 1, b=2))
    others = (functools.partial(add, 2, b=2), functools.partial(add, 1, b=3), functools.partial(len, 1, b=2))
    assert base not in map(det_hash, others)


def test_aliases_count_origin_and_arguments() -> None:
    aliases = [list[int], list[str], set[int], typing.Optional[int], typing.Callable[[int], str], typing.Literal["a"]]  # noqa: UP045
    assert len({det_hash(alias) for alias in aliases}) == len(aliases)
    assert det_hash(int | str) == det_hash(str | int)


# --- arrays ---------------------------------------------------------------------------------------------------------


def test_an_array_counts_by_dtype_shape_and_values_however_it_lies() -> None:
    array = np.arange(24, dtype="<i4").reshape(4, 6)
    hashed = det_hash(array)
    read_only = array.copy()
    read_only.flags.writeable = False
    for same in (
        np.asfortranarray(array),
        array.astype(">i4"),
        array.T.copy().T,
        np.repeat(array, 2, 0)[::2],
        read_only,
    ):
        assert det_hash(same) == hashed
    for other in (array.reshape(6, 4), array.astype("<i8"), array + 1, array.ravel()):
        assert det_hash(other) != hashed
    assert det_hash(np.empty((0, 3))) != det_hash(np.empty((3, 0))) != det_hash(np.empty(0))


def test_a_memory_map_is_the_array_in_it(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5))
    assert det_hash(np.load(tmp_path / "a.npy", mmap_mode="r")) == det_hash(np.arange(5))


def test_large_arrays_in_any_order_are_hashed_piece_by_piece_to_the_same() -> None:
    array = np.random.default_rng(1).integers(0, 255, (3, 1100, 6000), np.uint8)
    for view in (array.transpose(2, 0, 1), array[:, ::-1], array.view(">u2"), array[:, :, ::5]):
        assert array_digest(view) == array_digest(view.copy(order="C"))


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "bc"]),
        np.array([b"a"]),
        np.array([True]),
        np.array([1j]),
        np.array(["2020"], "M8[D]"),
        np.array([1, "a", [2]], object),
        np.zeros(2, [("a", "<i4"), ("b", "<f8", 2)]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_every_kind_of_array_has_a_hash(array: Any) -> None:
    assert det_hash(array) == det_hash(array.copy()) != det_hash(array[:0])


def test_records_do_not_count_their_padding_or_byte_order() -> None:
    aligned = np.zeros(3, np.dtype([("a", "u1"), ("b", "<i4")], align=True))
    packed = np.zeros(3, [("a", "u1"), ("b", ">i4")])
    assert det_hash(aligned) == det_hash(packed)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_class_of_an_array_counts() -> None:
    assert det_hash(np.matrix([[1]])) != det_hash(np.array([[1]]))


def test_torch_tensors_count_by_dtype_shape_and_values() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    same = tensor.clone().requires_grad_()
    assert det_hash(tensor) == det_hash(same) == det_hash(tensor.T.contiguous().T)
    others = (tensor + 1, tensor.reshape(3, 2), tensor.to(torch.float64), tensor.to(torch.bfloat16), torch.empty(0))
    assert len({det_hash(tensor), *map(det_hash, others)}) == 6
    with pytest.raises(NotHashable, match="dense"):
        det_hash(tensor.to_sparse())
    views = (tensor[:, ::2], tensor.expand(4, 2, 3), torch.tensor([1 + 2j]).conj(), -torch.tensor([1j]).imag)
    for view in views:
        assert det_hash(view) == det_hash(view.clone().contiguous().resolve_conj().resolve_neg())
    kinds = (tensor, tensor.numpy(), torch.nn.Parameter(tensor), torch.tensor(1.0), torch.tensor([1.0]), 1.0)
    assert len({det_hash(kind) for kind in kinds}) == len(kinds)
    assert det_hash({"model": [tensor]}) == det_hash({"model": [same]})
    # Pinned: results of other days are named by it.
    assert det_hash(tensor) == "Fu48nWVxXxQkK85UjbUudjHedJeVrSKMqcA4Wj85B6a1"


def test_hashing_imports_no_torch() -> None:
    script = "import sys; from hangar_core.hashing import det_hash; import numpy; det_hash([numpy.zeros(2), object]); "
    done = subprocess.run(
        [sys.executable, "-c", script + "print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: (i for i in ()),
        lambda: iter([]),
        threading.Lock,
        lambda: io.BytesIO(b"x"),
        object,
        lambda: memoryview(b""),
        lambda: {}.keys(),
        lambda: map(len, ()),
        lambda: np.ma.array([1]),
        lambda: np.longdouble(1),
        lambda: property(len),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_what_has_no_content_of_its_own_is_refused_with_its_place(make: Callable[[], Any], deep: bool) -> None:
    value = make()
    with pytest.raises(NotHashable) as caught:
        det_hash({"key": (1, 2, 3, Plain(attr=value))} if deep else value)
    assert isinstance(caught.value, TypeError)
    assert caught.value.place.startswith('$["key"][3].attr' if deep else "$")
    assert type(value).__name__.strip("_") in caught.value.message or "ndarray" in caught.value.message


def test_an_open_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as file, pytest.raises(NotHashable, match="path or its content"):
        det_hash([file])


def test_what_hashing_refused_once_it_refuses_again() -> None:
    for _ in range(2):
        with pytest.raises(NotHashable, match=r"\$\[1\]: "):
            det_hash([0, threading.Lock()])


class Counts(array.array):  # type: ignore[type-arg]  # what it holds is C's
    pass


@pytest.mark.parametrize("value", [np.random.default_rng(1), Counts("i", [1])], ids=["generator", "array"])
def test_what_keeps_its_content_where_nobody_looks_is_refused(value: object) -> None:
    """Two of them with other content must not have one hash."""
    with pytest.raises(NotHashable, match="cannot be told from outside"):
        det_hash(value)


def test_functions_of_numpy_count_by_their_names() -> None:
    assert det_hash(np.mean) == det_hash(np.mean) != det_hash(np.sum)
    assert det_hash(functools.partial(np.max, axis=0)) != det_hash(functools.partial(np.max, axis=1))


def test_attributes_that_a_class_adds_to_a_kind_of_value_count() -> None:
    kinds: list[tuple[Any, tuple[Any, ...]]] = [
        (dt.datetime, (2026, 11, 27)),
        (dt.date, (2026, 11, 27)),
        (dt.time, (12,)),
        (dt.timedelta, (1,)),
        (Decimal, (1,)),
        (uuid.UUID, (None, None, None, None, 1)),
        (functools.partial, (len, "a")),
        (type(Path()), ("a",)),
        (PurePosixPath, ("a",)),
        (np.float64, (1.0,)),
        (int, (1,)),
        (str, ("a",)),
        (bytes, (b"a",)),
    ]
    for kind, args in kinds:
        own, slotted = (
            type("Own", (kind,), {}),
            type("Own", (kind,), {"__slots__": () if kind in {int, bytes} else ("a",)}),
        )
        one, other, without = own(*args), own(*args), own(*args)
        object.__setattr__(one, "a", 1)
        object.__setattr__(other, "a", 2)
        assert len({det_hash(value) for value in (kind(*args), one, other, without)}) == 4, kind
        assert det_hash(without) == det_hash(own(*args)) == det_hash(slotted(*args))
        if kind not in {int, bytes}:
            value = slotted(*args)
            object.__setattr__(value, "a", 1)
            assert det_hash(value) == det_hash(one)
        object.__setattr__(other, "a", threading.Lock())
        with pytest.raises(NotHashable, match=r"\$\[0\]\.a"):
            det_hash([other])


def test_the_state_that_a_kind_of_value_tells_counts() -> None:
    class Moment(dt.datetime):
        unit = "s"

        def __getstate__(self) -> Any:
            return self.unit

    one, two = Moment(2026, 1, 1), Moment(2026, 1, 1)
    two.unit = "ms"
    assert det_hash(one) != det_hash(two)
    assert det_hash(one) != det_hash(Moment(2026, 1, 2))


def test_what_an_exception_has_beside_its_args_counts() -> None:
    for one, other in [
        (OSError(2, "gone", "a"), OSError(2, "gone", "b")),
        (OSError(2, "gone", "a"), OSError(2, "gone")),
        (OSError(2, "gone", "a", None, "b"), OSError(2, "gone", "a", None, "c")),
        (ImportError("gone", name="a"), ImportError("gone", name="b")),
        (NameError("gone", name="a"), NameError("gone")),
        (AttributeError("gone", name="a", obj=1), AttributeError("gone", name="a", obj=2)),
    ]:
        assert det_hash(one) != det_hash(other)
    assert det_hash(OSError(2, "gone", "a")) == det_hash(OSError(2, "gone", "a"))
    moved = SyntaxError("bad", ("f", 1, 2, "x", 1, 3))
    before = det_hash(moved)
    moved.lineno = 7
    assert det_hash(moved) != before


def test_numbers_of_a_struct_that_are_not_its_members_count() -> None:
    times = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    first, second = os.stat_result(times, {"st_mtime_ns": 1}), os.stat_result(times, {"st_mtime_ns": 2})
    assert tuple(first) == tuple(second)
    assert det_hash(first) != det_hash(second)


def test_a_slot_that_another_hides_is_refused_if_both_are_set() -> None:
    class Base:
        __slots__ = ("a",)

    class Own(Base):
        __slots__ = ("a",)

    one = Own()
    one.a = 1
    hashed = det_hash(one)
    assert len(hashed) == 44
    Base.a.__set__(one, 2)  # type: ignore[attr-defined]
    with pytest.raises(NotHashable, match=r"\$\[0\]: .*two attributes `a`"):
        det_hash([one])


class Opaque:
    def __getstate__(self) -> Any:
        raise TypeError("Opaque is not for others")


@pytest.mark.parametrize(
    "make",
    [
        asyncio.Lock,
        asyncio.Event,
        asyncio.Queue,
        lambda: asyncio.Semaphore(2),
        lambda: type("Own", (asyncio.Lock,), {})(),
        socket.socket,
        multiprocessing.Lock,
        Opaque,
    ],
)
def test_what_belongs_to_a_process_or_a_loop_is_refused_with_type_and_place(make: Callable[[], Any]) -> None:
    value = make()
    with pytest.raises(NotHashable) as caught:
        det_hash({"key": [value]})
    assert caught.value.place == '$["key"][0]'
    assert type(value).__qualname__ in caught.value.type
    if isinstance(value, socket.socket):
        value.close()


def test_what_is_open_in_h5py_is_refused_with_type_and_place(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for value in (file, file.create_group("g"), file.create_dataset("d", data=[1])):
            with pytest.raises(NotHashable, match=r"\$\.data: an object of type h5py\.") as caught:
                det_hash(Plain(data=value))
            assert caught.value.type.endswith(type(value).__name__)


def test_a_zone_without_a_key_is_refused() -> None:
    path = next(
        (Path(place, "UTC") for place in zoneinfo.TZPATH if Path(place, "UTC").is_file()), None
    )  # the system may have none
    if path is None:
        pytest.skip("no file of a time zone is here")
    with path.open("rb") as file:
        zone = zoneinfo.ZoneInfo.from_file(file)
    with pytest.raises(NotHashable, match="key"):
        det_hash(zone)


def test_objects_of_classes_in_c_that_hold_nothing_but_attributes_have_a_hash() -> None:
    one, other = types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)
    assert det_hash(one) == det_hash(other) != det_hash(types.SimpleNamespace(a=2, b=2))
    own = type("Zone", (dt.tzinfo,), {"__init__": lambda self, hours: setattr(self, "hours", hours)})
    assert det_hash(own(1)) == det_hash(own(1)) != det_hash(own(2))


def floats_of(kind: Any, bits: list[int], width: int) -> list[Any]:
    return [np.frombuffer(one.to_bytes(width, "little"), kind)[0] for one in bits]


def test_nans_are_alike_in_every_kind_of_scalar_and_differ_in_arrays_as_stored_ones_do() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kinds = [
        floats_of(np.float64, [0x7FF8 << 48, 0xFFF8 << 48, (0x7FF8 << 48) + 1, (0x7FF0 << 48) + 1], 8),
        floats_of(np.float32, [0x7FC00000, 0xFFC00000, 0x7FC00001], 4),
        floats_of(np.float16, [0x7E00, 0xFE00, 0x7E01], 2),
        floats_of(ml_dtypes.bfloat16, [0x7FC0, 0xFFC0, 0x7FC1], 2),
        floats_of(ml_dtypes.float8_e4m3fn, [0x7F, 0xFF], 1),
        floats_of(np.complex128, [0x7FF8 << 112, 0xFFF8 << 112], 16),
        floats_of([("a", "<f4"), ("b", "<c8")], [0x7FC00000, 0xFFC00000], 12),
        [float("nan"), -float("nan"), float(np.frombuffer(b"\1\0\0\0\0\0\xf8\x7f")[0])],
        [complex("nan"), complex(-float("nan"), 0)],
        [Decimal("nan"), Decimal("-nan"), Decimal("nan12")],
    ]
    hashes = [{det_hash(one) for one in kind} for kind in kinds]
    assert [len(one) for one in hashes] == [1] * len(kinds)
    assert len(set().union(*hashes)) == len(kinds)
    assert det_hash(Decimal("snan")) != det_hash(Decimal("nan"))
    assert det_hash(np.float32("nan")) != det_hash(np.float32("inf"))
    assert det_hash(np.float64(-0.0)) != det_hash(np.float64(0.0))
    # A stored array is known by its bytes, and the array itself has the same hash.
    nans = np.array(kinds[0])
    assert det_hash(nans) != det_hash(-nans)
    assert det_hash(np.array(kinds[0], object)) == det_hash(np.array(kinds[0][::-1], object))
